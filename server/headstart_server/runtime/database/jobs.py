"""Pending work as rows: whoever takes a row holds a claim on it while working, and the claim ends with its holder.

A worker that dies leaves the row behind for the next one; no lease runs out while somebody still works. No transaction
is open meanwhile (``claims``): a job may take longer than a managed PostgreSQL lets one idle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from headstart_server.runtime.database.claims import Claim, claimed
from headstart_server.runtime.database.engine import metadata
from headstart_server.runtime.observability import tracing

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("run_after", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("kind", "namespace", "subject"),
)

_FIRST_PAUSE = timedelta(seconds=10)
_MAX_DOUBLINGS = 8
# More than there are workers, so at least one of these jobs is free.
_LOOKED_AT = 100


@dataclass(frozen=True)
class Job:
    """``queued_at`` is by the database's clock; None if it was not read from there."""

    kind: str
    namespace: str
    subject: str
    queued_at: datetime | None = field(default=None, compare=False)


def enqueue(connection: Connection, job: Job) -> None:
    """Add a job unless it waits already."""
    statement = insert(jobs).values(kind=job.kind, namespace=job.namespace, subject=job.subject)
    connection.execute(statement.on_conflict_do_nothing())


def waiting(connection: Connection, kind: str) -> list[Job]:
    """All jobs of a kind, due or not, oldest first."""
    rows = connection.execute(select(jobs).where(jobs.c.kind == kind).order_by(jobs.c.id))
    return [Job(row.kind, row.namespace, row.subject) for row in rows]


def run_one(engine: Engine, job: Job, work: Callable[[Job], None]) -> bool:
    """Run this job, due or not; False if it is done already, or another session holds it. Otherwise as ``run_next``."""
    wanted = (jobs.c.kind == job.kind) & (jobs.c.namespace == job.namespace) & (jobs.c.subject == job.subject)
    return _run_first(engine, wanted, work)


class Turns:
    """The time at which this process last began a job of each kind and namespace, so that namespaces take turns.
    Thread-safe.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._last: dict[tuple[str, str], int] = {}

    def last(self, kind: str, namespace: str) -> int:
        """A number that is larger for later jobs; 0 before the first."""
        return self._last.get((kind, namespace), 0)

    def taken(self, kind: str, namespace: str) -> None:
        self._last[kind, namespace] = next(self._numbers)


def run_next(engine: Engine, kind: str, work: Callable[[Job], None], turns: Turns | None = None) -> bool:
    """Run the oldest due job that no other worker holds, of the namespace served longest ago; False if there is none.

    A job whose work raises stays, and is retried after a pause that doubles; the error goes to the caller.
    """
    due = (jobs.c.kind == kind) & (jobs.c.run_after <= func.clock_timestamp())
    return _run_first(engine, due, work, turns or Turns())


def _run_first(
    engine: Engine, wanted: ColumnElement[bool], work: Callable[[Job], None], turns: Turns | None = None
) -> bool:
    turns = turns or Turns()
    # So that a namespace with very many jobs does not hide others.
    rank = func.row_number().over(partition_by=jobs.c.namespace, order_by=jobs.c.id).label("place")
    ranked = select(jobs.c.id, rank).where(wanted).subquery()
    with engine.connect() as connection:
        # A worker of an earlier version locks the row itself: such a row is skipped. The lock ends with this block.
        query = (
            select(jobs.c.id, jobs.c.kind, jobs.c.namespace)
            .join(ranked, ranked.c.id == jobs.c.id)
            .order_by(ranked.c.place, jobs.c.id)
            .limit(_LOOKED_AT)
        )
        due = connection.execute(query.with_for_update(skip_locked=True, of=jobs)).all()
    due = sorted(due, key=lambda row: (turns.last(row.kind, row.namespace), row.id))
    for number, kind, namespace in due:
        with claimed(engine, f"job/{number}") as claim:
            if claim is None:
                continue
            # Another worker may have done it since.
            row = claim.execute(select(jobs).where(jobs.c.id == number, wanted)).first()
            if row is not None:
                turns.taken(kind, namespace)
                _run(claim, row, work)
                return True
    return False


def _run(claim: Claim, row: Row[Any], work: Callable[[Job], None]) -> None:
    try:
        with tracing.work_span(f"job {row.kind}", namespace=row.namespace, subject=row.subject):
            work(Job(row.kind, row.namespace, row.subject, row.created_at))
    except Exception:
        pause = _FIRST_PAUSE * 2 ** min(row.attempts, _MAX_DOUBLINGS)
        claim.execute(
            update(jobs)
            .where(jobs.c.id == row.id)
            .values(attempts=jobs.c.attempts + 1, run_after=func.clock_timestamp() + pause)
        )
        raise
    claim.execute(delete(jobs).where(jobs.c.id == row.id))
