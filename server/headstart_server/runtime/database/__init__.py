"""PostgreSQL: engine, migration, row-level security, jobs, claims and idempotency."""
