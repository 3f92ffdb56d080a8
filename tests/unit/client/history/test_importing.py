"""What an import does about tasks that cannot be, and a dry run without a service; the service is played."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

import headstart
from headstart.errors import DeadlineExceeded, HeadstartError, InvalidArgument, NotFound, Unavailable
from headstart.history import run_import
from headstart.history.model import UsageProblem
from headstart.record_stream import RecordedMany
from headstart.spaces.declaration import Candidate, Float, SearchSpace
from headstart.values import Direction, Experiment, Objective, Record, Task, TaskSummary, completed


class Played:
    """A service that knows nothing, keeps what it is sent, and refuses what it is told to refuse."""

    def __init__(self, refused: str = "", failure: HeadstartError | None = None) -> None:
        self.failure = failure or NotFound(grpc.StatusCode.NOT_FOUND, "NO", "there is none")
        self.refused = refused
        self.asked = 0
        self.sent: list[Record] = []

    def get_search_space(self, name: str) -> SearchSpace:
        self.asked += 1
        raise self.failure

    def get_task(self, name: str) -> Task:
        self.asked += 1
        raise self.failure

    def create_search_space(self, space: SearchSpace) -> SearchSpace:
        return space

    def create_task(self, task: Task) -> Task:
        if task.task_id == self.refused:
            raise InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, "WRONG", "that is no task")
        return task

    def record_many(self, records: Sequence[Record], chunk_size: int) -> RecordedMany:
        self.sent += records
        return RecordedMany(len(records), 0)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What to import: a table of runs on three data sets, one of which has a name that makes no id."""

    def made(**task: str) -> dict[str, Any]:
        names = ("first", "first", "日本", "second", "日本", "first")
        lines = (f"{name},{0.1 + place / 10},{place}\n" for place, name in enumerate(names))
        (tmp_path / "runs.csv").write_text("name,lr,value\n" + "".join(lines), encoding="utf-8")
        columns = {"parameters": ["lr"], "objective": "value"}
        mapping = {"task": {"direction": "maximize", **task}, "columns": columns}
        (tmp_path / "mapping.json").write_text(json.dumps(mapping))
        return {"source": "csv", "location": str(tmp_path / "runs.csv"), "mapping": tmp_path / "mapping.json"}

    return made


def client(played: Played) -> headstart.Client:
    return cast(headstart.Client, played)


def test_a_task_name_that_makes_no_id_is_skipped_and_the_rest_goes_in(table: Callable[..., dict[str, Any]]) -> None:
    service = Played()
    report = run_import(client(service), **table(column="name"), chunk_size=2)
    assert [record.task_id for record in service.sent] == ["first", "first", "second", "first"]
    assert [note.locator for note in report.skipped] == ["runs.csv:4", "runs.csv:6"]
    assert "'日本' makes no id" in report.skipped[0].reason


def test_a_task_that_the_service_refuses_is_skipped_and_the_rest_goes_in(
    table: Callable[..., dict[str, Any]],
) -> None:
    service = Played(refused="second")
    report = run_import(client(service), **table(column="name"), chunk_size=2)
    assert [record.task_id for record in service.sent] == ["first", "first", "first"]
    assert "that is no task" in {note.locator: note.reason for note in report.skipped}["runs.csv:5"]


def test_the_only_task_is_refused_before_anything_is_sent(table: Callable[..., dict[str, Any]]) -> None:
    service = Played(refused="only")
    with pytest.raises(UsageProblem, match="that is no task"):
        run_import(client(service), **table(id="only"))
    assert service.sent == []


def test_ids_of_a_mapping_file_are_checked_before_anything_is_asked(table: Callable[..., dict[str, Any]]) -> None:
    service = Played()
    with pytest.raises(UsageProblem, match="the task must be 1 to 63"):
        run_import(client(service), **table(id="T A"), dry_run=True)
    with pytest.raises(UsageProblem, match="both an id and a column"):
        run_import(client(service), **table(id="one", column="name"), dry_run=True)
    assert service.asked == 0


