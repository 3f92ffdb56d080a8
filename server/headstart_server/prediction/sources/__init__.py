"""Transfer from source tasks: a surrogate of each, their expected agreement, and Bayesian model averaging."""
