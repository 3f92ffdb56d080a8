"""Holds the results of tasks in memory, as arrays."""
