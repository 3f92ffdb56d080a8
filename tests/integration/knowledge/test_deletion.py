"""What goes with a task, what stays, and who may record meanwhile."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select, text

from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tables import architectures, experiments, outbox, task_summaries
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import NotFound
from headstart_server.strategy.service import Arm, StrategyService
from headstart_server.strategy.tables import strategy_decisions
from tests.integration.knowledge.hands import (
    NAMESPACE,
    SPACE,
    a_task,
    candidates,
    completed,
    waits_for_a_lock,
)
from tests.waiting import wait_until


def delete(engine: Engine, knowledge: KnowledgeService, task_id: str) -> int:
    return run_transaction(engine, lambda connection: knowledge.delete_task(connection, NAMESPACE, task_id))


def fingerprints(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(architectures.c.fingerprint)).scalars())


def removals(engine: Engine) -> list[str]:
    """Fingerprints that wait to be taken out of the vector index."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(outbox.c.fingerprint, outbox.c.search_space_id).where(outbox.c.architecture_id.is_(None))
        ).all()
    assert all(row.search_space_id is not None for row in rows)
    return sorted(row.fingerprint for row in rows)


def test_architectures_that_no_other_task_tried_go_and_are_told_to_the_index(recorder, knowledge, engine):
    own, shared, others = candidates(3)
    new = {
        name: recorder.new(each, completed(0.5)).canonical.fingerprint
        for name, each in (("own", own), ("shared", shared), ("others", others))
    }
    recorder.record(recorder.new(own, completed(0.5)), recorder.new(own, completed(0.6)))
    recorder.record(recorder.new(shared, completed(0.5)), recorder.new(shared, completed(0.5), "loss"))
    recorder.record(recorder.new(others, completed(0.5), "loss"))
    assert delete(engine, knowledge, "cifar") == 3
    assert fingerprints(engine) == {new["shared"], new["others"]}
    assert removals(engine) == [new["own"]]
    with engine.connect() as connection:
        # What waited to be put into the index and is gone does not wait any longer.
        waiting = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
        kept = connection.execute(select(func.count()).select_from(experiments)).scalar_one()
    assert (waiting, kept) == (3, 2)
    assert delete(engine, knowledge, "loss") == 2
    assert fingerprints(engine) == set()
    assert removals(engine) == sorted(new.values())


def test_decisions_and_summaries_go_too(recorder, knowledge, engine):
    recorder.record(recorder.new(candidates(1)[0], completed(0.5)))
    run_transaction(
        engine,
        lambda c: StrategyService(engine, 60.0).select(c, NAMESPACE, "cifar", [Arm("evolution", ())], 1, (0.0, 0.0)),
    )
    delete(engine, knowledge, "cifar")
    with engine.connect() as connection:
        for table in (strategy_decisions, task_summaries):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_deleted_architecture_that_is_recorded_again_is_a_new_one(recorder, knowledge, engine):
    candidate = candidates(1)[0]
    recorder.record(recorder.new(candidate, completed(0.5)))
    fingerprint = recorder.new(candidate, completed(0.5)).canonical.fingerprint
    knowledge.architectures(NAMESPACE, SPACE.search_space_id, [fingerprint])
    delete(engine, knowledge, "cifar")
    answer = recorder.record(recorder.new(candidate, completed(0.5), "loss"))[0]
    assert (answer.sequence, answer.equivalent_count) == (1, 1)
    assert fingerprints(engine) == {fingerprint}
    with engine.connect() as connection:
        # In the order in which the index has to follow: out, then in again.
        rows = connection.execute(select(outbox.c.architecture_id.is_(None)).order_by(outbox.c.id)).scalars().all()
    assert rows == [True, False]


def test_recorder_waits_for_a_deletion_and_records_the_architecture_anew(recorder, knowledge, engine):
    candidate = candidates(1)[0]
    recorder.record(recorder.new(candidate, completed(0.5)))
    with engine.begin() as deleting:
        knowledge.delete_task(deleting, NAMESPACE, "cifar")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(recorder.record, recorder.new(candidate, completed(0.7), "loss"))
            wait_until(lambda: waits_for_a_lock(engine))
            deleting.commit()
            answer = waiting.result()[0]
    assert answer.incumbent.objective_value == 0.7
    assert fingerprints(engine) == {answer.fingerprint}


def test_deletion_waits_for_a_recorder_and_leaves_what_it_recorded(recorder, knowledge, engine):
    candidate = candidates(1)[0]
    new = recorder.new(candidate, completed(0.7), "loss")
    recorder.record(recorder.new(candidate, completed(0.5)))
    with engine.begin() as recording:
        knowledge.record(recording, NAMESPACE, [new])
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(delete, engine, knowledge, "cifar")
            wait_until(lambda: waits_for_a_lock(engine))
            recording.commit()
            assert waiting.result() == 1
    assert fingerprints(engine) == {new.canonical.fingerprint}
    assert removals(engine) == []


def test_deletion_takes_along_what_the_first_recorder_of_the_task_is_about_to_commit(recorder, knowledge, engine):
    new = recorder.new(candidates(1)[0], completed(0.7))
    with engine.begin() as recording:
        knowledge.record(recording, NAMESPACE, [new])
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(delete, engine, knowledge, "cifar")
            wait_until(lambda: waits_for_a_lock(engine))
            recording.commit()
            assert waiting.result() == 1
    assert fingerprints(engine) == set()
    assert removals(engine) == [new.canonical.fingerprint]


