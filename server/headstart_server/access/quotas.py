"""Quotas of a namespace: calls a second, experiments, tasks. A namespace without a row has no limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from headstart_server.access.audit import audit
from headstart_server.access.tables import quotas
from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.tables import namespaces, task_summaries, tasks


@dataclass(frozen=True)
class Quota:
    """None: no limit. ``calls_per_second`` applies to each server process."""

    calls_per_second: float | None = None
    experiments: int | None = None
    tasks: int | None = None


@dataclass(frozen=True)
class Usage:
    experiments: int
    tasks: int


def set_quota(connection: Connection, namespace: str, quota: Quota, actor: str) -> None:
    """Store a quota in place of the one before."""
    values = {
        "calls_per_second": quota.calls_per_second,
        "experiments": quota.experiments,
        "tasks": quota.tasks,
    }
    statement = insert(quotas).values(namespace_id=namespace_id(connection, namespace), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[quotas.c.namespace_id], set_=values))
    audit(connection, namespace, actor, "quota.set", str(quota))


def read_quota(connection: Connection, namespace: str) -> Quota:
    row = connection.execute(select(quotas).join(namespaces).where(namespaces.c.name == namespace)).first()
    return Quota() if row is None else Quota(row.calls_per_second, row.experiments, row.tasks)


def read_usage(connection: Connection, namespace: str) -> Usage:
    """The usage of a namespace, from the summaries of tasks; experiments are not read."""
    row = connection.execute(
        select(
            func.count(tasks.c.id.distinct()).label("tasks"),
            func.coalesce(func.sum(task_summaries.c.experiment_count), 0).label("experiments"),
        )
        .select_from(tasks)
        .outerjoin(task_summaries, task_summaries.c.task_id == tasks.c.id)
        .where(tasks.c.namespace_id == select(namespaces.c.id).where(namespaces.c.name == namespace).scalar_subquery())
    ).one()
    return Usage(int(row.experiments), int(row.tasks))


def count_near_quota(connection: Connection, share: float) -> int:
    """The number of namespaces that have used this share of their experiments or tasks."""
    own = tasks.c.namespace_id == quotas.c.namespace_id
    used_tasks = select(func.count()).where(own).scalar_subquery()
    used_experiments = select(func.sum(task_summaries.c.experiment_count)).join(tasks).where(own).scalar_subquery()
    # Without a limit the comparison is NULL, which does not count.
    near = (used_tasks >= share * quotas.c.tasks) | (used_experiments >= share * quotas.c.experiments)
    return int(connection.execute(select(func.count()).select_from(quotas).where(near)).scalar_one())


class CallRate:
    """A token bucket that fills at a steady rate and holds two seconds' worth of calls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._level = 0.0
        self._at = -1e9

    def wait_seconds(self, rate: float) -> float:
        """0 if a call may proceed, which is then counted; else the seconds until one may."""
        now = self._clock()
        capacity = max(2.0 * rate, 1.0)
        self._level = min(capacity, self._level + (now - self._at) * rate)
        self._at = now
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / rate
