"""Conformal intervals: widths from the errors on held-out results.

Split conformal prediction with leave-one-out errors (Barber et al., "Predictive inference with the jackknife+",
Annals of Statistics 2021), each divided by its predicted standard deviation (Lei et al., "Distribution-free
predictive inference for regression", JASA 2018, section 5.2). A few assumed errors keep intervals wide enough
while there are few results.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import t as student_t

from headstart_server.prediction.learners.gaussian_process import Numbers

# The assumed errors: quantiles of a t distribution with few degrees of freedom.
_ASSUMED = np.abs(student_t.ppf((np.arange(8) + 0.5) / 8, df=4))
# The level at which standard deviations and probabilities are calibrated.
_REFERENCE_LEVEL = 0.9


class ConformalErrors:
    """Errors [n] on held-out results, in units of the predicted standard deviations."""

    def __init__(self, errors: Numbers) -> None:
        assumed = _ASSUMED * _assumed_factor(len(errors))
        self._errors = np.sort(np.concatenate([np.abs(errors), assumed]))

    def half_width(self, level: float) -> float:
        """Half the width of an interval that holds ``level`` of the errors, in predicted standard deviations."""
        count = len(self._errors)
        return max(float(np.quantile(self._errors, min(1.0, level * (count + 1) / count))), 1e-3)

    @property
    def widening(self) -> float:
        """The factor that calibrates predicted standard deviations."""
        return self.half_width(_REFERENCE_LEVEL) / float(ndtri(0.5 + _REFERENCE_LEVEL / 2))


def _assumed_factor(count: int) -> float:
    """The factor of the assumed errors, for ``count`` results.

    Among few results rare errors have not yet occurred, so it widens the interval as Student's t does.
    """
    return float(student_t.ppf(0.95, df=max(count - 1, 1)) / ndtri(0.95))
