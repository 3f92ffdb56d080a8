"""Health says what is true, whatever happens to the database."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2
from sqlalchemy import Engine, text

from headstart_server.api import health
from headstart_server.runtime.settings import Settings

RENAME = "ALTER TABLE headstart_alembic_version RENAME COLUMN {} TO {}"


def test_an_error_that_nobody_expected_is_not_serving_and_the_watch_goes_on(
    settings: Settings, engine: Engine, monkeypatch
) -> None:
    monkeypatch.setattr(health, "_SECONDS_BETWEEN_CHECKS", 0.05)

    def rename(old: str, new: str) -> None:
        with engine.begin() as connection:
            connection.execute(text(RENAME.format(old, new)))

    async def states() -> list[int]:
        watch = health.HealthWatch(["a"], settings)
        watching = asyncio.create_task(watch.run())
        seen = []
        for change, expected in (
            (None, health_pb2.HealthCheckResponse.SERVING),
            (("version_num", "other"), health_pb2.HealthCheckResponse.NOT_SERVING),
            (("other", "version_num"), health_pb2.HealthCheckResponse.SERVING),
        ):
            if change:
                rename(*change)
            seen.append(await _becomes(watch, expected))
        watching.cancel()
        await watch.drain()
        return seen

    assert asyncio.run(states()) == [1, 2, 1]


async def _becomes(watch: health.HealthWatch, expected: int) -> int:
    found = -1
    for _ in range(200):
        request = health_pb2.HealthCheckRequest(service="")
        found = (await watch.servicer.Check(request, None)).status
        if found == expected:
            break
        await asyncio.sleep(0.05)
    return found


def test_health_has_a_connection_of_its_own(settings: Settings) -> None:
    watch = health.HealthWatch([], settings.model_copy(update={"database_pool_size": 1}))
    assert watch._database_answers()
    assert watch._engine.pool.size() == 1
    watch._engine.dispose()
