"""What the service gives under load, beside what it costs to ask it nothing: one row for each promise."""
