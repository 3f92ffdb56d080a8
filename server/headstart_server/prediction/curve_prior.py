"""What finished curves teach of how curves go: their mean and low-rank covariance, conditioned on what was seen."""

from __future__ import annotations

import numpy as np

from headstart_server.prediction.gaussian_process import Numbers

_RANK = 8
_FOLDS = 10


class CurvePrior:
    """A Gaussian over curves [points], fitted to finished ones [n, points]."""

    def __init__(self, curves: Numbers) -> None:
        self._mean = curves.mean(axis=0)
        _, sizes, directions = np.linalg.svd(curves - self._mean, full_matrices=False)
        kept = min(_RANK, len(sizes))
        variances = np.square(sizes) / len(curves)
        self._covariance = (directions[:kept].T * variances[:kept]) @ directions[:kept]
        self._noise = max(float(variances[kept:].sum()) / curves.shape[1], 1e-8 * float(variances.sum()), 1e-12)

    def conditioned(self, seen: Numbers) -> Numbers:
        """Means of the remaining points [n, points - m] for the first m values [n, m]."""
        count = seen.shape[1]
        own = self._covariance[:count, :count] + self._noise * np.eye(count)
        gain = np.linalg.solve(own, self._covariance[:count, count:])
        return np.asarray(self._mean[count:] + (seen - self._mean[:count]) @ gain)


def left_out(curves: Numbers, seen: int) -> Numbers:
    """What the prior of the other curves says of the last point of each [n], from its first ``seen`` points."""
    fold = np.arange(len(curves)) % _FOLDS
    told = np.zeros(len(curves))
    for each in np.unique(fold):
        inside = fold == each
        told[inside] = CurvePrior(curves[~inside]).conditioned(curves[inside, :seen])[:, -1]
    return told
