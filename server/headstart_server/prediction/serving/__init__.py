"""Scores candidates with the model version that serves a search space."""
