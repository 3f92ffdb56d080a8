"""What goes into an export of everything; the service is played."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import headstart
from headstart.history import run_export
from headstart.history.formats import format_of
from headstart.spaces import SearchSpace, mlp_classifier, nas_bench_201
from headstart.values import Task


class Played:
    """Has search spaces, and nobody has tried anything in them."""

    def list_tasks(self) -> Iterator[Task]:
        yield from ()

    def list_search_spaces(self) -> Iterator[SearchSpace]:
        yield from (nas_bench_201(), mlp_classifier())


def test_an_export_of_everything_holds_search_spaces_without_experiments(tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    run_export(cast(headstart.Client, Played()), format="jsonl", output=output)
    contents = format_of(output).read(output)
    list(contents.experiments)
    assert contents.spaces == tuple(sorted((mlp_classifier(), nas_bench_201()), key=lambda each: each.search_space_id))
