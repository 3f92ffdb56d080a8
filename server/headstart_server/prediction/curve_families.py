"""Two parametric families of learning curves, carried on beyond what was seen.

POW4 (a power law) and MMF4 (Morgan-Mercer-Flodin), two of the best of the families compared by Domhan et al. (IJCAI
2015) and Mohr et al. (ECML 2022). Both are a line in a curve of fixed shape, so for every shape on a grid the line is
found in closed form, for many curves at once; shapes count by their likelihood.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from headstart_server.prediction.gaussian_process import Numbers

_POWERS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
# In units of the distance between points.
_OFFSETS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_EXPONENTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
_RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
# A curve does not change by more than this many times what it has changed so far.
_MOST_CHANGE = 1.5


def pow4(points: Numbers, values: Numbers, target: float) -> Numbers:
    """Values [n] at the fidelity ``target`` for values [n, m] seen at increasing points [m]."""
    x = _steps(points, target)
    return _carried_on([(x + offset) ** -power for power, offset in product(_POWERS, _OFFSETS)], values)


def mmf4(points: Numbers, values: Numbers, target: float) -> Numbers:
    """Values [n] at the fidelity ``target`` for values [n, m] seen at increasing points [m]."""
    x = _steps(points, target)
    return _carried_on([1.0 / (1.0 + (rate * x) ** exponent) for exponent, rate in product(_EXPONENTS, _RATES)], values)


def _steps(points: Numbers, target: float) -> Numbers:
    """Points and target [m + 1] in units of their mean distance, the first of them 1."""
    unit = float(np.diff(points).mean()) if len(points) > 1 else max(float(points[0]), 1e-12)
    return np.asarray((np.append(points, target) - points[0]) / unit + 1.0)


def _carried_on(shapes: list[Numbers], values: Numbers) -> Numbers:
    """``shapes`` [m + 1] each, the last number at the target."""
    seen = values.shape[1]
    middle = values.mean(axis=1)
    centred = values - middle[:, None]
    told, errors = [], []
    for shape in shapes:
        centre = shape[:seen].mean()
        around = shape[:seen] - centre
        norm = float(around @ around)
        if norm < 1e-14:
            continue
        slopes = centred @ around / norm
        told.append(middle + slopes * (shape[-1] - centre))
        errors.append(np.square(centred - slopes[:, None] * around).sum(axis=1))
    last = values[:, -1]
    if not told:
        return last
    squares = np.stack(errors)
    least = squares.min(axis=0)
    likelihoods = np.exp(-0.5 * (squares - least) / np.maximum(least / max(seen - 4, 1), 1e-12))
    change = (likelihoods * np.stack(told)).sum(axis=0) / likelihoods.sum(axis=0) - last
    most = _MOST_CHANGE * np.ptp(values, axis=1)
    return np.asarray(last + np.clip(change, -most, most))
