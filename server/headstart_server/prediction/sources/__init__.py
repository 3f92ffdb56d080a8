"""Transfer from source tasks: ``sources.Sources`` makes the surrogate of a search by Bayesian model averaging."""
