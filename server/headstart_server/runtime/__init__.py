"""What every role needs and no room owns: settings, database engine, metrics, logging, child processes."""
