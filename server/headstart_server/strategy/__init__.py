"""Which search strategy to run next."""
