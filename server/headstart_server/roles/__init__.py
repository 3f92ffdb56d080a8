"""Runs the roles of the service: server processes, the worker, jobs, and all of them on one machine."""
