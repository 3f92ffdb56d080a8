"""A distributed search with the service and without: the picture of the README."""
