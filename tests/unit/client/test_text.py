"""The client names the field of a text that no message can carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import headstart
from headstart.spaces import (
    Candidate,
    Categorical,
    Float,
    Graph,
    InvalidInput,
    Node,
    Parameter,
    SearchSpace,
)
from headstart.values import Arm, Objective, Record, Task, completed

HALF = "a\udc80"
TASK = Task("task", Objective("acc"))

CALLS: list[tuple[Callable[[headstart.Client], Any], str]] = [
    (lambda client: client.get_task(HALF), "task_id"),
    (lambda client: client.create_task(Task("t", Objective(HALF))), "task.objective.metric"),
    (lambda client: client.create_task(Task("t", Objective("a"), descriptor={"x": HALF})), "task.descriptor[x]"),
    (lambda client: client.update_task(Task("t", Objective("a"), meta_features={HALF: 1})), "task.meta_features[a?]"),
    (
        lambda client: client.create_search_space(SearchSpace("s", (Parameter("x", Categorical(("b", HALF))),))),
        "space.parameters[0].domain.choices[1]",
    ),
    (
        lambda client: client.record("t", "s", Candidate({"x": HALF}), completed(1.0)),
        "candidate.values[x]",
    ),
    (
        lambda client: client.record_many(iter([Record("t", "s", Candidate(), completed(1.0), worker_id=HALF)])),
        "worker_id",
    ),
    (lambda client: client.predict("t", "s", [Candidate(), Candidate({HALF: 1})]), "queries[1].values[a?]"),
    (
        lambda client: client.warm_start("t", "s", 1, pool=[Candidate(graph=Graph((Node(HALF),), ()))]),
        "pool[0].graph.nodes[0].op",
    ),
    (lambda client: client.select_strategy("t", [Arm("a", (Parameter(HALF, Float(0, 1)),))]), None),  # type: ignore[list-item]
    (lambda client: list(client.list_experiments(HALF)), "task_id"),
    (lambda client: list(client.list_decisions(HALF)), "task_id"),
]


@pytest.mark.parametrize(("call", "field"), CALLS)
def test_text_that_is_not_unicode_is_invalid_input_with_its_field(
    call: Callable[[headstart.Client], Any], field: str | None
) -> None:
    with (
        headstart.connect("127.0.0.1:1", timeout=0.1) as client,
        pytest.raises(InvalidInput, match="half a character") as refused,
    ):
        call(client)
    assert field in (None, refused.value.violations[0].field)
