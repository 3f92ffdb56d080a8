"""How many evaluations a warm start saves, through the public API."""
