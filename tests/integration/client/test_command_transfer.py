"""`headstart transfer`, asked of a running service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import headstart
from headstart import Integer, Parameter, ParameterRole, SearchSpace
from headstart.cli import main

Run = Callable[..., tuple[int, str, str]]

CANDIDATE = '{"classes": 100, "kernel": 3}'


@pytest.fixture
def run(shared_service: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--address", shared_service.address, *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def names(shared_service: Any, unique_id: Callable[[str], str]) -> tuple[str, str, str, str]:
    """A space, a task with a hundred classes, and two with ten and twenty."""
    space = SearchSpace(
        unique_id("net"),
        (Parameter("classes", Integer(2, 100), role=ParameterRole.OUTPUT_UNITS), Parameter("kernel", Integer(1, 7))),
    )
    tasks = [unique_id(name) for name in ("many", "ten", "twenty")]
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(space)
        for task_id, classes in zip(tasks, (100.0, 10.0, 20.0), strict=True):
            client.create_task(
                headstart.Task(task_id, headstart.Objective("accuracy"), meta_features={"classes": classes})
            )
    return space.search_space_id, *tasks


def test_changes_and_plan_are_told_for_each_task_and_one_candidate_for_all(run: Run, names: Any) -> None:
    space, many, ten, twenty = names
    code, told, _ = run("transfer", many, space, "--candidate", CANDIDATE, "--to", ten, "--to", twenty)
    assert code == 0
    assert "the data have 10 outputs" in told and "the data have 20 outputs" in told
    assert told.count("transferability:") == 2 and told.count("STAGE") == 2
    assert "for all:       classes=20 kernel=3" in told


def test_one_document_for_programs(run: Run, names: Any) -> None:
    space, many, ten, _ = names
    asked = ("transfer", many, space, "--candidate", CANDIDATE, "--to", ten, "--json")
    answer = json.loads(run(*asked)[1])
    assert answer["proposal"] is None
    [own] = answer["architectures"]
    assert own["candidate"]["values"] == {"classes": 10, "kernel": 3}
    assert [change["parameter"] for change in own["changes"]] == ["classes"]


def test_what_is_wrong_is_one_line_and_an_exit_code(run: Run, names: Any) -> None:
    space, many, ten, _ = names
    code, _, error = run("transfer", many, space, "--candidate", '{"classes": 1, "kernel": 3}', "--to", ten)
    assert code == 1 and "candidate.values[classes]" in error
    assert run("transfer", many, space, "--candidate", CANDIDATE)[0] == 2
