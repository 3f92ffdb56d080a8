"""Turns candidates into arrays."""
