"""Says whether this server can answer: grpc.health.v1, from the state of the database.

It asks on a thread and a connection of its own: the answer must not wait for the calls that it is about. The vector
index is watched beside it, for answers to say that they were made without it; the service is healthy without.
"""

from __future__ import annotations

import asyncio
import logging

from grpc_health.v1 import health, health_pb2

from headstart_server.knowledge.vector_index.search import VectorSearch
from headstart_server.runtime.database.engine import check_schema, create_engine
from headstart_server.runtime.settings import Settings
from headstart_server.threads import HEALTH, INDEX_WATCH

_SECONDS_BETWEEN_CHECKS = 2.0

logger = logging.getLogger(__name__)


class HealthWatch:
    """Keeps the health of all services, and of the server as a whole (""), up to date until it is stopped."""

    def __init__(self, services: list[str], settings: Settings) -> None:
        self.servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._engine = create_engine(settings, connections=1)
        self._services = ["", *services]
        self._serving: bool | None = None
        self._executor = HEALTH.executor()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)
            await self.look()

    async def look(self) -> None:
        """Check the database now; before the first check the health of all services is unknown."""
        await self._set(await asyncio.get_running_loop().run_in_executor(self._executor, self._database_answers))

    async def drain(self) -> None:
        """Report NOT_SERVING from here on, so that clients turn to other replicas."""
        await self.servicer.enter_graceful_shutdown()
        self._executor.submit(self._engine.dispose)
        self._executor.shutdown(wait=False)

    def _database_answers(self) -> bool:
        try:
            check_schema(self._engine)
        # Any error: a watch that ended would keep reporting its last state.
        except Exception as error:
            if self._serving is not False:
                logger.warning("not serving: %s: %s", type(error).__name__, error)
            return False
        return True

    async def _set(self, serving: bool) -> None:
        if serving is not self._serving:
            self._serving = serving
            status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
            for service in self._services:
                await self.servicer.set(service, status)


class IndexWatch:
    """Checks the vector index every few seconds on a thread of its own, so that no call waits."""

    def __init__(self, vectors: VectorSearch) -> None:
        self._vectors = vectors
        self._executor = INDEX_WATCH.executor()

    async def run(self) -> None:
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._executor, self._vectors.watch)
            # Whatever it is: a watch that ended would go on saying what it said last.
            except Exception:
                logger.exception("the vector index could not be asked")
            await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)

    def close(self) -> None:
        self._executor.shutdown(wait=False)
