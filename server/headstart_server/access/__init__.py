"""Authorisation: tokens, roles, quotas, and the audit log."""
