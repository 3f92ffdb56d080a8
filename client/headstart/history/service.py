"""Calls of an import beside recording. A dry run changes nothing and does without them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

from headstart.client import Client
from headstart.errors import (
    AlreadyExists,
    DeadlineExceeded,
    DeclarationWarning,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from headstart.history.model import Say, UsageProblem
from headstart.spaces.declaration import SearchSpace
from headstart.spaces.validation import InvalidInput
from headstart.text import PROBLEM, broken_text
from headstart.values import Experiment, Task

Held = TypeVar("Held")


class Service:
    """Calls of an import beside recording; a dry run changes nothing and does without them."""

    def __init__(self, client: Client, dry_run: bool, say: Say) -> None:
        self._client = client
        self._dry_run = dry_run
        self._say = say
        self._is_out_of_reach = False
        # The tasks as they were: their description stays where the import has none.
        self.removed: dict[str, Task] = {}

    def find_space(self, search_space_id: str) -> SearchSpace | None:
        return self._found(self._client.get_search_space, search_space_id)

    def find_task(self, task_id: str) -> Task | None:
        return self._found(self._client.get_task, task_id)

    def create_space(self, space: SearchSpace, otherwise: str) -> SearchSpace:
        """Raises UsageProblem, with ``otherwise`` if the id is used by another declaration."""
        _refuse_broken_text(space, "search space")
        existing = self.find_space(space.search_space_id) if self._dry_run else None
        if existing is not None and existing != space:
            raise UsageProblem(otherwise)
        if self._dry_run:
            return space
        try:
            with warnings.catch_warnings():
                # The detected orders are printed with the space.
                warnings.simplefilter("ignore", DeclarationWarning)
                return self._client.create_search_space(space)
        except AlreadyExists:
            raise UsageProblem(otherwise) from None
        except (InvalidArgument, InvalidInput) as error:
            raise UsageProblem(f"the service refuses the search space: {' '.join(str(error).split())}") from None

    def create_task(self, task: Task) -> Task:
        _refuse_broken_text(task, "task")
        if self._dry_run:
            return task
        try:
            return self._client.create_task(task)
        except (InvalidArgument, InvalidInput) as error:
            raise UsageProblem(f"the service refuses the task: {' '.join(str(error).split())}") from None

    def delete_task(self, task: Task) -> None:
        if not self._dry_run:
            self._client.delete_task(task.task_id)
        self.removed[task.task_id] = task

    def experiments_of(self, task: Task) -> Iterator[Experiment]:
        """The recorded experiments of a known task."""
        for summary in task.summaries:
            yield from self._client.list_experiments(task.task_id, summary.search_space_id)

    def _found(self, get: Callable[[str], Held], name: str) -> Held | None:
        """A dry run goes on without a service, for which it waits once."""
        if self._is_out_of_reach:
            return None
        try:
            return get(name)
        except NotFound:
            return None
        except (Unavailable, DeadlineExceeded):
            if not self._dry_run:
                raise
        self._is_out_of_reach = True
        self._say("the service is out of reach: the dry run does not look at what it has")
        return None


def _refuse_broken_text(value: SearchSpace | Task, what: str) -> None:
    """Raises UsageProblem."""
    broken = broken_text(value, "")
    if broken is not None:
        raise UsageProblem(f"{what}: {broken} {PROBLEM}")
