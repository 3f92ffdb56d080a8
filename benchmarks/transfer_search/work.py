"""The working file: one line of JSON for each search that was run, so that a run goes on where it was broken off.

Other tools, which need environments of their own, add their searches to the same file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Run:
    """One search of one task; ``seed`` is also that of the history."""

    search: str
    family: str
    task: str
    seed: int


@dataclass(frozen=True)
class Done:
    """``regrets`` of the best after each evaluation; ``commit`` of the code that ran it."""

    run: Run
    regrets: tuple[float, ...]
    seconds: float
    commit: str


class WorkingFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, done: Done) -> None:
        """At the end, at once: the last line may be cut off, and is then ended first."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = {**asdict(done.run), "seconds": round(done.seconds, 3), "commit": done.commit}
        text = json.dumps({**line, "regrets": [round(each, 6) for each in done.regrets]}) + "\n"
        with self._path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                text = text if file.read() == b"\n" else "\n" + text
            file.write(text.encode())

    def read(self) -> dict[Run, Done]:
        """The last of each run."""
        return {done.run: done for done in self._lines()}

    def _lines(self) -> Iterator[Done]:
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            try:
                held = json.loads(line)
            except json.JSONDecodeError:
                continue
            run = Run(held["search"], held["family"], held["task"], held["seed"])
            yield Done(run, tuple(held["regrets"]), held["seconds"], held["commit"])
