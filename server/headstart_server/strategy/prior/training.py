"""Training of the prior of a namespace on the recorded losses of its arms.

A prior always serves: its guard falls back to the single best arm, and its weight falls as results come in.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from headstart_server.strategy.model_versions import ModelKind, TrainedModel
from headstart_server.strategy.prior.data import RecordedArms
from headstart_server.strategy.prior.features import arm_name, columns_of, feature_row
from headstart_server.strategy.prior.prior import fit_prior


def train_prior(recorded: RecordedArms, trained_through: int, seed: int = 0) -> TrainedModel | None:
    """Train a prior; None if too little is recorded (``prior.fit_prior``). Deterministic for a seed."""
    begin = time.monotonic()
    columns = columns_of(recorded.tasks, recorded.of_search)
    rows: Sequence[np.ndarray] = [
        feature_row(columns, recorded.tasks[task], phase, budget)
        for task, phase, budget in zip(recorded.task_of_row, recorded.phases, recorded.budgets, strict=True)
    ]
    prior = fit_prior(
        columns,
        [arm_name(arm) for arm in recorded.arms],
        np.stack(rows),
        recorded.losses,
        recorded.task_of_row.tolist(),
        seed,
        residual_variance=recorded.residual_variance,
        arm_errors=recorded.errors,
        conservative=recorded.of_search,
    )
    if prior is None:
        return None
    figures = {
        **prior.figures,
        "arms": float(len(prior.arms)),
        "tasks": float(prior.task_count),
        "of_search": float(recorded.of_search),
    }
    return TrainedModel(
        ModelKind.PRIOR, figures, prior.to_bytes(), prior.task_count, trained_through, time.monotonic() - begin
    )
