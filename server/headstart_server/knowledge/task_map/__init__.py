"""Groups alike tasks and draws the map of all tasks."""
