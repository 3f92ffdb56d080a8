"""Syne Tune: quantile-based transfer (Salinas et al., ICML 2020, its copula Thompson sampling) and zero-shot transfer.

Neither learns from the target. Zero-shot (Wistuba et al., ICDM 2015) wants the same configurations on all tasks, so its
surrogates are used, as its documentation says. Both minimise: they are given minus the scores; failures are left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from syne_tune import config_space
from syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher import (
    QuantileBasedSurrogateSearcher,
)
from syne_tune.optimizer.schedulers.transfer_learning.transfer_learning_task_evaluation import (
    TransferLearningTaskEvaluations,
)
from syne_tune.optimizer.schedulers.transfer_learning.zero_shot import ZeroShotTransfer

from benchmarks.transfer_search.families import Case, Past
from benchmarks.transfer_search.peers.axes import Axes, Axis
from headstart.search import Strategy
from headstart.search.ask_tell import AskTell
from headstart.search.history import Trial
from headstart.spaces import Candidate, Categorical

_METRIC = "loss"
_SEEDS = 2**32
_DRAWN = 10_000


def quantile_transfer(case: Case) -> Strategy:
    def start(axes: Axes, seed: int) -> Callable[[], dict[str, Any] | None]:
        space = _space(axes)
        searcher = _QuantileTransfer(space, _evaluations(case, axes, space), random_seed=seed % _SEEDS)
        return searcher.suggest

    return AskTell(lambda space, seed: _Deaf(Axes(space), start(Axes(space), seed)))


def zero_shot(case: Case) -> Strategy:
    def start(axes: Axes, seed: int) -> Callable[[], dict[str, Any] | None]:
        space = _space(axes)

        class Seeded(_ZeroShot):
            # Of 0.16.0: it draws candidates for its surrogates before it has made its generator.
            random_state = np.random.RandomState(seed % _SEEDS)

        scheduler = Seeded(
            space, _METRIC, _evaluations(case, axes, space), use_surrogates=True, random_seed=seed % _SEEDS
        )
        return scheduler.get_config

    return AskTell(lambda space, seed: _Deaf(Axes(space), start(Axes(space), seed)))


class _DrawnAtOnce:
    """Candidates drawn by columns instead of value by value: the same distributions, a minute less a search."""

    random_state: np.random.RandomState
    config_space: dict[str, Any]
    _rows: Iterator[dict[str, Any]] = iter(())

    def _sample_random_config(self, config_space: dict[str, Any] | None = None) -> dict[str, Any]:
        row = next(self._rows, None)
        if row is None:
            columns = {
                name: domain.sample(size=_DRAWN, random_state=self.random_state)
                for name, domain in (config_space or self.config_space).items()
            }
            self._rows = iter(pd.DataFrame(columns).to_dict("records"))
            row = next(self._rows)
        return row


class _QuantileTransfer(_DrawnAtOnce, QuantileBasedSurrogateSearcher):  # type: ignore[misc]
    pass


class _ZeroShot(_DrawnAtOnce, ZeroShotTransfer):  # type: ignore[misc]
    pass


class _Deaf:
    """Asks, and is told nothing: these methods take no results of the target."""

    def __init__(self, axes: Axes, suggest: Callable[[], dict[str, Any] | None]) -> None:
        self._axes = axes
        self._suggest = suggest

    def ask(self) -> Candidate:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            suggested = self._suggest()
        assert suggested is not None
        return self._axes.candidate({name: float(value) for name, value in suggested.items()})

    def tell(self, trial: Trial) -> None:
        pass


def _space(axes: Axes) -> dict[str, Any]:
    return {axis.name: _domain(axis) for axis in axes.axes}


def _domain(axis: Axis) -> Any:
    domain = axis.parameter.domain
    if axis.choices is not None:
        last = len(axis.choices) - 1
        return config_space.randint(0, last) if axis.ordered else config_space.choice([str(n) for n in range(last + 1)])
    assert not isinstance(domain, Categorical)
    if isinstance(domain.lower, int):
        kind = config_space.lograndint if domain.logarithmic else config_space.randint
    else:
        kind = config_space.loguniform if domain.logarithmic else config_space.uniform
    return kind(domain.lower, domain.upper)


def _evaluations(case: Case, axes: Axes, space: dict[str, Any]) -> dict[str, TransferLearningTaskEvaluations]:
    return {past.task.name: _evaluations_of(past, axes, space) for past in case.past}


def _evaluations_of(past: Past, axes: Axes, space: dict[str, Any]) -> TransferLearningTaskEvaluations:
    known = [(each.candidate, each.score) for each in past.evaluated if each.score is not None]
    rows = [
        {axis.name: value if axis.ordered else str(value) for axis, value in zip(axes.axes, flat.values(), strict=True)}
        for flat in (axes.flat(candidate) for candidate, _ in known)
    ]
    losses = -np.array([score for _, score in known])
    return TransferLearningTaskEvaluations(space, pd.DataFrame(rows), [_METRIC], losses[:, None, None, None])
