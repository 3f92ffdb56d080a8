"""Prior over arms: forecasts their relative losses on a new task before it has results, learned from past tasks.

Losses are on a scale that is comparable within a task; where it is comparable across tasks too, the size of a
difference counts. A forecast is relative: each arm's loss minus the mean over the known arms. Rows are tasks, or
tasks in phases of a search: then phase and budget are features like others, and rows of one task stay together in all
bootstraps and comparisons.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.tree_ensemble import TreeEnsemble
from headstart_server.runtime import archives
from headstart_server.strategy.prior.members import TREES, grow_members
from headstart_server.strategy.prior.scales import RankTransform
from headstart_server.strategy.prior.stacking import guarded, relative, stack

Numbers = NDArray[np.float64]

# Fewer tasks give no prior, and an arm that ran on fewer tasks is unknown.
FEWEST_TASKS = 8
FEWEST_TASKS_OF_ARM = 4

# Standard errors that are added to the losses of an arm where one is chosen, since an arm that ran little and did
# well is more often lucky than good. (Pessimism: Rashidinejad et al., "Bridging offline reinforcement learning and
# imitation learning", NeurIPS 2021, section 3.)
_PESSIMISM = 1.64

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Forecast:
    """The forecast for one row: ``relative_loss`` [available arms] in units of loss, lower is better.

    ``chosen`` is the single best arm of the past, unless the predicted ``gain`` of the arm of lowest loss over it
    exceeds its noise. ``chosen`` and ``single_best`` are indices into the available arms.
    """

    relative_loss: Numbers
    single_best: int
    chosen: int
    gain: float


@dataclass(frozen=True, eq=False)
class Prior:
    """A fitted prior.

    ``columns`` name the features; ``shares`` [members]. The values of ``trees``, member after member, are relative
    losses [nodes, arms]. ``errors`` [arms]: root mean squared error of a relative loss on unseen tasks;
    ``mean_losses`` [arms] of the past; ``penalty`` [arms]: the pessimism penalty, added to losses where an arm is
    chosen; ``figures``: mean losses of choices on unseen tasks.
    """

    columns: tuple[str, ...]
    arms: tuple[str, ...]
    rank_transform: RankTransform
    trees: TreeEnsemble
    shares: Numbers
    multiple: float
    errors: Numbers
    mean_losses: Numbers
    penalty: Numbers
    task_count: int
    figures: dict[str, float] = field(default_factory=dict)

    def forecast(self, features: Numbers, available: Sequence[int] | None = None) -> list[Forecast]:
        """Forecasts for features [rows, columns], NaN where missing, among the arms with ``available`` indices."""
        offered = np.arange(len(self.arms)) if available is None else np.asarray(available)
        leaves = self.trees.leaves(np.ascontiguousarray(self.rank_transform(features)))
        predictions = self.trees.values[leaves].reshape(len(features), len(self.shares), -1, len(self.arms))
        members = predictions.mean(axis=2, dtype=np.float64).transpose(1, 0, 2)[:, :, offered]
        single_best = int((self.mean_losses + self.penalty)[offered].argmin())
        chosen, gain = guarded(members + self.penalty[offered], self.shares, single_best, self.multiple)
        mixed = np.tensordot(self.shares, members, axes=1)
        return [Forecast(mixed[row], single_best, int(chosen[row]), float(gain[row])) for row in range(len(features))]

    def to_bytes(self) -> bytes:
        """Encode as a numpy archive of plain arrays, without pickle."""
        arrays: dict[str, NDArray[Any]] = {
            "format": np.array(_FORMAT),
            "columns": np.array(self.columns, dtype=np.str_),
            "arms": np.array(self.arms, dtype=np.str_),
            "shares": self.shares,
            "errors": self.errors,
            "mean_losses": self.mean_losses,
            "caution": self.penalty,
            "numbers": np.array([self.multiple, self.task_count]),
            "figure_names": np.array(list(self.figures), dtype=np.str_),
            "figures": np.array(list(self.figures.values()), dtype=np.float64),
            **{f"trees.{name}": array for name, array in self.trees.to_arrays().items()},
            **{f"scales.{name}": array for name, array in self.rank_transform.to_arrays().items()},
        }
        written = io.BytesIO()
        np.savez_compressed(written, allow_pickle=False, **arrays)
        return written.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Prior:
        """Decode ``to_bytes``. Raises ValueError for another format, and numpy's errors if it is no archive."""
        with archives.opened(content) as arrays:
            if int(arrays["format"]) != _FORMAT:
                raise ValueError(f"prior of format {int(arrays['format'])}, this version reads {_FORMAT}")
            parts: dict[str, dict[str, NDArray[Any]]] = {"trees": {}, "scales": {}}
            for name in arrays.files:
                part, _, rest = name.partition(".")
                if rest:
                    parts[part][rest] = arrays[name]
            multiple, task_count = arrays["numbers"].tolist()
            return cls(
                columns=tuple(arrays["columns"].tolist()),
                arms=tuple(arrays["arms"].tolist()),
                rank_transform=RankTransform.from_arrays(parts["scales"]),
                trees=TreeEnsemble.from_arrays(parts["trees"]),
                shares=arrays["shares"],
                multiple=multiple,
                errors=arrays["errors"],
                mean_losses=arrays["mean_losses"],
                # Earlier priors have no penalty.
                penalty=arrays["caution"] if "caution" in arrays else np.zeros(len(arrays["arms"])),
                task_count=int(task_count),
                figures=dict(zip(arrays["figure_names"].tolist(), arrays["figures"].tolist(), strict=True)),
            )


