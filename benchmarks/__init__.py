"""The figures that the README claims, each one command, run as ``python -m benchmarks.NAME`` in the repository root."""
