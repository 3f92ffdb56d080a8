"""Learners from arrays to arrays, and the ensemble of them."""