def fit_prior(
    columns: Sequence[str],
    arms: Sequence[str],
    features: Numbers,
    losses: Numbers,
    tasks: Sequence[int] | None = None,
    seed: int = 0,
    trees: int = TREES,
    residual_variance: float = 0.0,
    conservative: bool = False,
    arm_errors: Numbers | None = None,
) -> Prior | None:
    """Fit a prior to features [rows, columns] and losses [rows, arms], NaN where missing; deterministic for a seed.

    ``tasks`` [rows]: equal numbers mark rows of one task; by default every row is a task. ``residual_variance`` of
    the errors in losses; ``conservative`` sets the guard (``stacking``); ``arm_errors`` [arms]: standard errors of
    mean losses. None if the past does not suffice: fewer than ``FEWEST_TASKS`` tasks with two arms or more, fewer
    than two arms, or no differences between them.
    """
    groups = np.arange(len(losses)) if tasks is None else np.asarray(tasks)
    measured = ~np.isnan(losses)
    tried = np.array([len(np.unique(groups[measured[:, arm]])) for arm in range(len(arms))])
    known_arms = np.flatnonzero(tried >= FEWEST_TASKS_OF_ARM)
    usable_rows = np.flatnonzero(measured[:, known_arms].sum(axis=1) > 1)
    _, numbered = np.unique(groups[usable_rows], return_inverse=True)
    if len(known_arms) < 2 or not len(usable_rows) or numbered.max() + 1 < FEWEST_TASKS:
        return None
    features, losses = features[usable_rows], _completed(losses[np.ix_(usable_rows, known_arms)])
    truth = relative(losses)
    if not np.abs(truth).max() > 0:
        return None
    rank_transform = RankTransform.fit(features)
    members = list(grow_members(rank_transform(features), losses, numbered, seed, trees))
    penalty = np.zeros(len(known_arms)) if arm_errors is None else _PESSIMISM * arm_errors[known_arms]
    stacked = stack([member.out_of_bag for member in members], losses, numbered, penalty, conservative)
    counted = np.flatnonzero(stacked.shares > 1e-3)
    joined = TreeEnsemble.joined([tree for index in counted for tree in members[index].trees], len(known_arms))
    node_counts = [sum(tree.node_count for tree in members[index].trees) for index in counted]
    units = np.repeat(stacked.scales[counted], node_counts)[:, None]
    joined = replace(joined, values=(relative(joined.values.astype(np.float64)) * units).astype(np.float32))
    shares = stacked.shares[counted] / stacked.shares[counted].sum()
    mean_losses = losses.mean(axis=0)
    single_best = int((mean_losses + penalty).argmin())
    predictions = np.stack([relative(members[index].out_of_bag) * stacked.scales[index] for index in counted])
    chosen, _ = guarded(predictions + penalty, shares, single_best, stacked.multiple)
    figures = {
        "single_best": float(losses[:, single_best].mean()),
        "chosen": float(losses[np.arange(len(losses)), chosen].mean()),
        "best": float(losses.min(axis=1).mean()),
    }
    return Prior(
        tuple(columns),
        tuple(arms[int(index)] for index in known_arms),
        rank_transform,
        joined,
        shares,
        stacked.multiple,
        np.sqrt(stacked.errors**2 + residual_variance),
        mean_losses,
        penalty,
        int(numbered.max()) + 1,
        figures,
    )


def _completed(losses: Numbers) -> Numbers:
    """Fill missing losses: an arm that never ran on a row is as far from the others there as on average."""
    of_arms = np.nanmean(losses, axis=0)
    of_rows = np.nanmean(losses - of_arms, axis=1)
    completed: Numbers = np.where(np.isnan(losses), of_arms + of_rows[:, None], losses)
    return completed
