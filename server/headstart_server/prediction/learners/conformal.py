"""Conformal intervals: widths from the errors on held-out results.

Split conformal prediction with leave-one-out errors (Barber et al., "Predictive inference with the jackknife+",
Annals of Statistics 2021), each divided by its predicted standard deviation (Lei et al., "Distribution-free
predictive inference for regression", JASA 2018, section 5.2). A few errors assumed in advance keep intervals honest
while there are hardly any.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import t as student_t

from headstart_server.prediction.learners.gaussian_process import Numbers

# Errors that are taken as seen before any is: those of a t distribution with few degrees of freedom.
_ASSUMED = np.abs(student_t.ppf((np.arange(8) + 0.5) / 8, df=4))
# Level at which standard deviations and chances are calibrated.
_REFERENCE_LEVEL = 0.9


class ConformalErrors:
    """Made from errors [n] of left-out results, in claimed standard deviations."""

    def __init__(self, errors: Numbers) -> None:
        assumed = _ASSUMED * _assumed_share(len(errors))
        self._errors = np.sort(np.concatenate([np.abs(errors), assumed]))

    def half_width(self, level: float) -> float:
        """Half of an interval's width in claimed standard deviations, so that ``level`` of the errors lie inside."""
        count = len(self._errors)
        return max(float(np.quantile(self._errors, min(1.0, level * (count + 1) / count))), 1e-3)

    @property
    def widening(self) -> float:
        """What claimed standard deviations are to be multiplied with."""
        return self.half_width(_REFERENCE_LEVEL) / float(ndtri(0.5 + _REFERENCE_LEVEL / 2))


def _assumed_share(count: int) -> float:
    """Few results say little about rare errors: their lack widens the assumed ones as Student's t does."""
    return float(student_t.ppf(0.95, df=max(count - 1, 1)) / ndtri(0.95))
