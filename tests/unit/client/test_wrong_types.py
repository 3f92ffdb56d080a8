"""Values of another type are taken where they are obvious, and else refused with one sentence that names the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import headstart
from headstart.codec import values as codec
from headstart.codec.answers import query_to_proto, record_to_proto
from headstart.search import search_without_service
from headstart.spaces import Candidate, Float, InvalidInput, Parameter, SearchSpace
from headstart.values import CurvePoint, Direction, ExperimentStatus, Objective, Outcome, Query, Record, Task, completed

ANY: Any = None


def test_directions_and_statuses_may_be_named() -> None:
    name: Any = "minimize"
    assert Objective("loss", name) == Objective("loss", Direction.MINIMIZE)
    status: Any = "Stopped"
    assert Outcome(status) == Outcome(ExperimentStatus.STOPPED)
    wrong: Any = "lower"
    with pytest.raises(InvalidInput, match="must be a Direction: MAXIMIZE or MINIMIZE, got 'lower'"):
        Objective("loss", wrong)


@pytest.mark.parametrize("number", [1, 0.5, np.float32(0.5), np.int64(3)])
def test_a_number_is_a_completed_outcome(number: Any) -> None:
    assert codec.outcome_to_proto(number) == codec.outcome_to_proto(completed(float(number)))


def test_a_mapping_is_a_candidate_and_a_pair_a_point() -> None:
    values: Any = {"x": 0.5}
    assert codec.candidate_to_proto(values) == codec.candidate_to_proto(Candidate({"x": 0.5}))
    points: Any = [(1, 0.5), [2, 0.75]]
    plain = codec.outcome_to_proto(completed(0.75, learning_curve=(CurvePoint(1, 0.5), CurvePoint(2, 0.75))))
    assert codec.outcome_to_proto(completed(0.75, learning_curve=points)) == plain
    assert query_to_proto(Query(values)) == query_to_proto(Query(Candidate({"x": 0.5})))
    assert record_to_proto(Record("t", "s", values, ANY or completed(1.0))).candidate == codec.candidate_to_proto(
        values
    )


def test_a_strategy_may_propose_a_mapping() -> None:
    class Middle:
        def propose(self, history: Any, generator: Any) -> Any:
            return {"x": len(history) / 10}

    line = SearchSpace("line", (Parameter("x", Float(0.0, 1.0)),))
    result = search_without_service(line, lambda candidate: 1.0, 2, strategies={"middle": Middle()})
    assert [step.candidate for step in result.steps] == [Candidate({"x": 0.0}), Candidate({"x": 0.1})]


TASK, SPACE = Task("t", Objective("acc")), SearchSpace("s")

CALLS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda client: client.get_task(TASK), "task_id: must be a text"),
    (lambda client: client.create_task("t"), "task: must be a Task"),
    (lambda client: client.create_task(Task("t", ANY)), "task.objective: must be an Objective"),
    (lambda client: client.create_search_space({"x": [1, 2]}), "search_space: must be a SearchSpace"),
    (
        lambda client: client.create_search_space(SearchSpace("s", (Parameter("x", [1, 2]),))),  # type: ignore[arg-type]
        "search_space.parameters[0].domain: must be a Float",
    ),
    (lambda client: client.create_search_space(SearchSpace("s", ("x",))), "search_space.parameters[0]: must be a P"),  # type: ignore[arg-type]
    (lambda client: client.record(TASK, "s", {}, 0.5), "task_id: must be a text"),
    (lambda client: client.record("t", SPACE, {}, 0.5), "search_space_id: must be a text"),
    (lambda client: client.record("t", "s", [1], 0.5), "candidate: must be a Candidate or the dict of its values"),
    (lambda client: client.record("t", "s", {}, None), "outcome: must be an Outcome or a number, got None"),
    (lambda client: client.record("t", "s", {}, True), "outcome: must be an Outcome or a number, got True"),
    (
        lambda client: client.record("t", "s", {}, completed(1.0, learning_curve=[0.5])),
        "outcome.learning_curve[0]: must be a CurvePoint or (fidelity, value), got 0.5",
    ),
    (lambda client: client.record_many([{"task_id": "t"}]), "record: must be a Record"),
    (lambda client: client.predict("t", "s", [{"x": 1}, "y"]), "queries[1]: must be a Candidate"),
    (lambda client: client.warm_start("t", "s", 1, pool=["y"]), "pool[0]: must be a Candidate"),
    (lambda client: client.select_strategy("t", [3]), "arms[0]: must be an Arm"),
    (lambda client: client.transfer_architecture("s", "y", "t", "u"), "candidate: must be a Candidate"),
    (lambda client: list(client.list_experiments(TASK)), "task_id: must be a text"),
]


@pytest.mark.parametrize(("call", "told"), CALLS)
def test_what_is_of_another_type_is_told_in_one_sentence(call: Callable[[Any], Any], told: str) -> None:
    with headstart.connect("127.0.0.1:1", timeout=0.1) as client, pytest.raises(InvalidInput) as refused:
        call(client)
    assert told in str(refused.value)
