"""Benchmarks of the strategy room."""
