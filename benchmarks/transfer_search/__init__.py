"""Searches that start from the past of other tasks, on families of tasks that agree and of tasks that do not."""