def test_recorders_of_other_architectures_do_not_wait_for_a_deletion(recorder, knowledge, engine):
    shared, own, fresh = candidates(3)
    recorder.record(recorder.new(shared, completed(0.5)), recorder.new(own, completed(0.5)))
    recorder.record(recorder.new(shared, completed(0.5), "loss"))
    with engine.begin() as deleting:
        knowledge.delete_task(deleting, NAMESPACE, "cifar")
        with ThreadPoolExecutor(1) as thread:
            going_on = thread.submit(
                recorder.record,
                recorder.new(shared, completed(0.5), "loss"),
                recorder.new(fresh, completed(0.5), "loss"),
            )
            assert len(going_on.result(timeout=10)) == 2


def test_of_two_tasks_deleted_at_once_the_last_takes_the_architecture_along(recorder, knowledge, engine):
    candidate = candidates(1)[0]
    recorder.record(recorder.new(candidate, completed(0.5)), recorder.new(candidate, completed(0.5), "loss"))
    with engine.begin() as first:
        knowledge.delete_task(first, NAMESPACE, "cifar")
        with ThreadPoolExecutor(1) as thread:
            second = thread.submit(delete, engine, knowledge, "loss")
            wait_until(lambda: waits_for_a_lock(engine))
            first.commit()
            second.result()
    assert fingerprints(engine) == set()
    assert len(removals(engine)) == 1


def test_row_that_misses_its_architecture_is_written_again(recorder, knowledge, engine):
    """Whoever refers to an architecture without a lock on it is told by the foreign key, and goes over it again."""
    recorder.record(recorder.new(candidates(1)[0], completed(0.5)))
    attempts = []

    def put(connection):
        rows = connection.execute(select(architectures.c.id, architectures.c.search_space_id)).all()
        attempts.append(len(rows))
        if len(attempts) == 1:
            delete(engine, knowledge, "cifar")
        for row in rows:
            connection.execute(
                outbox.insert().values(architecture_id=row.id, search_space_id=row.search_space_id, fingerprint="f")
            )

    run_transaction(engine, put)
    assert attempts == [1, 0]


def test_recorders_and_deletions_at_random_lose_and_leave_nothing(recorder, knowledge, engine):
    """Four recorders over few architectures, while tasks are deleted and made again.

    Half of what is tried on the task that is deleted is tried on no other.
    """
    pool, own = candidates(12), candidates(24)[12:]
    kept: dict[str, set[str]] = {}
    stop = threading.Event()

    def record(worker: int) -> None:
        generator = random.Random(worker)
        task = f"kept-{worker % 2}"
        for _ in range(30):
            new = [recorder.new(generator.choice(pool), completed(0.5), task) for _ in range(3)]
            doomed = [recorder.new(generator.choice(pool + own), completed(0.5), "doomed") for _ in range(3)]
            recorder.record(*new)
            kept.setdefault(task, set()).update(str(each.request_id) for each in new)
            try:
                recorder.record(*doomed)
            except NotFound as gone:
                assert gone.reason == "TASK_NOT_FOUND"

    def churn() -> None:
        while not stop.is_set():
            run_transaction(engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("doomed")))
            delete(engine, knowledge, "doomed")

    for name in ("kept-0", "kept-1"):
        run_transaction(engine, lambda c, name=name: knowledge.create_task(c, NAMESPACE, a_task(name)))
    with ThreadPoolExecutor(5) as threads:
        churning = threads.submit(churn)
        done = [threads.submit(record, worker) for worker in range(4)]
        for each in done:
            each.result()
        stop.set()
        churning.result()
    run_transaction(engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("doomed")))
    delete(engine, knowledge, "doomed")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT t.name, e.request_id FROM experiments e JOIN tasks t ON t.id = task_id"))
        found: dict[str, set[str]] = {}
        for row in rows:
            found.setdefault(row.name, set()).add(str(row.request_id))
        orphans = connection.execute(
            text(
                "SELECT count(*) FROM architectures a WHERE NOT EXISTS "
                "(SELECT FROM experiments e WHERE e.architecture_id = a.id)"
            )
        ).scalar_one()
    assert found == kept
    assert orphans == 0
    # What waits last for the index is whether the architecture is there.
    with engine.connect() as connection:
        last = connection.execute(
            text(
                "SELECT DISTINCT ON (fingerprint) fingerprint, architecture_id FROM outbox "
                "ORDER BY fingerprint, id DESC"
            )
        ).all()
    assert {row.fingerprint for row in last if row.architecture_id is not None} == fingerprints(engine)


def test_later_records_of_a_deleted_task_are_not_found(recorder, knowledge, engine):
    one, two = candidates(2)
    first = recorder.new(one, completed(0.5))
    recorder.record(first)
    delete(engine, knowledge, "cifar")
    for late in (first, recorder.new(two, completed(0.5)), recorder.new(two, Outcome(Status.FAILED))):
        with pytest.raises(NotFound) as raised:
            recorder.record(late)
        assert raised.value.reason == "TASK_NOT_FOUND"
    with pytest.raises(NotFound):
        delete(engine, knowledge, "cifar")


def test_deleted_task_made_again_takes_the_same_request_ids_as_new(recorder, knowledge, engine):
    new: NewExperiment = recorder.new(candidates(1)[0], completed(0.5), request_id=uuid4())
    recorder.record(new)
    delete(engine, knowledge, "cifar")
    run_transaction(engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("cifar")))
    answer = recorder.record(new)[0]
    assert (answer.already_known, answer.sequence) == (False, 1)
