"""Computes rewards and attributes them to decisions."""
