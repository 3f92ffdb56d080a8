"""The figures of the prediction benchmark: rank agreement, spread over seeds, and the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.stats import kendalltau

from benchmarks.report import Spread, bootstrap
from headstart.spaces import Candidate, Categorical, SearchSpace

HEADSTART = "headstart"
HEADSTART_NEW = "headstart, no equivalent recorded"

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Ranking:
    """``pairs``: share of pairs ranked right, (1 + tau) / 2. ``precision``: of the predicted best 1 %."""

    tau: float
    pairs: float
    precision: float


@dataclass(frozen=True)
class RankingSpread:
    tau: Spread
    pairs: Spread
    precision: Spread


class Measured(Protocol):
    @property
    def coverage(self) -> float: ...
    @property
    def coverage_new(self) -> float: ...
    @property
    def share_new(self) -> float: ...
    @property
    def candidates_per_second(self) -> float: ...
    @property
    def training_seconds(self) -> float: ...


@dataclass(frozen=True)
class Spreads:
    rankings: Mapping[str, RankingSpread]
    coverage: Spread
    coverage_new: Spread
    share_new: Spread
    candidates_per_second: Spread
    training_seconds: Spread

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)


def rank(truth: Vector, predicted: Vector) -> Ranking:
    """How well predictions rank the truth. Predictions that are all equal rank nothing: tau 0."""
    tau = float(np.nan_to_num(kendalltau(truth, predicted).statistic))
    best = max(1, len(truth) // 100)
    chosen, right = np.argsort(-predicted, kind="stable")[:best], np.argsort(-truth, kind="stable")[:best]
    return Ranking(tau, (1 + tau) / 2, len(np.intersect1d(chosen, right)) / best)


def spreads(rankings: Sequence[Mapping[str, Ranking]], measured: Sequence[Measured]) -> Spreads:
    """Means and bootstrap intervals over seeds."""
    return Spreads(
        {
            name: RankingSpread(
                bootstrap([ranking[name].tau for ranking in rankings]),
                bootstrap([ranking[name].pairs for ranking in rankings]),
                bootstrap([ranking[name].precision for ranking in rankings]),
            )
            for name in rankings[0]
        },
        bootstrap([one.coverage for one in measured]),
        bootstrap([one.coverage_new for one in measured]),
        bootstrap([one.share_new for one in measured]),
        bootstrap([one.candidates_per_second for one in measured]),
        bootstrap([one.training_seconds for one in measured]),
    )


def one_hot(space: SearchSpace, candidates: Sequence[Candidate]) -> Vector:
    """A column for each choice of each categorical parameter: [candidates, choices]."""
    columns: dict[tuple[str, object], int] = {}
    for parameter in space.parameters:
        assert isinstance(parameter.domain, Categorical)
        for choice in parameter.domain.choices:
            columns[parameter.name, choice] = len(columns)
    features = np.zeros((len(candidates), len(columns)))
    for row, candidate in enumerate(candidates):
        features[row, [columns[name, value] for name, value in candidate.values.items()]] = 1.0
    return features


def draw(path: Path, labels: int, figures: Spreads, truth: Vector, predicted: Vector) -> None:
    """Predicted against true values of one seed, and tau of every method with its interval."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), width_ratios=(3, 2), layout="constrained")
    # The few networks that do not learn at all would squeeze the rest into a corner.
    low = float(np.quantile(truth, 0.05))
    cells = left.hexbin(
        truth, predicted, gridsize=60, bins="log", cmap="viridis", mincnt=1, extent=(low, truth.max()) * 2
    )
    left.plot([low, truth.max()], [low, truth.max()], color="black", linewidth=0.8, linestyle="--")
    left.set(
        xlim=(low, truth.max()),
        ylim=(low, truth.max()),
        xlabel="measured accuracy (%)",
        ylabel="predicted accuracy (%)",
        title=f"{len(truth):,} architectures, none recorded",
    )
    figure.colorbar(cells, ax=left, label="architectures")
    names = list(figures.rankings)[::-1]
    taus = [figures.rankings[name].tau for name in names]
    errors = [[tau.mean - tau.lower for tau in taus], [tau.upper - tau.mean for tau in taus]]
    colours = ["tab:blue" if name.startswith(HEADSTART) else "lightgray" for name in names]
    right.barh(
        [name.replace(", ", ",\n") for name in names], [tau.mean for tau in taus], xerr=errors, color=colours, capsize=3
    )
    for row, tau in enumerate(taus):
        right.text(0.02, row, f"{tau.mean:.3f}", va="center")
    right.set(xlim=(0, 1), xlabel="Kendall tau", title=f"from {labels} recorded results")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
