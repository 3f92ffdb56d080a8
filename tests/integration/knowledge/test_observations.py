"""What is held in memory of the results follows the database: it grows with it, and forgets with it."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np

from headstart_server.knowledge.outcomes import Outcome, Status
from headstart_server.prediction.task.labels import labels_of
from headstart_server.runtime.database.engine import run_transaction
from tests.integration.knowledge.hands import NAMESPACE, SPACE, a_task, candidates, completed

SPACE_ID = SPACE.search_space_id


def test_results_are_read_on_in_the_order_of_recording(knowledge, recorder):
    drawn = candidates(6)
    recorder.record(*(recorder.new(candidate, completed(float(i))) for i, candidate in enumerate(drawn[:4])))
    before = knowledge.observations(NAMESPACE, "cifar", SPACE_ID)
    recorder.record(
        recorder.new(drawn[4], Outcome(Status.FAILED)),
        recorder.new(drawn[5], replace(completed(9.0), fidelity=20.0)),
        recorder.new(drawn[0], replace(completed(2.0), fidelity=200.0)),
    )
    after = knowledge.observations(NAMESPACE, "cifar", SPACE_ID)
    assert before.count == 4
    np.testing.assert_array_equal(after.values, [0.0, 1.0, 2.0, 3.0, np.nan, 9.0, 2.0])
    # Failed, and cut short of 200 epochs.
    assert after.completed.tolist() == [True, True, True, True, False, False, True]
    assert after.fingerprints[0] == after.fingerprints[6]
    assert after.fingerprints[:4] == before.fingerprints
    assert sorted(after.means.values.tolist()) == [1.0, 1.0, 2.0, 3.0]


def test_proxies_are_read_on_and_a_new_one_is_missing_before(knowledge, recorder):
    drawn = candidates(4)
    recorder.record(
        recorder.new(drawn[0], replace(completed(1.0), proxies={"params": 10.0})),
        recorder.new(drawn[1], completed(2.0)),
    )
    assert knowledge.observations(NAMESPACE, "cifar", SPACE_ID).proxy_names == ("params",)
    recorder.record(recorder.new(drawn[2], replace(completed(3.0), proxies={"flops": 5.0, "params": 30.0})))
    after = knowledge.observations(NAMESPACE, "cifar", SPACE_ID)
    assert after.proxy_names == ("params", "flops")
    np.testing.assert_array_equal(after.proxies, [[10.0, np.nan], [np.nan, np.nan], [30.0, 5.0]])
    assert labels_of(after).proxies.shape == (3, 2)


def test_the_same_architecture_has_the_same_number_on_every_task(knowledge, recorder):
    drawn = candidates(5)
    recorder.record(*(recorder.new(candidate, completed(float(i))) for i, candidate in enumerate(drawn)))
    recorder.record(*(recorder.new(c, completed(-float(i)), task="loss") for i, c in enumerate(reversed(drawn))))
    up, down = knowledge.tasks_observed(NAMESPACE, SPACE_ID)
    assert up.codes.tolist() == down.codes.tolist()[::-1]
    one, other = up.means.shared_with(down.means)
    assert len(one) == len(other) == 5


def test_changed_task_is_seen_and_its_results_stay(knowledge, recorder):
    recorder.record(recorder.new(candidates(1)[0], completed(1.0)))
    assert knowledge.observations(NAMESPACE, "cifar", SPACE_ID).task.description == ""
    told = replace(a_task("cifar"), description="told later")
    run_transaction(recorder.engine, lambda connection: knowledge.update_task(connection, NAMESPACE, told))
    after = knowledge.observations(NAMESPACE, "cifar", SPACE_ID)
    assert (after.task.description, after.count) == ("told later", 1)


def test_results_of_a_deleted_task_leave_the_memory_when_the_space_is_next_asked_for(knowledge, recorder):
    for task in ("cifar", "loss"):
        recorder.record(recorder.new(candidates(1)[0], completed(1.0), task=task))
    held = weakref.ref(knowledge.tasks_observed(NAMESPACE, SPACE_ID)[0])
    run_transaction(recorder.engine, lambda connection: knowledge.delete_task(connection, NAMESPACE, "cifar"))
    assert [each.task.task_id for each in knowledge.tasks_observed(NAMESPACE, SPACE_ID)] == ["loss"]
    gc.collect()
    assert held() is None


def test_task_made_again_under_a_deleted_name_starts_empty(knowledge, recorder):
    recorder.record(recorder.new(candidates(1)[0], completed(1.0)))
    assert knowledge.observations(NAMESPACE, "cifar", SPACE_ID).count == 1
    run_transaction(recorder.engine, lambda connection: knowledge.delete_task(connection, NAMESPACE, "cifar"))
    run_transaction(recorder.engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("cifar")))
    assert knowledge.observations(NAMESPACE, "cifar", SPACE_ID).count == 0
