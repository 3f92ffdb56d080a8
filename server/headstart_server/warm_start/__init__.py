"""What to try first on a task, from what was good on others."""
