"""How a training goes on, learned from finished trainings that were as far: the conditional distribution of its rest.

A forest over what the curve shows so far and over what POW4, MMF4, the last value and the prior of finished curves
expect finds the finished trainings that were most like it; how those went on, weighed, is what may come (quantile
regression forests: Meinshausen, JMLR 2006). Its median is joined by a Gaussian process over the same columns; which of
the two is believed is decided by their errors on trainings left out, and so is the width of the intervals
(conformalised quantile regression: Romano et al., NeurIPS 2019). Lower values are better here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart_server.prediction.curve_families import mmf4, pow4
from headstart_server.prediction.curve_prior import CurvePrior, left_out
from headstart_server.prediction.gaussian_process import GaussianProcess, Numbers

# With fewer finished trainings there is nothing to learn from.
LEAST_HISTORY = 10

_TREES = 100
_LEAST_IN_LEAF = 3
_MOST_FOR_PROCESS = 400
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_CHUNK = 512
_LOOK_BACKS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class History:
    """Finished trainings on common points: ``seen`` [n, m], the ``rest`` [n, path] that followed, and what failed.

    The last of the rest is the value at the target. Failed runs hold the worst value known from there on.
    """

    points: Numbers
    path: Numbers
    seen: Numbers
    rest: Numbers
    diverged: Numbers


@dataclass(frozen=True)
class Outlook:
    """What is expected of trainings [n]: median and interval of the value at the target, a robust standard deviation,
    the chance to diverge, the curve on the way there [n, path]; and equally scaled outcomes with weights [n, h]."""

    median: Numbers
    lower: Numbers
    upper: Numbers
    deviation: Numbers
    divergence: Numbers
    path: Numbers
    outcomes: Numbers
    weights: Numbers

    def chance_below(self, value: float, shift: Numbers) -> Numbers:
        """The chance [n] to end below a value, with the outcomes shifted by [n]."""
        return np.asarray((self.weights * (self.outcomes + shift[:, None] < value)).sum(axis=1))


class CurveModel:
    """Fitted to a history of at least LEAST_HISTORY trainings; takes some tenths of a second for some hundreds."""

    def __init__(self, history: History, seed: int = 0) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self.history = history
        curves = np.concatenate([history.seen, history.rest], axis=1)
        self._prior = CurvePrior(curves)
        self._change = history.rest[:, -1] - history.seen[:, -1]
        columns = self._columns(history.seen, left_out(curves, history.seen.shape[1]))
        self._forest = ExtraTreesRegressor(
            _TREES, min_samples_leaf=_LEAST_IN_LEAF, max_features=0.5, bootstrap=True, random_state=seed, n_jobs=1
        )
        self._forest.fit(columns, self._change)
        count = len(columns)
        self._drawn = [np.bincount(drawn, minlength=count) for drawn in self._forest.estimators_samples_]
        self._leaves = self._forest.apply(columns)
        weights = self._weights(self._leaves, left_out=True)
        chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_FOR_PROCESS)).astype(np.int64))
        self._squash = _Squash(columns)
        self._size = _Squash(self._change[:, None])
        self._process = GaussianProcess(
            self._squash.of(columns[chosen]),
            np.zeros((len(chosen), 1)),
            self._size.of(self._change[chosen, None])[:, 0],
        )
        by_process = self._size.back(self._process.leave_one_out().means)
        by_forest = _quantiles(self._change, weights, (0.5,))[:, 0]
        errors = [
            float(np.abs(share * by_process + (1 - share) * by_forest[chosen] - self._change[chosen]).mean())
            for share in _SHARES
        ]
        self._share = _SHARES[int(np.argmin(errors))]
        medians = by_forest.copy()
        medians[chosen] = self._share * by_process + (1 - self._share) * by_forest[chosen]
        self._own = (weights, medians, chosen)

    def expect(self, seen: Numbers, level: float) -> Outlook:
        """For values [n, m] seen at the points of the history; intervals are to cover ``level`` of the outcomes."""
        parts = [self._expect(seen[start : start + _CHUNK], level) for start in range(0, len(seen), _CHUNK)]
        return Outlook(*(np.concatenate(each) for each in zip(*(vars(part).values() for part in parts), strict=True)))

    def _expect(self, seen: Numbers, level: float) -> Outlook:
        path = self._prior.conditioned(seen)
        columns = self._columns(seen, path[:, -1])
        weights = self._weights(self._forest.apply(columns))
        by_process, _ = self._process.predict(self._squash.of(columns), np.zeros((len(seen), 1)))
        tail = (1.0 - level) / 2
        low, quarter, middle, three_quarters, high = _quantiles(
            self._change, weights, (tail, 0.25, 0.5, 0.75, 1.0 - tail)
        ).T
        median = self._share * self._size.back(by_process) + (1 - self._share) * middle
        floor, factor = self._calibration(level)
        margin = floor + factor * (high - low + floor)
        last = seen[:, -1]
        outcomes = last[:, None] + self._change[None, :] + (median - middle)[:, None]
        lower, upper = last + median - (middle - low) - margin, last + median + (high - middle) + margin
        return Outlook(
            median=last + median,
            lower=np.minimum(lower, last + median),
            upper=np.maximum(upper, last + median),
            deviation=(three_quarters - quarter) / 1.349 + floor,
            divergence=weights @ self.history.diverged,
            path=self._on_the_way(seen, weights, last + median),
            outcomes=outcomes,
            weights=weights,
        )

    def _calibration(self, level: float) -> tuple[float, float]:
        """A least width, and by how many widths an interval grows so that it covers ``level`` of those left out."""
        weights, medians, chosen = self._own
        tail = (1.0 - level) / 2
        low, middle, high = _quantiles(self._change, weights, (tail, 0.5, 1.0 - tail)).T
        floor = 0.1 * float(np.median(high - low)) + 1e-12
        below = medians - (middle - low) - floor - self._change
        above = self._change - medians - (high - middle) - floor
        missed = (np.maximum(below, above) / (high - low + floor))[chosen]
        return floor, float(np.quantile(missed, min(1.0, level * (len(missed) + 1) / len(missed))))

    def _on_the_way(self, seen: Numbers, weights: Numbers, final: Numbers) -> Numbers:
        """As those most like it went on, bent so that it ends where it is expected to."""
        on = seen[:, -1:] + weights @ (self.history.rest - self.history.seen[:, -1:])
        path = self.history.path
        passed = (path - self.history.points[-1]) / max(path[-1] - self.history.points[-1], 1e-12)
        return np.asarray(on + (final - on[:, -1])[:, None] * passed)

    def _columns(self, seen: Numbers, by_prior: Numbers) -> Numbers:
        points, target = self.history.points, float(self.history.path[-1])
        last = seen[:, -1]
        columns = [last, *(last - seen[:, -1 - back] for back in _LOOK_BACKS if back < seen.shape[1])]
        columns += [
            seen.min(axis=1) - last,
            np.abs(np.diff(seen, axis=1)).mean(axis=1),
            seen[:, 0] - last,
            np.median(seen[:, -3:], axis=1) - last,
            pow4(points, seen, target) - last,
            mmf4(points, seen, target) - last,
            by_prior - last,
        ]
        return np.stack(columns, axis=1)

    def _weights(self, leaves: Numbers, left_out: bool = False) -> Numbers:
        """How much each training of the history counts for each row of leaves [n, trees]: [n, history]."""
        weights = np.zeros((len(leaves), len(self._leaves)))
        asked = np.zeros(len(leaves))
        for tree, drawn in enumerate(self._drawn):
            shared = (leaves[:, tree][:, None] == self._leaves[:, tree][None, :]) * drawn
            shared = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1e-12)
            if left_out:
                shared *= (drawn == 0)[:, None]
            weights += shared
            asked += (drawn == 0) if left_out else 1
        return weights / np.maximum(asked, 1)[:, None]


class _Squash:
    """Columns brought to their robust size, with far values drawn in."""

    def __init__(self, columns: Numbers) -> None:
        self._centre = np.median(columns, axis=0)
        spread = 1.48 * np.median(np.abs(columns - self._centre), axis=0)
        self._spread = np.where(spread > 0.0, spread, columns.std(axis=0)) + 1e-12

    def of(self, columns: Numbers) -> Numbers:
        return np.asarray(np.arcsinh((columns - self._centre) / self._spread))

    def back(self, squashed: Numbers) -> Numbers:
        """For a single column [n]."""
        return np.asarray(self._centre[0] + self._spread[0] * np.sinh(np.clip(squashed, -12.0, 12.0)))


def _quantiles(values: Numbers, weights: Numbers, levels: tuple[float, ...]) -> Numbers:
    """Weighted quantiles [n, levels] of values [h] under weights [n, h]."""
    order = np.argsort(values)
    summed = np.cumsum(weights[:, order], axis=1)
    summed /= np.maximum(summed[:, -1:], 1e-12)
    places = [np.minimum((summed < level - 1e-9).sum(axis=1), len(values) - 1) for level in levels]
    return np.stack([values[order][place] for place in places], axis=1)
