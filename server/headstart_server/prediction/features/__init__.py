"""Features of candidates as arrays. The entry points are ``structural`` and ``batch``."""
