"""Final losses predicted from the beginning of learning curves, and early stopping."""
