"""Progress bars in one look for all commands; lines where there is no terminal."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

# Between two lines about one task, where there is no terminal.
_LINE_SECONDS = 10.0


def bars(console: Console) -> Progress:
    """Bars with a description, a count, and free text in the field ``note``."""
    if not console.is_terminal:
        return _Lines(console=console, disable=True)
    return Progress(
        TextColumn("{task.description:<26}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


class _Lines(Progress):
    """Says when a task begins, how far it is now and then, and when it ends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._said: dict[TaskID, float] = {}
        self._ended: set[TaskID] = set()

    def add_task(self, description: str, *arguments: Any, **fields: Any) -> TaskID:
        task = super().add_task(description, *arguments, **fields)
        self._say(task)
        return task

    def update(self, task_id: TaskID, *arguments: Any, **fields: Any) -> None:
        super().update(task_id, *arguments, **fields)
        task = self._tasks[task_id]
        ends = task.finished and task_id not in self._ended
        if ends:
            self._ended.add(task_id)
        if ends or time.monotonic() - self._said[task_id] >= _LINE_SECONDS:
            self._say(task_id)

    def _say(self, task_id: TaskID) -> None:
        self._said[task_id] = time.monotonic()
        task = self._tasks[task_id]
        count = "" if task.total is None else f": {task.completed:g} of {task.total:g}"
        note = task.fields.get("note", "")
        self.console.print(f"{task.description}{count}{f', {note}' if note else ''}", highlight=False, soft_wrap=True)
