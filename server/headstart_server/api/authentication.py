"""Lets calls in: who calls, whether they may, and whether their namespace has calls left.

What the database says of a token or a quota is remembered for some seconds, so that a call costs no query; a token that
was revoked is let in that long at most.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from grpc.aio import ServicerContext
from sqlalchemy import Connection, Engine

from headstart_server.access.quotas import CallRate, Quota, Usage, read_quota, read_usage
from headstart_server.access.roles import Role, may
from headstart_server.access.tokens import Token, find_token, matches, number_of
from headstart_server.api.identity import ANYBODY, Caller
from headstart_server.runtime.errors import PermissionDenied, ResourceExhausted, Unauthenticated
from headstart_server.threads import GATE_THREADS

REMEMBERED_SECONDS = 5.0
_MOST_REMEMBERED = 4096
_EXPERIMENTS = frozenset({"RecordExperiment", "RecordExperiments"})
_TASKS = frozenset({"CreateTask"})

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Gate:
    """One for a server: ``authentication`` is "none", "token" or "certificate"."""

    def __init__(self, engine: Engine, authentication: str) -> None:
        self._authentication = authentication
        self._executor = ThreadPoolExecutor(GATE_THREADS, thread_name_prefix="gate")
        self._tokens: _Remembered[Token | None] = _Remembered(engine, self._executor)
        self._quotas: _Remembered[Quota] = _Remembered(engine, self._executor)
        self._usages: _Remembered[Usage] = _Remembered(engine, self._executor)
        self._rates: dict[str, CallRate] = {}

    async def admit(self, method: str, context: ServicerContext[Any, Any]) -> Caller:
        """Raises Unauthenticated, PermissionDenied, ResourceExhausted."""
        if self._authentication == "none":
            found = ANYBODY
        else:
            found = _of_certificate(context) if self._authentication == "certificate" else await self._bearer(context)
            if not may(found.role, method):
                name = method.rpartition("/")[2]
                raise PermissionDenied(f"the role {found.role.name} may not call {name}", reason="ROLE_NOT_ALLOWED")
        if found.role is not Role.SERVICE:
            await self._check_quota(found.namespace, method.rpartition("/")[2])
        return found

    async def _bearer(self, context: ServicerContext[Any, Any]) -> Caller:
        text = _bearer_text(dict(context.invocation_metadata() or ()))
        number = number_of(text)
        token = None if number is None else await self._tokens.get(number, lambda c: find_token(c, number))
        if token is None or not matches(token, text):
            raise Unauthenticated("the token is not known, has expired, or was revoked", reason="TOKEN_NOT_VALID")
        return Caller(token.namespace, token.role, f"token {token.number} {token.name}")

    async def _check_quota(self, namespace: str, name: str) -> None:
        quota = await self._quotas.get(namespace, lambda connection: read_quota(connection, namespace))
        if quota.calls_per_second is not None:
            rate = self._rates.setdefault(namespace, CallRate())
            wait = rate.wait_seconds(quota.calls_per_second)
            if wait > 0:
                raise ResourceExhausted(
                    f"namespace {namespace} has {quota.calls_per_second:g} calls a second", "CALL_QUOTA", wait
                )
        bound = quota.experiments if name in _EXPERIMENTS else quota.tasks if name in _TASKS else None
        if bound is None:
            return
        usage = await self._usages.get(namespace, lambda connection: read_usage(connection, namespace))
        used = usage.experiments if name in _EXPERIMENTS else usage.tasks
        if used >= bound:
            what = "experiments" if name in _EXPERIMENTS else "tasks"
            raise ResourceExhausted(f"namespace {namespace} has its {bound} {what}", f"{what.upper()}_QUOTA", 60.0)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _bearer_text(metadata: Mapping[str, str | bytes]) -> str:
    sent = metadata.get("authorization", "")
    kind, _, text = (sent.decode(errors="replace") if isinstance(sent, bytes) else sent).partition(" ")
    if kind.lower() != "bearer" or not text:
        raise Unauthenticated("a bearer token is needed in the metadata 'authorization'", reason="TOKEN_MISSING")
    return text.strip()


def _of_certificate(context: ServicerContext[Any, Any]) -> Caller:
    """The common name of a client's certificate is NAMESPACE/ROLE."""
    names = context.auth_context().get("x509_common_name", [])
    text = bytes(next(iter(names), b"")).decode(errors="replace")
    namespace, _, role = text.rpartition("/")
    if not namespace or "\0" in namespace or role.upper() not in Role.__members__:
        raise Unauthenticated(
            "the common name of the client's certificate must be NAMESPACE/ROLE", reason="CERTIFICATE_NOT_VALID"
        )
    return Caller(namespace, Role[role.upper()], f"certificate {text}"[:255])


class _Remembered(Generic[T]):
    """Answers of the database for some seconds; those who ask meanwhile wait for one question."""

    def __init__(self, engine: Engine, executor: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._executor = executor
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Future[T]]] = OrderedDict()

    async def get(self, key: Hashable, read: Callable[[Connection], T]) -> T:
        now = time.monotonic()
        until, answer = self._known.get(key, (0.0, None))
        if answer is None or now >= until:
            answer = asyncio.get_running_loop().run_in_executor(self._executor, self._ask, read)
            self._known[key] = (now + REMEMBERED_SECONDS, answer)
            self._known.move_to_end(key)
            while len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            raise
        except Exception:
            # A failure is not remembered.
            if self._known.get(key, (0.0, None))[1] is answer:
                del self._known[key]
            raise

    def _ask(self, read: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return read(connection)
