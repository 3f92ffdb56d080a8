"""Scenarios of ASlib (Bischl et al., Artificial Intelligence 2016) as arrays: what ran how well, on which tasks.

They are read from a folder that holds SCENARIO.npz files with the arrays named in ``load``; this repository has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

NAMES = ("CPMP-2015", "MIP-2016", "GRAPHS-2015", "OPENML-WEKA-2017")


@dataclass(frozen=True, eq=False)
class Scenario:
    """``losses`` [tasks, algorithms]: PAR10 in seconds (a run that did not end counts ten times the cutoff), or minus
    the accuracy; ``features`` [tasks, columns], NaN where missing; ``folds`` [tasks]: 1 to 10, the official ones."""

    name: str
    algorithms: tuple[str, ...]
    columns: tuple[str, ...]
    features: Numbers
    losses: Numbers
    folds: NDArray[np.int64]

    def part(self, count: int, seed: int = 0) -> Scenario:
        """So many tasks drawn from all."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.losses))[:count])
        return Scenario(
            self.name, self.algorithms, self.columns, self.features[rows], self.losses[rows], self.folds[rows]
        )


def load(folder: Path, name: str) -> Scenario:
    """Raises FileNotFoundError."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as found:
        performance = found["performance"].astype(np.float64)
        if str(found["performance_type"]) == "runtime":
            losses = np.where(found["runstatus"] == "ok", performance, 10 * float(found["cutoff"]))
        else:
            losses = -performance if bool(found["maximize"]) else performance
        return Scenario(
            name,
            tuple(str(algorithm) for algorithm in found["algorithms"]),
            tuple(str(column) for column in found["feature_names"]),
            found["features"].astype(np.float64),
            losses,
            found["cv_fold"].astype(np.int64),
        )


def single_best(losses: Numbers) -> int:
    """The algorithm of lowest mean loss."""
    return int(losses.mean(axis=0).argmin())


def closed_gap(losses: Numbers, selected: NDArray[np.int64]) -> float:
    """(single best - selected) / (single best - best of each task), of means over all tasks."""
    single = float(losses.mean(axis=0).min())
    best = float(losses.min(axis=1).mean())
    chosen = float(losses[np.arange(len(losses)), selected].mean())
    return (single - chosen) / (single - best)
