"""Programs on this machine: child processes and the embedded databases."""
