"""The caller's identity: the namespace that a call works in, and the caller's permissions. Set once for each call.

The namespace follows from the caller's token, never from a request's content.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from headstart_server.access.roles import Role

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True)
class Caller:
    """The caller of a call. ``actor`` is its name in the audit log."""

    namespace: str
    role: Role
    actor: str


# The caller without authentication.
ANYBODY = Caller(DEFAULT_NAMESPACE, Role.ADMIN, "anybody")

caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)


def namespace_of_caller() -> str:
    return caller.get().namespace
