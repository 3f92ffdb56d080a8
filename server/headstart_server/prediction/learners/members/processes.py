"""Gaussian processes as members: over structural features, over proxies, and over both.

The prior mean of each is led by the task heads, where there is a model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.columns import Columns
from headstart_server.prediction.learners.gaussian_process import (
    GaussianProcess,
    Hyperparameters,
    LeaveOneOut,
    Numbers,
)
from headstart_server.prediction.learners.members.learner import Learner, Training

GAUSSIAN_PROCESS = "gaussian_process"
PROXIES = "proxies"
WITH_PROXIES = "gaussian_process_with_proxies"


@dataclass(frozen=True, eq=False)
class _FittedProcess:
    process: GaussianProcess
    inputs: Callable[[Columns], Numbers]

    @property
    def hyperparameters(self) -> Hyperparameters:
        return self.process.hyperparameters

    @property
    def noise_deviation(self) -> float:
        return self.process.noise_deviation

    def leave_one_out(self) -> LeaveOneOut:
        return self.process.leave_one_out()

    def predict(self, columns: Columns) -> tuple[Numbers, Numbers]:
        return self.process.predict(self.inputs(columns), np.nan_to_num(columns.prior))


class _ProcessLearner(Learner):
    def fit(self, training: Training) -> _FittedProcess:
        def inputs(columns: Columns) -> Numbers:
            return self._inputs(columns, training.proxies)

        columns, given = training.columns, training.hyperparameters
        return _FittedProcess(GaussianProcess(inputs(columns), columns.prior, training.targets, given), inputs)

    @staticmethod
    @abstractmethod
    def _inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        """Inputs [m, d] from the columns; ``proxies`` marks the proxy columns in use."""


class FeatureProcess(_ProcessLearner):
    name = GAUSSIAN_PROCESS
    rank = 30

    @staticmethod
    def _inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        return columns.features


class ProxyProcess(_ProcessLearner):
    name = PROXIES
    rank = 50
    needs_proxies = True

    @staticmethod
    def _inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        return np.asarray(columns.proxies[:, proxies])


class FeatureAndProxyProcess(_ProcessLearner):
    name = WITH_PROXIES
    rank = 60
    needs_proxies = True

    @staticmethod
    def _inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        return np.concatenate([columns.features, columns.proxies[:, proxies]], axis=1)
