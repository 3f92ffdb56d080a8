"""Lets calls in: who calls, whether they may, and whether their namespace has calls left.

What the database says of a token or a quota is remembered for some seconds, so that a call costs no query; a token that
was revoked is let in that long at most.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from grpc.aio import ServicerContext
from sqlalchemy import Connection, Engine

from headstart_server.access.quotas import CallRate, Quota, Usage, read_quota, read_usage
from headstart_server.access.roles import Role, may
from headstart_server.access.tokens import Token, find_token, matches, number_of
from headstart_server.api.admission.identity import ANYBODY, Caller
from headstart_server.runtime.errors import PermissionDenied, ResourceExhausted, Unauthenticated
from headstart_server.threads import GATE

REMEMBERED_SECONDS = 5.0
_MOST_REMEMBERED = 4096
# Most lookups of tokens that are not cached at once: anybody can invent token numbers.
_MOST_STRANGERS = 64
# The quota that a method uses.
_USES = {"RecordExperiment": "experiments", "RecordExperiments": "experiments", "CreateTask": "tasks"}

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class _Use:
    """A namespace's use of a quota beyond what the database reported: by requests in progress, and by requests that
    ended since.
    """

    in_work: int = 0
    since: int = 0


class Admission:
    """Admission of calls, one for a server: ``authentication`` is "none", "token" or "certificate"."""

    def __init__(self, engine: Engine, authentication: str) -> None:
        self._authentication = authentication
        self._executor = GATE.executor()
        self._tokens: _Remembered[Token | None] = _Remembered(engine, self._executor)
        self._quotas: _Remembered[Quota] = _Remembered(engine, self._executor)
        self._usages: _Remembered[Usage] = _Remembered(engine, self._executor)
        self._rates: dict[str, CallRate] = {}
        self._uses: dict[tuple[str, str | None], _Use] = {}
        self._strangers = 0

    async def admit(self, method: str, context: ServicerContext[Any, Any]) -> Caller:
        """Admit one call. Raises Unauthenticated, PermissionDenied, ResourceExhausted."""
        caller = await self.identify(method, context)
        wait = await self._wait_seconds(caller)
        if wait > 0:
            raise ResourceExhausted(f"namespace {caller.namespace} has no call left this second", "CALL_QUOTA", wait)
        await self._check(caller, _USES.get(method.rpartition("/")[2]), 0)
        return caller

    async def identify(self, method: str, context: ServicerContext[Any, Any]) -> Caller:
        """The caller. Raises Unauthenticated, PermissionDenied; ResourceExhausted if too many unknown callers ask."""
        if self._authentication == "none":
            return ANYBODY
        result = _of_certificate(context) if self._authentication == "certificate" else await self._bearer(context)
        if not may(result.role, method):
            name = method.rpartition("/")[2]
            raise PermissionDenied(f"the role {result.role.name} may not call {name}", reason="ROLE_NOT_ALLOWED")
        return result

    async def take_turn(self, who: Caller) -> None:
        """Wait until the namespace's call rate allows a call, and count it."""
        while (wait := await self._wait_seconds(who)) > 0:
            await asyncio.sleep(wait)

    async def count(self, who: Caller, name: str, number: int) -> int:
        """Count what a request will record or create against its quota; pass the result to ``end``.

        A server process never exceeds the quota; it learns of other processes within seconds. Raises
        ResourceExhausted.
        """
        what = _USES.get(name)
        if not await self._check(who, what, number):
            return 0
        self._use(who.namespace, what).in_work += number
        return number

    def end(self, namespace: str, name: str, counted: int) -> None:
        """A counted request has ended, with or without success."""
        if counted:
            use = self._use(namespace, _USES[name])
            use.in_work -= counted
            use.since += counted

    async def _check(self, who: Caller, what: str | None, number: int) -> bool:
        """Whether there is a quota; raises if ``number`` more do not fit."""
        if what is None or who.role is Role.SERVICE:
            return False
        namespace = who.namespace
        quota = await self._quota(namespace)
        bound: int | None = getattr(quota, what)
        if bound is None:
            return False
        if not self._usages.is_fresh(namespace):
            # Requests that ended before the query are in its answer; those in progress may or may not be.
            for each in set(_USES.values()):
                self._use(namespace, each).since = 0
        usage = await self._usages.get(namespace, lambda connection: read_usage(connection, namespace))
        use = self._use(namespace, what)
        used = getattr(usage, what) + use.in_work + use.since
        if used + max(number, 1) <= bound:
            return True
        reason = f"{what.upper()}_QUOTA"
        if used >= bound:
            raise ResourceExhausted(f"namespace {namespace} has its {bound} {what}", reason, 60.0)
        raise ResourceExhausted(
            f"namespace {namespace} has {bound - used} of its {bound} {what} left, and {number} were sent", reason, 60.0
        )

    def _use(self, namespace: str, what: str | None) -> _Use:
        return self._uses.setdefault((namespace, what), _Use())

    async def _quota(self, namespace: str) -> Quota:
        return await self._quotas.get(namespace, lambda connection: read_quota(connection, namespace))

    async def _wait_seconds(self, who: Caller) -> float:
        """0 if the call rate allows a call, which is then counted."""
        if who.role is Role.SERVICE:
            return 0.0
        quota = await self._quota(who.namespace)
        if quota.calls_per_second is None:
            return 0.0
        return self._rates.setdefault(who.namespace, CallRate()).wait_seconds(quota.calls_per_second)

    async def _bearer(self, context: ServicerContext[Any, Any]) -> Caller:
        text = _bearer_text(context.invocation_metadata() or ())
        number = number_of(text)
        token = None if number is None else await self._token(number)
        if token is None or not matches(token, text):
            raise Unauthenticated("the token is not known, has expired, or was revoked", reason="TOKEN_NOT_VALID")
        return Caller(token.namespace, token.role, f"token {token.number} {token.name}")

    async def _token(self, number: int) -> Token | None:
        known = self._tokens.knows(number)
        if not known and self._strangers >= _MOST_STRANGERS:
            raise ResourceExhausted("too many callers ask to be let in", "TOO_MANY_CALLS")
        self._strangers += not known
        try:
            token = await self._tokens.get(number, lambda connection: find_token(connection, number))
        finally:
            self._strangers -= not known
        if token is None:
            self._tokens.forget_first(number)
        return token

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _bearer_text(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    headers = [value for key, value in metadata if key == "authorization"]
    if len(headers) > 1:
        raise Unauthenticated(
            f"the metadata has {len(headers)} entries 'authorization': send one", reason="TOKEN_AMBIGUOUS"
        )
    sent = headers[0] if headers else ""
    kind, _, text = (sent.decode(errors="replace") if isinstance(sent, bytes) else sent).partition(" ")
    if kind.lower() != "bearer" or not text:
        raise Unauthenticated("a bearer token is needed in the metadata 'authorization'", reason="TOKEN_MISSING")
    return text.strip()


def _of_certificate(context: ServicerContext[Any, Any]) -> Caller:
    """The caller of a client certificate: its common name is NAMESPACE/ROLE."""
    names = context.auth_context().get("x509_common_name", [])
    text = bytes(next(iter(names), b"")).decode(errors="replace")
    namespace, _, role = text.rpartition("/")
    if not namespace or "\0" in namespace or role.upper() not in Role.__members__:
        raise Unauthenticated(
            "the common name of the client's certificate must be NAMESPACE/ROLE", reason="CERTIFICATE_NOT_VALID"
        )
    return Caller(namespace, Role[role.upper()], f"certificate {text}"[:255])


class _Remembered(Generic[T]):
    """Answers of the database, cached for some seconds; concurrent callers share one query."""

    def __init__(self, engine: Engine, executor: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._executor = executor
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Future[T]]] = OrderedDict()

    def knows(self, key: Hashable) -> bool:
        """Whether the key was queried recently."""
        return key in self._known

    def is_fresh(self, key: Hashable) -> bool:
        """Whether the next answer comes from the cache."""
        return time.monotonic() < self._known.get(key, (0.0, None))[0]

    def forget_first(self, key: Hashable) -> None:
        """Make the key the first to be evicted."""
        if key in self._known:
            self._known.move_to_end(key, last=False)

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
            # A failure is not cached.
            if self._known.get(key, (0.0, None))[1] is answer:
                del self._known[key]
            raise

    def _ask(self, read: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return read(connection)
