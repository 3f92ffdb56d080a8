"""What past tasks tell of the arms before any result of a new one, learned from recorded losses.

Losses are on a scale that is comparable within a task; where it is comparable across tasks too, the size of a
difference counts. What the prior says is relative: each arm's loss less the mean over the arms that it knows. Rows may
be tasks, or tasks in phases of a search: then the phase and the budget are features like others, and rows of one task
stay together in everything that is learned.
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
from headstart_server.strategy.prior.scales import Scales
from headstart_server.strategy.prior.stacking import guarded, relative, stack

Numbers = NDArray[np.float64]

# With fewer tasks than these nothing is learned, and an arm that fewer ran is unknown.
FEWEST_TASKS = 8
FEWEST_TASKS_OF_ARM = 4

# Where an arm is chosen, so many standard errors are added to its losses: what has run little and done well is more
# often lucky than good, and what has run most is known to do. (Pessimism: Rashidinejad et al., "Bridging offline
# reinforcement learning and imitation learning", NeurIPS 2021, section 3.)
_PESSIMISM = 1.64

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Forecast:
    """Of one row: ``relative_loss`` [arms], in units of loss; lower is better.

    ``chosen`` is the single best arm of the past unless ``gain``, which the arm of lowest predicted loss promises over
    it, exceeds its noise. Both are places in the arms that were asked about.
    """

    relative_loss: Numbers
    single_best: int
    chosen: int
    gain: float


@dataclass(frozen=True, eq=False)
class Prior:
    """``columns`` name the features; ``shares`` [members]; the values of ``trees``, member after member, are relative
    losses [nodes, arms]; ``errors`` [arms]: root of the mean squared error of a relative loss on unseen tasks;
    ``mean_losses`` [arms] of the past, and the ``caution`` [arms] that is added to losses where one is chosen;
    ``figures``: mean losses of choices on unseen tasks."""

    columns: tuple[str, ...]
    arms: tuple[str, ...]
    scales: Scales
    trees: TreeEnsemble
    shares: Numbers
    multiple: float
    errors: Numbers
    mean_losses: Numbers
    caution: Numbers
    task_count: int
    figures: dict[str, float] = field(default_factory=dict)

    def forecast(self, features: Numbers, among: Sequence[int] | None = None) -> list[Forecast]:
        """For features [rows, columns], NaN where missing, and those arms (places in ``arms``) that can be taken."""
        asked = np.arange(len(self.arms)) if among is None else np.asarray(among)
        leaves = self.trees.leaves(np.ascontiguousarray(self.scales.place(features)))
        said = self.trees.values[leaves].reshape(len(features), len(self.shares), -1, len(self.arms))
        each = said.mean(axis=2, dtype=np.float64).transpose(1, 0, 2)[:, :, asked]
        single_best = int((self.mean_losses + self.caution)[asked].argmin())
        chosen, gain = guarded(each + self.caution[asked], self.shares, single_best, self.multiple)
        mixed = np.tensordot(self.shares, each, axes=1)
        return [Forecast(mixed[row], single_best, int(chosen[row]), float(gain[row])) for row in range(len(features))]

    def to_bytes(self) -> bytes:
        """Plain arrays, no pickle."""
        arrays: dict[str, NDArray[Any]] = {
            "format": np.array(_FORMAT),
            "columns": np.array(self.columns, dtype=np.str_),
            "arms": np.array(self.arms, dtype=np.str_),
            "shares": self.shares,
            "errors": self.errors,
            "mean_losses": self.mean_losses,
            "caution": self.caution,
            "numbers": np.array([self.multiple, self.task_count]),
            "figure_names": np.array(list(self.figures), dtype=np.str_),
            "figures": np.array(list(self.figures.values()), dtype=np.float64),
            **{f"trees.{name}": array for name, array in self.trees.to_arrays().items()},
            **{f"scales.{name}": array for name, array in self.scales.to_arrays().items()},
        }
        written = io.BytesIO()
        np.savez_compressed(written, allow_pickle=False, **arrays)
        return written.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Prior:
        """The reverse of ``to_bytes``. Raises ValueError for another format, and what numpy raises for no archive."""
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
                scales=Scales.from_arrays(parts["scales"]),
                trees=TreeEnsemble.from_arrays(parts["trees"]),
                shares=arrays["shares"],
                multiple=multiple,
                errors=arrays["errors"],
                mean_losses=arrays["mean_losses"],
                # Earlier priors were learned without.
                caution=arrays["caution"] if "caution" in arrays else np.zeros(len(arrays["arms"])),
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
    doubt: float = 0.0,
    careful: bool = False,
    arm_errors: Numbers | None = None,
) -> Prior | None:
    """Learn from features [rows, columns] and losses [rows, arms], both NaN where missing; equal for equal seeds.

    ``tasks`` says which rows are of one task, by default none; ``doubt`` is the variance of what losses are wrong by;
    ``careful`` makes the guard so (``prior_stacking``); ``arm_errors`` [arms] are standard errors of mean losses.
    None where the past does not suffice: fewer than ``FEWEST_TASKS`` tasks with two arms or more, fewer than two arms,
    or no differences between them.
    """
    groups = np.arange(len(losses)) if tasks is None else np.asarray(tasks)
    known = ~np.isnan(losses)
    tried = np.array([len(np.unique(groups[known[:, arm]])) for arm in range(len(arms))])
    kept_arms = np.flatnonzero(tried >= FEWEST_TASKS_OF_ARM)
    kept_rows = np.flatnonzero(known[:, kept_arms].sum(axis=1) > 1)
    _, numbered = np.unique(groups[kept_rows], return_inverse=True)
    if len(kept_arms) < 2 or not len(kept_rows) or numbered.max() + 1 < FEWEST_TASKS:
        return None
    features, losses = features[kept_rows], _completed(losses[np.ix_(kept_rows, kept_arms)])
    truth = relative(losses)
    if not np.abs(truth).max() > 0:
        return None
    scales = Scales.of(features)
    members = list(grow_members(scales.place(features), losses, numbered, seed, trees))
    caution = np.zeros(len(kept_arms)) if arm_errors is None else _PESSIMISM * arm_errors[kept_arms]
    stacked = stack([member.outside for member in members], losses, numbered, caution, careful)
    counted = np.flatnonzero(stacked.shares > 1e-3)
    joined = TreeEnsemble.joined([tree for place in counted for tree in members[place].trees], len(kept_arms))
    node_counts = [sum(tree.node_count for tree in members[place].trees) for place in counted]
    units = np.repeat(stacked.scales[counted], node_counts)[:, None]
    joined = replace(joined, values=(relative(joined.values.astype(np.float64)) * units).astype(np.float32))
    shares = stacked.shares[counted] / stacked.shares[counted].sum()
    mean_losses = losses.mean(axis=0)
    single_best = int((mean_losses + caution).argmin())
    each = np.stack([relative(members[place].outside) * stacked.scales[place] for place in counted])
    chosen, _ = guarded(each + caution, shares, single_best, stacked.multiple)
    figures = {
        "single_best": float(losses[:, single_best].mean()),
        "chosen": float(losses[np.arange(len(losses)), chosen].mean()),
        "best": float(losses.min(axis=1).mean()),
    }
    return Prior(
        tuple(columns),
        tuple(arms[int(place)] for place in kept_arms),
        scales,
        joined,
        shares,
        stacked.multiple,
        np.sqrt(stacked.errors**2 + doubt),
        mean_losses,
        caution,
        int(numbered.max()) + 1,
        figures,
    )


def _completed(losses: Numbers) -> Numbers:
    """An arm that never ran on a row is as far from the others there as on average."""
    of_arms = np.nanmean(losses, axis=0)
    of_rows = np.nanmean(losses - of_arms, axis=1)
    completed: Numbers = np.where(np.isnan(losses), of_arms + of_rows[:, None], losses)
    return completed
