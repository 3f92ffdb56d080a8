"""Every method of the client against a real service."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import headstart
from headstart.spaces import SearchSpace, mlp_classifier, nas_bench_graph, sample

OBJECTIVE = headstart.Objective("error", headstart.Direction.MINIMIZE)


@pytest.fixture
def client(shared_service: Any) -> Iterator[headstart.Client]:
    with headstart.connect(shared_service.address) as client:
        yield client


@pytest.fixture
def task(client: headstart.Client, unique_id: Callable[[str], str]) -> headstart.Task:
    return client.create_task(
        headstart.Task(
            unique_id("digits"),
            OBJECTIVE,
            "Handwritten digits",
            {"domain": "images"},
            {"rows": 1797.0},
            "epoch",
            20.0,
        )
    )


@pytest.fixture
def space(client: headstart.Client, unique_id: Callable[[str], str]) -> SearchSpace:
    return client.create_search_space(replace(mlp_classifier(), search_space_id=unique_id("mlp")))


def record_some(client: headstart.Client, task: headstart.Task, space: SearchSpace, count: int) -> None:
    generator = random.Random(0)
    for index in range(count):
        client.record(
            task.task_id, space.search_space_id, sample(space, generator), headstart.completed(1.0 - index / 10)
        )


def test_spaces_come_back_as_they_were_sent(client: headstart.Client, unique_id: Callable[[str], str]) -> None:
    for ready_made in (mlp_classifier(), nas_bench_graph()):
        sent = replace(ready_made, search_space_id=unique_id("space"))
        assert client.create_search_space(sent) == sent
        assert client.create_search_space(sent) == sent
        assert client.get_search_space(sent.search_space_id) == sent
        with pytest.raises(headstart.AlreadyExists):
            client.create_search_space(replace(sent, description="other"))


def test_lists_are_read_to_their_end(client: headstart.Client, unique_id: Callable[[str], str]) -> None:
    names = [unique_id("listed") for _ in range(5)]
    for name in names:
        client.create_task(headstart.Task(name, OBJECTIVE))
        client.create_search_space(replace(mlp_classifier(), search_space_id=name))
    assert set(names) <= {task.task_id for task in client.list_tasks(page_size=2)}
    assert set(names) <= {space.search_space_id for space in client.list_search_spaces(page_size=2)}


def test_tasks_are_created_changed_and_deleted(client: headstart.Client, task: headstart.Task) -> None:
    assert task.create_time is not None and task.objective == OBJECTIVE and task.max_fidelity == 20.0
    assert client.get_task(task.task_id) == task
    changed = client.update_task(replace(task, description="Digits", meta_features={"rows": 5.0}))
    assert (changed.description, changed.meta_features) == ("Digits", {"rows": 5.0})
    assert client.delete_task(task.task_id) == 0
    with pytest.raises(headstart.NotFound, match=task.task_id):
        client.get_task(task.task_id)


def test_record_is_kept_once_and_read_back(client: headstart.Client, task: headstart.Task, space: SearchSpace) -> None:
    candidate = sample(space, random.Random(1))
    outcome = headstart.Outcome(
        headstart.ExperimentStatus.COMPLETED,
        0.25,
        {"accuracy": 0.75},
        (headstart.CurvePoint(1.0, 0.9), headstart.CurvePoint(2.0, 0.25)),
        20.0,
        1.5,
        {"parameters": 1000.0},
        7,
    )
    request_id = "6a8c3c3e-0f2b-4a7e-9a51-2f3b8f0a5d11"
    sent = (task.task_id, space.search_space_id, candidate, outcome)
    first = client.record(*sent, worker_id="w", request_id=request_id)
    again = client.record(*sent, worker_id="w", request_id=request_id)
    assert (first.already_known, again.already_known) == (False, True)
    assert again.experiment_id == first.experiment_id
    assert first.incumbent == headstart.Incumbent(first.experiment_id, 0.25)
    experiment = client.get_experiment(first.experiment_id)
    assert (experiment.candidate, experiment.outcome, experiment.worker_id) == (candidate, outcome, "w")
    assert experiment.fingerprint == first.fingerprint
    assert experiment.sequence == 1
    assert client.record(*sent).equivalent_count == 2


def test_experiments_are_read_from_where_one_was(
    client: headstart.Client, task: headstart.Task, space: SearchSpace
) -> None:
    record_some(client, task, space, 7)
    where = (task.task_id, space.search_space_id)
    everything = list(client.list_experiments(*where, page_size=3))
    assert [experiment.sequence for experiment in everything] == [1, 2, 3, 4, 5, 6, 7]
    assert list(client.list_experiments(*where, after_sequence=5)) == everything[5:]
    assert list(client.list_experiments(*where, after_sequence=7)) == []
    summary = client.get_task(task.task_id).summaries[0]
    assert (summary.experiment_count, summary.completed_count) == (7, 7)
    assert summary.incumbent == headstart.Incumbent(everything[6].experiment_id, pytest.approx(0.4))


def test_wrong_candidate_is_named_field_by_field(
    client: headstart.Client, task: headstart.Task, space: SearchSpace
) -> None:
    with pytest.raises(headstart.InvalidArgument) as caught:
        client.record(
            task.task_id, space.search_space_id, headstart.Candidate({"depth": 99}), headstart.completed(float("nan"))
        )
    fields = {violation.field for violation in caught.value.violations}
    assert "candidate.values[depth]" in fields or "outcome.objective_value" in fields
    assert caught.value.reason


def test_questions_are_answered_in_typed_values(
    client: headstart.Client, task: headstart.Task, space: SearchSpace
) -> None:
    where = (task.task_id, space.search_space_id)
    record_some(client, task, space, 8)
    start = client.warm_start(*where, 4, exploration_share=0.5, seed=1)
    assert 0 < len(start.suggestions) <= 4
    tried = {experiment.fingerprint for experiment in client.list_experiments(*where)}
    assert not tried & {suggestion.fingerprint for suggestion in start.suggestions}
    pool = [sample(space, random.Random(seed)) for seed in range(100, 110)]
    chosen = client.warm_start(*where, 3, pool=pool)
    assert all(suggestion.candidate in pool for suggestion in chosen.suggestions)
    answer = client.predict(*where, pool, interval_level=0.8)
    assert len(answer.predictions) == 10 and answer.basis
    for prediction in answer.predictions:
        interval = prediction.estimate.interval
        assert interval.level == 0.8 and interval.lower <= prediction.estimate.mean <= interval.upper
    decisions = client.select_strategy(
        task.task_id, ["random", headstart.Arm("evolution")], slots=3, spent_budget=8, total_budget=50
    )
    assert len(decisions) == 3 and {decision.arm for decision in decisions} <= {"random", "evolution"}
    assert len({decision.decision_id for decision in decisions}) == 3
    recorded = client.record(*where, pool[0], headstart.completed(0.3), decision_id=decisions[0].decision_id)
    assert client.get_experiment(recorded.experiment_id).decision_id == decisions[0].decision_id
    assert all(similar.weight >= 0 for similar in client.search_tasks(task.task_id))
    client.search_architectures(space.search_space_id, pool[0], count=3)


def test_what_is_not_there_is_not_found(
    client: headstart.Client, task: headstart.Task, space: SearchSpace, unique_id: Callable[[str], str]
) -> None:
    nowhere = unique_id("nowhere")
    for ask in (
        lambda: client.get_search_space(nowhere),
        lambda: client.get_task(nowhere),
        lambda: client.get_experiment(f"{task.task_id}/{space.search_space_id}/99"),
        lambda: list(client.list_experiments(nowhere, space.search_space_id)),
        lambda: client.warm_start(nowhere, space.search_space_id, 1),
        lambda: client.select_strategy(nowhere, ["random"]),
        lambda: client.get_predictor(space.search_space_id),
    ):
        with pytest.raises(headstart.NotFound):
            ask()


def test_nothing_can_be_predicted_from_nothing(
    client: headstart.Client, task: headstart.Task, space: SearchSpace
) -> None:
    with pytest.raises(headstart.FailedPrecondition):
        client.predict(task.task_id, space.search_space_id, [sample(space, random.Random(0))])


def test_call_waits_for_a_service_that_is_restarted_and_is_done_once(service: Any) -> None:
    mlp = mlp_classifier()
    with headstart.connect(service.address, timeout=90) as client, ThreadPoolExecutor() as pool:
        client.create_search_space(mlp)
        client.create_task(headstart.Task("digits", OBJECTIVE))
        service.kill()
        candidate = sample(mlp, random.Random(0))
        recorded = pool.submit(client.record, "digits", mlp.search_space_id, candidate, headstart.completed(0.5))
        # Longer than the repeats of gRPC itself go on.
        time.sleep(6.0)
        assert not recorded.done()
        service.start()
        assert recorded.result(60).experiment_id == f"digits/{mlp.search_space_id}/1"
        assert len(list(client.list_experiments("digits", mlp.search_space_id))) == 1
