"""Conversion between the client's values and messages, one module a topic. The server uses it too."""
