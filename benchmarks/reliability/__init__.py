"""Promises under faults, bad requests and hostile callers."""
