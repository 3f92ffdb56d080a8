"""Learns from past tasks which arm to expect most of."""
