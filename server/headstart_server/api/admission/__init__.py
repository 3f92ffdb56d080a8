"""Admission of calls: identity, quotas and limits, before a request is read."""
