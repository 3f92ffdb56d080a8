"""The tasks of an import: their ids, and whether they are there, can be made, or are made anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from headstart.history.checking import Unfit
from headstart.history.model import UsageProblem
from headstart.history.service import Service
from headstart.spaces.validation import is_slug
from headstart.values import Task

Held = TypeVar("Held")


class ImportTasks:
    """The tasks of an import, looked up or created once each."""

    def __init__(
        self, service: Service, template: Task, task_id: str | None, default: str, replaces: bool = False
    ) -> None:
        """``replaces``: the existing task is removed first, so it may have another objective."""
        self._service = service
        self._replaces = replaces
        self._template = template
        self._task_id = task_id or template.task_id
        self._default = default
        self._ids: dict[str, str] = {}
        self._made: dict[str, Task] = {}
        self._refusals: dict[str, str] = {}
        self._takes: dict[str, bool] = {}

    @property
    def made(self) -> list[Task]:
        return list(self._made.values())

    def id_of(self, name: str) -> str:
        """Raises Unfit if two names would be one task, or a name makes no id."""
        if name not in self._ids:
            task_id = self._task_id or self._of_many(name, lambda: slug(name or self._default))
            if not self._task_id and task_id in self._ids.values():
                raise Unfit(f"the task name {name!r} makes the id {task_id!r}, which another name has")
            self._ids[name] = task_id
        return self._ids[name]

    def takes(self, name: str) -> bool:
        """Whether runs of that task name can be recorded, as far as it is known before the task is created."""
        if name not in self._takes:
            try:
                task_id = self.id_of(name)
            except Unfit:
                self._takes[name] = False
            else:
                existing = None if self._task_id or self._replaces else self._service.find_task(task_id)
                self._takes[name] = existing is None or existing.objective == self._template.objective
        return self._takes[name]

    def check(self) -> None:
        """Raises UsageProblem if the named task exists with another objective."""
        existing = self._service.find_task(self._task_id) if self._task_id and not self._replaces else None
        if existing is not None and existing.objective != self._template.objective:
            raise UsageProblem(other_objective(existing, self._template))

    def make(self, name: str) -> None:
        """Raises Unfit if the task exists with another objective, or the service refuses it."""
        task_id = self.id_of(name)
        if task_id in self._made:
            return
        wanted = replace(self._template, task_id=task_id)
        if name and not self._task_id:
            wanted = replace(wanted, description=(f"{wanted.description}: {name}" if wanted.description else name))
        former = self._service.removed.get(task_id)
        if former is not None:
            wanted = _with_words_of(former, wanted)
        existing = self._service.find_task(task_id) if former is None else None
        if existing is not None and existing.objective != wanted.objective:
            raise Unfit(other_objective(existing, wanted))
        self._made[task_id] = existing or self._of_many(name, lambda: self._service.create_task(wanted))

    def _of_many(self, name: str, make: Callable[[], Held]) -> Held:
        """Raises Unfit for a task that is one of many; the only one raises UsageProblem, at the first run."""
        if name in self._refusals:
            raise Unfit(self._refusals[name])
        try:
            return make()
        except UsageProblem as problem:
            if self._task_id or not name:
                raise
            self._refusals[name] = f"the task {name[:80]!r} cannot be made: {problem}"
            raise Unfit(self._refusals[name]) from None


def _with_words_of(former: Task, wanted: Task) -> Task:
    """The new task with the description of the removed one, where the import has none."""
    return replace(
        wanted,
        description=former.description or wanted.description,
        descriptor={**former.descriptor, **wanted.descriptor},
        meta_features={**former.meta_features, **wanted.meta_features},
    )


def other_objective(existing: Task, wanted: Task) -> str:
    return (
        f"task {existing.task_id!r} is to {existing.objective.direction.name.lower()} {existing.objective.metric!r}, "
        f"this history to {wanted.objective.direction.name.lower()} {wanted.objective.metric!r}: choose another task, "
        "or name objective and direction as the task does"
    )


def slug(name: str) -> str:
    """An id from a name. Raises UsageProblem if nothing of it is left."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    if not is_slug(made):
        raise UsageProblem(f"{name!r} makes no id: name the task and the search space")
    return made


def check_id(value: str | None, what: str) -> None:
    if value is not None and not is_slug(value):
        raise UsageProblem(f"{what} must be 1 to 63 of a-z, 0-9 and inner hyphens, got {value[:80]!r}")
