"""Pending work as rows: whoever takes a row holds its lock while working, and the lock ends with its holder.

A worker that dies leaves the row behind for the next one; no lease runs out while somebody still works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from headstart_server.runtime import tracing
from headstart_server.runtime.database import metadata

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


@dataclass(frozen=True)
class Job:
    kind: str
    namespace: str
    subject: str


def enqueue(connection: Connection, job: Job) -> None:
    """Add a job unless it waits already."""
    statement = insert(jobs).values(kind=job.kind, namespace=job.namespace, subject=job.subject)
    connection.execute(statement.on_conflict_do_nothing())


def waiting(connection: Connection, kind: str) -> list[Job]:
    """All jobs of a kind, due or not, oldest first."""
    rows = connection.execute(select(jobs).where(jobs.c.kind == kind).order_by(jobs.c.id))
    return [Job(row.kind, row.namespace, row.subject) for row in rows]


def run_one(engine: Engine, job: Job, work: Callable[[Job], None]) -> bool:
    """Do this job, due or not; False where it is done already, or somebody else holds it. As ``run_next``."""
    wanted = (jobs.c.kind == job.kind) & (jobs.c.namespace == job.namespace) & (jobs.c.subject == job.subject)
    return _run_first(engine, wanted, work)


def run_next(engine: Engine, kind: str, work: Callable[[Job], None]) -> bool:
    """Do the oldest job that is due and that no other worker holds; False where there is none.

    A job whose work raises stays, to be tried again after a pause that doubles; the error goes to the caller.
    """
    return _run_first(engine, (jobs.c.kind == kind) & (jobs.c.run_after <= func.clock_timestamp()), work)


def _run_first(engine: Engine, wanted: ColumnElement[bool], work: Callable[[Job], None]) -> bool:
    failed: Exception | None = None
    with engine.begin() as connection:
        row = connection.execute(
            select(jobs).where(wanted).order_by(jobs.c.id).limit(1).with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return False
        try:
            with tracing.work_span(f"job {row.kind}", namespace=row.namespace, subject=row.subject):
                work(Job(row.kind, row.namespace, row.subject))
        except Exception as error:
            failed = error
            pause = _FIRST_PAUSE * 2 ** min(row.attempts, _MAX_DOUBLINGS)
            connection.execute(
                update(jobs)
                .where(jobs.c.id == row.id)
                .values(attempts=jobs.c.attempts + 1, run_after=func.clock_timestamp() + pause)
            )
        else:
            connection.execute(delete(jobs).where(jobs.c.id == row.id))
    if failed is not None:
        raise failed
    return True
