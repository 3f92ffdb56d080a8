"""Strategy selection: which search strategy to run next. Entry points: ``service``; ``learning`` for the worker."""
