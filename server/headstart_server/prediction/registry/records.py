"""Plain data that the registry stores with a model version: the artefact, its validation metrics, its comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TaskFigures:
    """Validation metrics of one task: Kendall tau, and the share of values inside the 90 % intervals.

    ``coverages`` are these shares by level, (level, share).
    """

    task_id: str
    held_out_count: int
    kendall_tau: float
    interval_coverage: float
    coverages: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class ModelArtefact:
    """A trained model; ``training_size`` counts pairs of task and architecture."""

    content: bytes
    kind: str
    training_size: int
    parameter_count: int
    seconds: float
    figures: tuple[TaskFigures, ...]


@dataclass(frozen=True)
class Comparison:
    """Kendall tau of both versions on ``recent_count`` recent results, the mean over tasks weighed by their number."""

    recent_count: int
    tau_before: float
    tau_after: float

    @property
    def passed(self) -> bool:
        """Whether the new version is no worse; one standard error of tau is allowed."""
        if not self.recent_count:
            return True
        count = self.recent_count
        error = float(np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1))))
        return self.tau_after >= self.tau_before - error
