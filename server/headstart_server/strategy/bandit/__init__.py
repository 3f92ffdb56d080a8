"""Chooses an arm and its hyperparameters."""
