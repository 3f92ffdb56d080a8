"""Member "k_nearest": the nearest of the task's results by structural features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart_server.prediction.learners.columns import Columns
from headstart_server.prediction.learners.gaussian_process import LeaveOneOut, Numbers
from headstart_server.prediction.learners.members.learner import Learner, Training

K_NEAREST = "k_nearest"


@dataclass(frozen=True, eq=False)
class _FittedNearest:
    own: LeaveOneOut
    hyperparameters: ClassVar[None] = None
    noise_deviation: ClassVar[None] = None

    def leave_one_out(self) -> LeaveOneOut:
        return self.own

    def predict(self, columns: Columns) -> tuple[Numbers, Numbers]:
        return columns.nearest[:, 0], columns.nearest[:, 1]


class Nearest(Learner):
    name = K_NEAREST
    rank = 40

    def fit(self, training: Training) -> _FittedNearest:
        return _FittedNearest(LeaveOneOut(training.columns.nearest[:, 0], training.columns.nearest[:, 1]))
