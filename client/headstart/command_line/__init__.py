"""The ``headstart`` command: looks into a running service from a terminal, and gives programs the same as JSON.

One module for each group of commands; ``app`` puts them together. What all of them share: ``session`` (the connection
and what becomes of errors), ``options`` (what may be asked), ``tables`` and ``words`` (for people), ``documents`` (for
programs). Needs the extra ``cli``; nothing else of the client imports this package.
"""
