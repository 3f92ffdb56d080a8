"""Settings, database, metrics, logging and child processes, for every role. It imports no domain."""
