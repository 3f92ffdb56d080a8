"""Learns a policy from recorded searches, and evaluates it off-policy."""
