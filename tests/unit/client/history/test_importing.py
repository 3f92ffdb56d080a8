"""What an import does about tasks that cannot be, and a dry run without a service; the service is played."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

import headstart
from headstart.errors import DeadlineExceeded, HeadstartError, InvalidArgument, NotFound, Unavailable
from headstart.history import run_import
from headstart.history.model import UsageProblem
from headstart.record_stream import RecordedMany
from headstart.spaces.declaration import SearchSpace
from headstart.values import Record, Task


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
