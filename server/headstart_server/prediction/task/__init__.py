"""Predictions for one task from its own results and from other tasks."""
