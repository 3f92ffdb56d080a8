"""Commands of ``headstart-server``: each parses its options, calls what does the work, and prints."""
