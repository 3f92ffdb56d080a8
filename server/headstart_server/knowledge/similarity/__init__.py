"""Compares tasks, and architectures."""
