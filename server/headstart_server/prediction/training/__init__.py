"""Trains, validates and promotes the model of a search space."""
