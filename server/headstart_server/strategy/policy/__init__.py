"""Learned policy: fitted Q iteration on recorded searches, off-policy evaluation, and serving."""
