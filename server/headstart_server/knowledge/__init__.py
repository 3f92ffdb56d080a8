"""Search spaces, tasks, architectures and experiments: what has been tried, and what is like what."""
