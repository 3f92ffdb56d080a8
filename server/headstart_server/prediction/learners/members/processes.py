"""Gaussian processes as members: over structural features, over proxies, and over both.

The combined task heads of the model, if there is one, are the prior columns of each.
"""

from __future__ import annotations

from abc import abstractmethod
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


class _ProcessLearner(Learner):
    def fit(self, training: Training) -> _FittedProcess:
        inputs = self.inputs(training.columns, training.proxies)
        process = GaussianProcess(inputs, training.columns.prior, training.targets, training.hyperparameters)
        return _FittedProcess(process, self, training.proxies)

    @staticmethod
    @abstractmethod
    def inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        """Inputs [m, d] from the columns; ``proxies`` marks the proxy columns in use."""


@dataclass(frozen=True, eq=False)
class _FittedProcess:
    process: GaussianProcess
    learner: _ProcessLearner
    proxies: NDArray[np.bool_]

    @property
    def hyperparameters(self) -> Hyperparameters:
        return self.process.hyperparameters

    @property
    def noise_deviation(self) -> float:
        return self.process.noise_deviation

    def leave_one_out(self) -> LeaveOneOut:
        return self.process.leave_one_out()

    def predict(self, columns: Columns) -> tuple[Numbers, Numbers]:
        return self.process.predict(self.learner.inputs(columns, self.proxies), np.nan_to_num(columns.prior))


class FeatureProcess(_ProcessLearner):
    name = GAUSSIAN_PROCESS
    rank = 30

    @staticmethod
    def inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        return columns.features


class ProxyProcess(_ProcessLearner):
    name = PROXIES
    rank = 50
    needs_proxies = True

    @staticmethod
    def inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        return np.asarray(columns.proxies[:, proxies])


class FeatureAndProxyProcess(_ProcessLearner):
    name = WITH_PROXIES
    rank = 60
    needs_proxies = True

    @staticmethod
    def inputs(columns: Columns, proxies: NDArray[np.bool_]) -> Numbers:
        return np.concatenate([columns.features, columns.proxies[:, proxies]], axis=1)
