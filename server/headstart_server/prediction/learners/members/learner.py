"""The contract of a member of the ensemble."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.columns import Columns
from headstart_server.prediction.learners.gaussian_process import Hyperparameters, LeaveOneOut, Numbers


@dataclass(frozen=True, eq=False)
class Training:
    """The results of a task that learners are fitted to.

    ``columns`` are the inputs of the n results and ``targets`` [n] their normal scores. ``kinds`` names the prior
    columns. ``proxies`` marks the proxy columns [p] in use. ``hyperparameters`` are those to reuse; None
    means to search them.
    """

    columns: Columns
    targets: Numbers
    kinds: Sequence[str]
    proxies: NDArray[np.bool_]
    hyperparameters: Hyperparameters | None = None


class FittedLearner(Protocol):
    """A learner fitted to a task's results. It must not refer to the predictor that holds it."""

    @property
    def hyperparameters(self) -> Hyperparameters | None:
        """The hyperparameters that later fits may keep; None for a learner without any."""

    @property
    def noise_deviation(self) -> float | None:
        """Standard deviation between replicates in normal scores; None for a learner that does not estimate it."""

    def leave_one_out(self) -> LeaveOneOut:
        """Predictions of each of the n results without itself."""

    def predict(self, columns: Columns) -> tuple[Numbers, Numbers]:
        """Means and standard deviations [m] of candidates, in normal scores."""


class Learner(ABC):
    """A member of the ensemble. A concrete subclass sets ``name`` and ``rank`` and is registered by being defined.

    ``rank`` orders the members. ``needs_proxies``: the member takes part only for candidates with measured proxies.
    """

    registered: ClassVar[dict[str, Learner]] = {}
    name: ClassVar[str]
    rank: ClassVar[int] = 100
    needs_proxies: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in cls.__dict__:
            Learner.registered[cls.name] = cls()

    @abstractmethod
    def fit(self, training: Training) -> FittedLearner | None:
        """Fit to a task's results; None if the inputs that it needs are missing.

        Raises LinAlgError, FloatingPointError or ValueError if it cannot be fitted; the ensemble then does without it.
        """