@pytest.mark.parametrize(
    "failure",
    [
        Unavailable(grpc.StatusCode.UNAVAILABLE, "", "nobody there"),
        DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED, "", "no answer"),
    ],
)
def test_a_dry_run_waits_once_for_a_service_that_is_not_there(
    table: Callable[..., dict[str, Any]], failure: HeadstartError
) -> None:
    service, told = Played(failure=failure), list[str]()
    report = run_import(client(service), **table(column="name"), dry_run=True, say=told.append)
    assert (service.asked, report.recorded_count) == (1, 4)
    assert sum("out of reach" in line for line in told) == 1
    with pytest.raises(type(failure)):
        run_import(client(service), **table(column="name"))


class Keeping(Played):
    """A service that has a task with experiments of these workers, and forgets it when told to."""

    def __init__(self, task: Task, *workers: str) -> None:
        super().__init__()
        self.task: Task | None = replace(task, summaries=(TaskSummary("runs", len(workers), len(workers)),))
        self.workers = workers
        self.made: list[Task] = []

    def get_task(self, name: str) -> Task:
        if self.task is None or name != self.task.task_id:
            raise self.failure
        return self.task

    def list_experiments(self, task_id: str, search_space_id: str) -> Iterator[Experiment]:
        for number, worker in enumerate(self.workers, start=1):
            name = f"{task_id}/{search_space_id}/{number}"
            outcome = completed(1.0)
            yield Experiment(name, task_id, search_space_id, Candidate({"lr": 0.1}), "", outcome, worker_id=worker)

    def delete_task(self, task_id: str) -> int:
        self.task = None
        return len(self.workers)

    def create_task(self, task: Task) -> Task:
        self.made.append(task)
        return super().create_task(task)


WRONG = Task("only", Objective("loss", Direction.MINIMIZE), "the digits", {"modality": "image"})


def test_replace_removes_what_a_wrong_import_recorded_and_keeps_the_words_of_the_task(
    table: Callable[..., dict[str, Any]],
) -> None:
    service, told = Keeping(WRONG, "", ""), list[str]()
    with pytest.raises(UsageProblem, match="minimize 'loss'"):
        run_import(client(service), **table(id="only"))
    run_import(client(service), **table(id="only"), replace=True, dry_run=True, say=told.append)
    assert service.task is not None and service.sent == []
    report = run_import(client(service), **table(id="only"), replace=True)
    assert (service.task, report.recorded_count, len(service.sent)) == (None, 6, 6)
    (made,) = service.made
    assert (made.objective.metric, made.description, dict(made.descriptor)) == ("value", "the digits", WRONG.descriptor)
    assert "task 'only' with its 2 experiments is removed and recorded anew" in told


def test_replace_removes_no_results_of_others_and_nothing_unasked(table: Callable[..., dict[str, Any]]) -> None:
    service = Keeping(WRONG, "", "host-12")
    with pytest.raises(UsageProblem, match=r"others than this import \(host-12\)"):
        run_import(client(service), **table(id="only"), replace=True)
    service.workers = ("",)
    with pytest.raises(UsageProblem, match="not confirmed"):
        run_import(client(service), **table(id="only"), replace=True, agree=lambda question: False)
    assert service.task is not None and service.sent == []


def test_a_range_widens_what_was_tried_and_where_none_is_said_it_is_told(table: Callable[..., dict[str, Any]]) -> None:
    told: list[str] = []
    report = run_import(client(Played()), **table(id="only"), say=told.append)
    assert report.spaces[0].parameters[0].domain == Float(0.1, 0.6)
    assert told == ["only what was tried is in range for lr: where more is allowed, say --range NAME=LOWEST..HIGHEST"]
    told.clear()
    ranges = {"lr": (0.0001, 0.5)}
    report = run_import(client(Played()), **table(id="only"), ranges=ranges, say=told.append)
    assert (report.spaces[0].parameters[0].domain, told) == (Float(0.0001, 0.6, True), [])
    with pytest.raises(UsageProblem, match="which 'momentum' is not"):
        run_import(client(Played()), **table(id="only"), ranges={"momentum": (0, 1)})
