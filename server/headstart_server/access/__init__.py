"""Who may call what: tokens, roles, quotas, and the log of what was administered."""
