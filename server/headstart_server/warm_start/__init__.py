"""Warm start: candidates to try first on a task, chosen by the results of other tasks. Entry point: ``service``."""
