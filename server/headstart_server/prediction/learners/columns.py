"""Inputs of the members of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.gaussian_process import Numbers


@dataclass(frozen=True)
class Columns:
    """Features [m, d], one prior mean for each kind of head [m, kinds], proxies [m, p], and means and standard
    deviations [m, 2] of the nearest neighbours.

    A prior mean is NaN where a learner failed on a candidate.
    """

    features: Numbers
    prior: Numbers
    proxies: Numbers
    nearest: Numbers

    def rows(self, chosen: NDArray[np.bool_]) -> Columns:
        return Columns(self.features[chosen], self.prior[chosen], self.proxies[chosen], self.nearest[chosen])
