"""Regret curves of strategies on tasks, and what they say: the best single strategy, the best for each task, headroom.

Lower is better throughout. The area of a curve is its mean over the evaluations 1 to ``budget``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Curves:
    """``regrets``: (strategies, tasks, seeds, evaluations), the normalised regret of the best so far."""

    strategies: tuple[str, ...]
    tasks: tuple[str, ...]
    spaces: tuple[str, ...]
    regrets: Numbers

    def areas(self, budget: int) -> Numbers:
        """(strategies, tasks, seeds)."""
        return np.asarray(self.regrets[..., :budget].mean(axis=-1))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f"{path.stem}.part.npz")
        np.savez_compressed(
            whole, strategies=self.strategies, tasks=self.tasks, spaces=self.spaces, regrets=self.regrets
        )
        whole.replace(path)


def load_curves(path: Path) -> Curves:
    """Raises FileNotFoundError."""
    with np.load(path) as kept:
        names = (tuple(map(str, kept[key])) for key in ("strategies", "tasks", "spaces"))
        return Curves(*names, kept["regrets"])


@dataclass(frozen=True)
class Headroom:
    """Areas for each task: of the strategy best on the mean of the other tasks (``sbs``), and of the one best on the
    task (``vbs``). ``share``: what of the mean of SBS choosing for each task would save, (SBS - VBS) / SBS, with the
    95 % interval of its bootstrap over tasks.

    In ``vbs`` the strategy is chosen on the seeds it is measured on, and is in part lucky. ``honest_vbs`` is measured
    on one seed and chosen on the others, for each seed in turn; ``honest_share`` goes by it.
    """

    sbs: Numbers
    vbs: Numbers
    honest_vbs: Numbers
    share: Interval
    honest_share: Interval


@dataclass(frozen=True)
class Interval:
    value: float
    lower: float
    upper: float

    def __format__(self, specification: str) -> str:
        value, lower, upper = (format(each, specification) for each in (self.value, self.lower, self.upper))
        return f"{value} [{lower}, {upper}]"


def headroom(areas: Numbers, groups: Sequence[str] | None = None) -> Headroom:
    """Of areas (strategies, tasks, seeds). With ``groups`` SBS leaves out all tasks of the task's own group."""
    means = areas.mean(axis=2)
    sbs = means[single_best(means, groups), np.arange(means.shape[1])]
    vbs = means.min(axis=0)
    honest = _chosen_on_other_seeds(areas)
    return Headroom(sbs, vbs, honest, _share(sbs, vbs), _share(sbs, honest))


def single_best(means: Numbers, groups: Sequence[str] | None = None) -> NDArray[np.intp]:
    """For each task the strategy with the lowest mean area on the others: (tasks,) of indices.

    ``means``: (strategies, tasks). With ``groups`` the others are the tasks of other groups: a whole space is left out.
    """
    names = np.arange(means.shape[1]) if groups is None else np.asarray(groups)
    return np.array([means[:, names != name].mean(axis=1).argmin() for name in names], dtype=np.intp)


def _chosen_on_other_seeds(areas: Numbers) -> Numbers:
    seeds = areas.shape[2]
    if seeds == 1:
        return np.asarray(areas[:, :, 0].min(axis=0))
    measured = []
    for seed in range(seeds):
        chosen = np.delete(areas, seed, axis=2).mean(axis=2).argmin(axis=0)
        measured.append(areas[chosen, np.arange(areas.shape[1]), seed])
    return np.asarray(np.mean(measured, axis=0))


def _share(sbs: Numbers, vbs: Numbers) -> Interval:
    draw = np.random.default_rng(0).integers(len(sbs), size=(_RESAMPLES, len(sbs)))
    shares = 1.0 - vbs[draw].sum(axis=1) / sbs[draw].sum(axis=1)
    lower, upper = np.quantile(shares, [0.025, 0.975])
    return Interval(float(1.0 - vbs.sum() / sbs.sum()), float(lower), float(upper))
