"""Who is calling: the namespace that a call works in.

Namespaces come from the caller, never from a request's content. Callers have no tokens yet, so all are one.
"""

from __future__ import annotations

DEFAULT_NAMESPACE = "default"


def namespace_of_caller() -> str:
    return DEFAULT_NAMESPACE
