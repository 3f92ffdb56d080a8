"""RecordExperiment's promises, kept by the knowledge room on a real database."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from headstart.spaces import Candidate, Categorical, Float, Parameter, SearchSpace
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status, outcome_violations
from headstart_server.knowledge.tables import architectures, experiments, outbox
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import AlreadyExists, FailedPrecondition, NotFound
from tests.integration.knowledge.hands import NAMESPACE, SPACE, a_task, candidates, completed, waits_for_a_lock
from tests.waiting import wait_until


def test_repeated_request_id_returns_first_experiment_and_adds_none(recorder, engine):
    new = recorder.new(candidates(1)[0], completed(0.5))
    first = recorder.record(new)[0]
    again = recorder.record(new)[0]
    assert (first.already_known, again.already_known) == (False, True)
    assert again.sequence == first.sequence == 1
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(experiments)).scalar_one() == 1


def test_request_id_with_other_content_is_refused_and_changes_nothing(recorder, engine):
    request_id = uuid4()
    recorder.record(recorder.new(candidates(1)[0], completed(0.5), request_id=request_id))
    with pytest.raises(AlreadyExists, match="new request_id"):
        recorder.record(
            recorder.new(candidates(2)[1], completed(0.1)),
            recorder.new(candidates(1)[0], completed(0.6), request_id=request_id),
        )
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(experiments)).scalar_one() == 1


def test_request_id_twice_in_one_chunk_is_one_experiment(recorder):
    new = recorder.new(candidates(1)[0], completed(0.5))
    answers = recorder.record(new, new)
    assert [answer.already_known for answer in answers] == [False, True]
    assert [answer.sequence for answer in answers] == [1, 1]


@pytest.mark.parametrize(("task", "best"), [("cifar", 0.9), ("loss", 0.1)])
def test_incumbent_follows_the_direction_of_the_task(recorder, task, best):
    values = [0.5, 0.9, 0.1, 0.3]
    for candidate, value in zip(candidates(4), values, strict=True):
        answer = recorder.record(recorder.new(candidate, completed(value), task))[0]
    assert answer.incumbent.objective_value == best
    assert answer.incumbent.sequence == values.index(best) + 1


@pytest.mark.parametrize("task", ["cifar", "loss"])
def test_the_first_of_equal_values_stays_the_incumbent(recorder, task):
    one, two, three = candidates(3)
    recorder.record(recorder.new(one, completed(0.5), task))
    answers = recorder.record(recorder.new(two, completed(0.5), task), recorder.new(three, completed(0.5), task))
    assert [answer.incumbent.sequence for answer in answers] == [1, 1]


def test_failed_and_partial_runs_are_kept_but_never_incumbent(recorder, knowledge):
    one, two, three = candidates(3)
    recorder.record(recorder.new(one, Outcome(Status.FAILED, math.nan)))
    recorder.record(recorder.new(two, Outcome(Status.COMPLETED, 0.99, fidelity=10.0)))
    answer = recorder.record(recorder.new(three, Outcome(Status.COMPLETED, 0.4, fidelity=200.0)))[0]
    assert answer.incumbent.objective_value == 0.4
    observed = knowledge.observations(NAMESPACE, "cifar", SPACE.search_space_id)
    assert observed.count == 3
    assert observed.completed.tolist() == [False, False, True]


def test_equivalent_candidates_are_counted_together(recorder):
    zeros = {f"op{i}": "none" for i in range(6)}
    # No path from input to output in either.
    recorder.record(recorder.new(Candidate(zeros), completed(0.1)))
    answer = recorder.record(recorder.new(Candidate({**zeros, "op0": "nor_conv_3x3"}), completed(0.1)))[0]
    assert answer.equivalent_count == 2


def test_one_architecture_is_one_row_whatever_tasks_it_is_tried_on(recorder, engine):
    candidate = candidates(1)[0]
    recorder.record(recorder.new(candidate, completed(0.5)), recorder.new(candidate, completed(0.7), "loss"))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(architectures)).scalar_one() == 1
        assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() == 1


def test_concurrent_workers_lose_and_double_nothing(recorder, engine, knowledge):
    """Eight writers, every record sent twice, two tasks mixed in every chunk."""
    pool = candidates(40)
    records = [
        recorder.new(pool[i % 40], completed(i / 400), "cifar" if i % 3 else "loss", UUID(int=i)) for i in range(400)
    ]
    chunks = [records[i : i + 10] for i in range(0, 400, 10)] * 2
    random.Random(0).shuffle(chunks)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda chunk: recorder.record(*chunk), chunks))
    with engine.connect() as connection:
        rows = connection.execute(select(experiments.c.task_id, experiments.c.sequence)).all()
    by_task: dict[int, list[int]] = {}
    for task, sequence in rows:
        by_task.setdefault(task, []).append(sequence)
    assert len(rows) == 400
    for sequences in by_task.values():
        assert sorted(sequences) == list(range(1, len(sequences) + 1))
    summary = {s.search_space_id: s for s in knowledge.stored_task(NAMESPACE, "cifar").summaries}
    assert summary[SPACE.search_space_id].incumbent.objective_value == 398 / 400
    assert summary[SPACE.search_space_id].experiment_count == sum(1 for i in range(400) if i % 3)


def test_observations_are_read_on_and_never_stale(recorder, knowledge):
    for index, candidate in enumerate(candidates(5)):
        recorder.record(recorder.new(candidate, completed(float(index))))
        observed = knowledge.observations(NAMESPACE, "cifar", SPACE.search_space_id)
        assert observed.values.tolist() == [float(i) for i in range(index + 1)]


def test_unknown_task_keeps_nothing_of_the_chunk(recorder, engine):
    one, two = candidates(2)
    with pytest.raises(NotFound, match="nowhere"):
        recorder.record(recorder.new(one, completed(0.5)), recorder.new(two, completed(0.5), "nowhere"))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(experiments)).scalar_one() == 0


def test_deleted_task_takes_its_experiments_along_and_can_be_made_anew(recorder, knowledge, engine):
    for candidate in candidates(3):
        recorder.record(recorder.new(candidate, completed(0.5)))
    knowledge.observations(NAMESPACE, "cifar", SPACE.search_space_id)
    assert run_transaction(engine, lambda c: knowledge.delete_task(c, NAMESPACE, "cifar")) == 3
    with pytest.raises(NotFound):
        knowledge.observations(NAMESPACE, "cifar", SPACE.search_space_id)
    run_transaction(engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("cifar")))
    assert knowledge.observations(NAMESPACE, "cifar", SPACE.search_space_id).count == 0


def test_task_of_other_content_is_refused_and_the_same_content_accepted(knowledge, engine):
    run_transaction(engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("cifar")))
    with pytest.raises(AlreadyExists):
        run_transaction(engine, lambda c: knowledge.create_task(c, NAMESPACE, a_task("cifar", maximize=False)))


def test_search_space_survives_the_way_through_the_database(knowledge):
    assert knowledge.stored_search_space(NAMESPACE, SPACE.search_space_id).space == SPACE


ODD = SearchSpace(
    "odd",
    parameters=(
        Parameter("rate", Float(1e-3, 1e30)),
        Parameter("size", Categorical((1e25, 1e17, 2.0, 3, True))),
    ),
)


@pytest.mark.parametrize("rate", [1e25, 1e17, 0.5, 1.0])
def test_floats_come_back_as_the_floats_they_were(recorder, knowledge, engine, rate):
    run_transaction(engine, lambda c: knowledge.create_search_space(c, NAMESPACE, ODD))
    candidate = Candidate({"rate": rate, "size": 1e25})
    canonical = knowledge.canonical(NAMESPACE, ODD, candidate)
    outcome = Outcome(Status.COMPLETED, 0.5, metrics={"loss": 1e25})
    recorder.record(NewExperiment(uuid4(), "cifar", "odd", candidate, canonical, outcome))
    found = knowledge.experiment(NAMESPACE, "cifar", "odd", 1)
    stored = knowledge.stored_search_space(NAMESPACE, "odd").space
    (architecture,) = knowledge.architectures(NAMESPACE, "odd").values()
    assert repr(stored) == repr(ODD)
    assert repr(found.candidate) == repr(architecture.candidate) == repr(candidate)
    assert repr(architecture.canonical) == repr(canonical)
    assert isinstance(found.outcome.metrics["loss"], float)


def test_a_space_with_truth_values_is_not_one_with_numbers(knowledge, engine):
    def create(*choices):
        space = SearchSpace("flags", parameters=(Parameter("flag", Categorical(choices)),))
        run_transaction(engine, lambda c: knowledge.create_search_space(c, NAMESPACE, space))

    create(True, False)
    create(True, False)
    with pytest.raises(AlreadyExists):
        create(1, 0)


def test_full_training_of_a_task_is_settled_by_its_first_result(recorder, knowledge, engine):
    def update(max_fidelity: float, description: str = "") -> None:
        changed = replace(a_task("cifar"), max_fidelity=max_fidelity, description=description)
        run_transaction(engine, lambda c: knowledge.update_task(c, NAMESPACE, changed))

    update(100.0)
    recorder.record(recorder.new(candidates(1)[0], Outcome(Status.COMPLETED, 0.5, fidelity=100.0)))
    with pytest.raises(FailedPrecondition) as raised:
        update(50.0)
    assert raised.value.reason == "FIDELITY_IMMUTABLE"
    update(100.0, "another")
    assert knowledge.stored_task(NAMESPACE, "cifar").summaries[0].completed_count == 1


def test_results_of_an_architecture_are_those_of_full_trainings(recorder, knowledge):
    one, two = candidates(2)
    recorder.record(
        recorder.new(one, Outcome(Status.COMPLETED, 0.99, fidelity=10.0)),
        recorder.new(one, Outcome(Status.COMPLETED, 0.5, fidelity=200.0)),
        recorder.new(one, completed(0.4)),
        recorder.new(two, Outcome(Status.COMPLETED, 0.99, fidelity=10.0)),
    )
    nearest = [(knowledge.canonical(NAMESPACE, SPACE, each).fingerprint, 0.0) for each in (one, two)]
    first, second = knowledge.matches(NAMESPACE, SPACE.search_space_id, nearest)
    assert [result.objective_value for result in first.results] == [0.5]
    assert second.results == []


@pytest.mark.parametrize("before", [0, 1])
def test_recording_on_a_task_that_is_deleted_meanwhile_is_not_found(recorder, knowledge, engine, before):
    one, two = candidates(2)
    if before:
        recorder.record(recorder.new(one, completed(0.5)))
    with engine.begin() as deleting:
        knowledge.delete_task(deleting, NAMESPACE, "cifar")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(recorder.record, recorder.new(two, completed(0.5)))
            wait_until(lambda: waits_for_a_lock(engine))
            deleting.commit()
            with pytest.raises(NotFound) as raised:
                waiting.result()
    assert raised.value.reason == "TASK_NOT_FOUND"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # The second holds the summary that the first wants later, and waits for its architecture.
        ([("a", 0), ("b", 1)], [("b", 0)]),
        # No summary is shared, but the architectures are, in the other order.
        ([("a", 0), ("b", 1)], [("c", 1), ("d", 0)]),
    ],
)
def test_recorders_over_several_tasks_never_wait_in_a_circle(recorder, knowledge, engine, first, second):
    """Each is recorded at its first try: the second begins while the first has all its locks and no row."""
    for name in "abcd":
        run_transaction(engine, lambda c, name=name: knowledge.create_task(c, NAMESPACE, a_task(name)))
    pool = candidates(2)
    sent = {
        name: [recorder.new(pool[number], completed(0.5), task) for task, number in places]
        for name, places in (("first", first), ("second", second))
    }
    attempts = []

    def record(name):
        def work(connection):
            attempts.append(name)
            return knowledge.record_all(connection, NAMESPACE, sent[name])

        return run_transaction(engine, work)

    with ThreadPoolExecutor(1) as thread:
        started = []

        def begin_the_second(connection, arrivals):
            if arrivals[0].new is sent["first"][0] and not started:
                started.append(thread.submit(record, "second"))
                wait_until(lambda: waits_for_a_lock(engine))

        knowledge.listeners.append(begin_the_second)
        assert record("first") == [False] * len(first)
        assert started[0].result() == [False] * len(second)
    assert attempts == ["first", "second"]


def test_request_id_for_two_spaces_of_one_call_is_refused(recorder, knowledge, engine):
    run_transaction(engine, lambda c: knowledge.create_search_space(c, NAMESPACE, ODD))
    request_id = uuid4()
    candidate = Candidate({"rate": 0.5, "size": 3})
    canonical = knowledge.canonical(NAMESPACE, ODD, candidate)
    other = NewExperiment(request_id, "cifar", "odd", candidate, canonical, completed(0.5))
    with pytest.raises(AlreadyExists) as raised:
        recorder.record(recorder.new(candidates(1)[0], completed(0.5), request_id=request_id), other)
    assert raised.value.reason == "REQUEST_ID_REUSED"


def test_one_request_id_in_two_spaces_at_once_is_one_experiment_and_one_refusal(recorder, knowledge, engine):
    run_transaction(engine, lambda c: knowledge.create_search_space(c, NAMESPACE, ODD))
    request_id = uuid4()
    candidate = Candidate({"rate": 0.5, "size": 3})
    canonical = knowledge.canonical(NAMESPACE, ODD, candidate)
    other = NewExperiment(request_id, "cifar", "odd", candidate, canonical, completed(0.5))
    with engine.begin() as first:
        knowledge.record(first, NAMESPACE, [recorder.new(candidates(1)[0], completed(0.5), request_id=request_id)])
        with ThreadPoolExecutor(1) as thread:
            second = thread.submit(recorder.record, other)
            wait_until(lambda: waits_for_a_lock(engine))
            first.commit()
            with pytest.raises(AlreadyExists) as raised:
                second.result()
    assert raised.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("value", [1.7e308, -1.1e100])
def test_values_that_cannot_be_reckoned_with_are_refused(value):
    outcome = Outcome(Status.COMPLETED, value, curve=((1.0, value),))
    fields = [violation.field for violation in outcome_violations(outcome)]
    assert fields == ["outcome.objective_value", "outcome.learning_curve[0].value"]
    assert not list(outcome_violations(Outcome(Status.FAILED, value)))
    assert not list(outcome_violations(Outcome(Status.COMPLETED, 1e100)))
