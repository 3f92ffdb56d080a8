"""The errors of the service.

Domains raise them. The API layer alone turns them into gRPC codes and details, and commands turn ``StartupError``
into one line and exit code 2. Messages reach callers: no SQL, no paths of the server, no values of other namespaces.
A wrong input raises ``headstart.spaces.validation.InvalidInput``, which client and server share.
"""

from __future__ import annotations


class ServiceError(Exception):
    """A call that cannot be answered; ``reason`` is an UPPER_SNAKE word for programs, such as TASK_NOT_FOUND."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class NotFound(ServiceError):
    """A named thing does not exist in the caller's namespace."""


class AlreadyExists(ServiceError):
    """The id is taken by something else."""


class FailedPrecondition(ServiceError):
    """The state of the service does not allow the call; repeating it as it is will not help."""


class Unauthenticated(ServiceError):
    """The caller is unknown: no token, or an invalid one."""


class PermissionDenied(ServiceError):
    """The caller is known, and may not make this call."""


class Unimplemented(ServiceError):
    """A part of the contract that this version does not answer yet."""


class Unavailable(ServiceError):
    """Something that the call needs is out of reach; repeat after ``retry_seconds``."""

    def __init__(self, message: str, reason: str, retry_seconds: float = 1.0) -> None:
        super().__init__(message, reason)
        self.retry_seconds = retry_seconds


class ResourceExhausted(ServiceError):
    """More is requested at once than the service accepts; repeat after ``retry_seconds``."""

    def __init__(self, message: str, reason: str, retry_seconds: float = 1.0) -> None:
        super().__init__(message, reason)
        self.retry_seconds = retry_seconds


class StartupError(Exception):
    """A command cannot start or go on; the message is one line that says what to do."""


class SchemaMismatch(StartupError):
    """The database's tables are not those this version works with."""
