"""Plain data that the registry stores with a model version: artefact, validation metrics, promotion comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TaskValidation:
    """Validation metrics of one task: Kendall tau, and the share of held-out values inside the 90 % intervals.

    ``coverages`` gives the share for several interval levels, as (level, share).
    """

    task_id: str
    held_out_count: int
    kendall_tau: float
    interval_coverage: float
    coverages: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class ModelArtefact:
    """A trained model as bytes; ``training_size`` counts pairs of task and architecture."""

    content: bytes
    kind: str
    training_size: int
    parameter_count: int
    seconds: float
    validation: tuple[TaskValidation, ...]


@dataclass(frozen=True)
class Comparison:
    """Kendall tau of two versions on ``recent_count`` recent results: the mean over tasks, weighted by result count."""

    recent_count: int
    tau_before: float
    tau_after: float

    @property
    def passed(self) -> bool:
        """Whether the new version is at most one standard error of tau worse."""
        if not self.recent_count:
            return True
        count = self.recent_count
        error = float(np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1))))
        return self.tau_after >= self.tau_before - error
