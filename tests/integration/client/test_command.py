"""The ``headstart`` command against a real service."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import headstart
from headstart.cli import main
from headstart.spaces import mlp_classifier, sample

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(shared_service: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--address", shared_service.address, *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def names(shared_service: Any, unique_id: Callable[[str], str]) -> tuple[str, str]:
    task_id, space_id = unique_id("digits"), unique_id("mlp")
    space = replace(mlp_classifier(), search_space_id=space_id)
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(space)
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy"), "Handwritten digits"))
        generator = random.Random(0)
        for index in range(6):
            client.record(task_id, space_id, sample(space, generator), headstart.completed(index / 10), worker_id="w1")
    return task_id, space_id


def test_tables(run: Run, names: tuple[str, str]) -> None:
    task_id, space_id = names
    code, told, _ = run("tasks")
    assert code == 0 and "EXPERIMENTS" in told
    assert any(line.split()[:5] == [task_id, "maximize", "accuracy", "6", "0.5"] for line in told.splitlines())
    code, told, _ = run("task", task_id)
    assert code == 0 and "Handwritten digits" in told and f"{task_id}/{space_id}/6" in told
    code, told, _ = run("spaces")
    assert code == 0 and space_id in told
    code, told, _ = run("experiments", task_id, space_id, "--limit", "4")
    assert code == 0 and len(told.splitlines()) == 5 and "learning_rate=" in told and "w1" in told
    code, told, _ = run("suggest", task_id, space_id, "-n", "3")
    assert code == 0 and "ORIGIN" in told and "learning_rate=" in told


def test_errors_are_one_line_and_exit_code_1(run: Run, names: tuple[str, str]) -> None:
    for arguments, word in ((("task", "nowhere"), "nowhere"), (("predictor", names[1]), "NOT_FOUND")):
        code, told, problem = run(*arguments)
        assert (code, told) == (1, "")
        assert len(problem.splitlines()) == 1 and problem.startswith("headstart: ") and word in problem


def test_no_service(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--address", "127.0.0.1:1", "tasks"]) == 1
    assert capsys.readouterr().err == "headstart: 127.0.0.1:1: no service there; `headstart-server up` starts one\n"


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["suggest", "a", "b", "-n", "none"])
    assert caught.value.code == 2
    assert "positive integer" in capsys.readouterr().err
