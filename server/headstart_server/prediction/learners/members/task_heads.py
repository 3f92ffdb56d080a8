"""Members "graph_network" and "tree_ensemble": the combined task heads of the model, on the task's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart_server.prediction.learners.columns import Columns
from headstart_server.prediction.learners.gaussian_process import LeaveOneOut, Numbers
from headstart_server.prediction.learners.members.learner import Learner, Training
from headstart_server.prediction.learners.weighted_heads import LinearRegression

GRAPH_NETWORK = "graph_network"
TREE_ENSEMBLE = "tree_ensemble"


@dataclass(frozen=True, eq=False)
class _FittedHeads:
    regression: LinearRegression
    column: int
    hyperparameters: ClassVar[None] = None
    noise_deviation: ClassVar[None] = None

    def leave_one_out(self) -> LeaveOneOut:
        return self.regression.leave_one_out()

    def predict(self, columns: Columns) -> tuple[Numbers, Numbers]:
        return self.regression.predict(columns.prior[:, self.column])


class _TaskHeads(Learner):
    def fit(self, training: Training) -> _FittedHeads | None:
        if self.name not in training.kinds:
            return None
        column = list(training.kinds).index(self.name)
        return _FittedHeads(LinearRegression(training.columns.prior[:, column], training.targets), column)


class GraphNetworkHeads(_TaskHeads):
    name = GRAPH_NETWORK
    rank = 10


class TreeHeads(_TaskHeads):
    name = TREE_ENSEMBLE
    rank = 20
