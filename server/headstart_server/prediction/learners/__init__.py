"""Learners from arrays to arrays, in ``members``, and the ensemble of them, in ``ensemble``."""
