"""Jobs: one worker at a time, no transaction open meanwhile, nothing done twice for one cause."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import Engine, text

from headstart_server.runtime.database.claims import claimed
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.jobs import Job, Turns, enqueue, run_next, run_one, waiting
from headstart_server.runtime.settings import Settings

KIND = "test"
JOB = Job(KIND, "default", "space")


def add(engine: Engine, *jobs: Job) -> None:
    with engine.begin() as connection:
        for job in jobs:
            enqueue(connection, job)


def left(engine: Engine) -> list[Job]:
    with engine.connect() as connection:
        return waiting(connection, KIND)


def test_work_outlasts_the_time_that_a_transaction_may_idle(engine: Engine, settings: Settings) -> None:
    """Managed PostgreSQLs end a session that idles in a transaction; a job takes minutes."""
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '200ms'"))
    impatient = create_engine(settings)
    add(impatient, JOB)
    done: list[Job] = []

    def work(job: Job) -> None:
        time.sleep(0.6)
        done.append(job)

    assert run_next(impatient, KIND, work)
    assert done == [JOB]
    assert left(impatient) == []
    assert not run_next(impatient, KIND, work)
    impatient.dispose()


def test_no_transaction_is_open_while_a_job_is_worked_on(engine: Engine) -> None:
    add(engine, JOB)
    states: list[str] = []

    def work(_: Job) -> None:
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND state LIKE 'idle in transaction%'"
                )
            )
            states.extend(found.scalars())

    assert run_next(engine, KIND, work)
    assert states == []


def test_second_worker_passes_over_a_job_that_is_worked_on(engine: Engine) -> None:
    other_job = Job(KIND, "default", "other")
    add(engine, JOB, other_job)
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Job) -> None:
        begun.set()
        go_on.wait(20)

    holder = threading.Thread(target=run_next, args=(engine, KIND, slow))
    holder.start()
    assert begun.wait(20)
    done: list[Job] = []
    assert not run_one(engine, JOB, done.append)
    assert run_next(engine, KIND, done.append)
    assert done == [other_job]
    assert not run_next(engine, KIND, done.append)
    go_on.set()
    holder.join(20)
    assert left(engine) == []


def test_job_of_a_worker_that_died_is_the_next_ones_at_once(engine: Engine, settings: Settings) -> None:
    add(engine, JOB)
    doomed = create_engine(settings)
    done: list[Job] = []

    def dies(_: Job) -> None:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                )
            )

    with pytest.raises(Exception, match="out of reach"):
        run_next(doomed, KIND, dies)
    doomed.dispose()
    assert run_next(engine, KIND, done.append)
    assert done == [JOB]


def test_job_that_fails_waits_and_comes_again(engine: Engine) -> None:
    add(engine, JOB)

    def fails(_: Job) -> None:
        raise ValueError("as meant")

    with pytest.raises(ValueError, match="as meant"):
        run_next(engine, KIND, fails)
    assert not run_next(engine, KIND, fails)
    done: list[Job] = []
    assert run_one(engine, JOB, done.append)
    assert left(engine) == []


def test_worker_of_the_version_before_is_passed_over(engine: Engine) -> None:
    """It holds the row of its job."""
    add(engine, JOB)
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM jobs FOR UPDATE"))
        assert not run_next(engine, KIND, lambda job: None)
    assert run_next(engine, KIND, lambda job: None)


def test_claim_is_given_back_whatever_happens_within(engine: Engine) -> None:
    def held_elsewhere() -> bool:
        with claimed(engine, "a") as claim:
            return claim is None

    with pytest.raises(KeyError), claimed(engine, "a") as claim:
        assert claim is not None
        assert held_elsewhere()
        raise KeyError
    assert not held_elsewhere()


def test_namespaces_take_turns_however_many_jobs_one_has(engine: Engine) -> None:
    add(engine, *(Job(KIND, "busy", f"space-{number}") for number in range(150)))
    add(engine, Job(KIND, "other", "one"), Job(KIND, "other", "two"), Job(KIND, "third", "one"))
    done: list[str] = []
    turns = Turns()
    for _ in range(6):
        assert run_next(engine, KIND, lambda job: done.append(job.namespace), turns)
    assert done == ["busy", "other", "third", "busy", "other", "busy"]
