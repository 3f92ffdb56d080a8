"""TaskSet (Metz et al., 2020) as a search: a thousand settings of an optimizer, measured on twelve text tasks.

The settings are a sample of the space, not a grid of it, so a search chooses among them (``pool``). A run that ended
without a finite loss has FAILED.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.tables.learning_curves import taskset
from benchmarks.tables.table import NOT_IN_TABLE, Table
from headstart.spaces import Candidate, canonicalize
from headstart.values import Direction, ExperimentStatus, Objective, Outcome, Task


class OptimizerSettingsTable(Table):
    """One task; ``pool`` are the settings that were measured."""

    def __init__(self, folder: Path, number: int) -> None:
        curves = taskset(folder)
        name = curves.tasks[number]
        super().__init__(
            Task(
                task_id=f"taskset-{name}".replace("_", "-")[:63],
                objective=Objective("validation_loss", Direction.MINIMIZE),
                description=f"Sentiment of film reviews by a recurrent network ({name}), as measured by TaskSet",
                descriptor={"modality": "text", "problem": "classification", "cell": name},
            ),
            curves.space,
        )
        self.pool = curves.candidates
        final = curves.losses[number, :, -1]
        self._values = {
            canonicalize(curves.space, candidate).fingerprint: None if loss >= curves.worst else float(loss)
            for candidate, loss in zip(curves.candidates, final, strict=True)
        }

    def value(self, candidate: Candidate) -> float | None:
        return self._values.get(canonicalize(self.space, candidate).fingerprint)

    def evaluate(self, candidate: Candidate, generator: random.Random) -> Outcome:
        value = self.value(candidate)
        return NOT_IN_TABLE if value is None else Outcome(ExperimentStatus.COMPLETED, value)

    def distinct_values(self) -> Sequence[float]:
        return [value for value in self._values.values() if value is not None and np.isfinite(value)]


def optimizer_settings_tables(folder: Path) -> list[OptimizerSettingsTable]:
    """One for each task. Raises MissingTable where the folder does not hold them."""
    return [OptimizerSettingsTable(folder, number) for number in range(len(taskset(folder).tasks))]
