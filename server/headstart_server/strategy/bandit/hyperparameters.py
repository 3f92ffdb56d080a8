"""Chooses the settings of a strategy from what past settings earned: on this task, and less so on others.

What settings earn is smoothed by a kernel over the ranges (Nadaraya and Watson), shrunk to the arm's mean where little
was tried nearby, and one of some drawn settings is taken by Thompson sampling: the best of one draw from each one's
normal belief. So settings spread where little is known, and gather where it pays.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace, Value, candidate_violations, mutate, sample
from headstart.spaces.declaration import value_key
from headstart.spaces.sampling import unit_position
from headstart_server.strategy.decisions import TriedSettings

# Settings compared in one choice: drawn over the ranges, and changes of the ones that earned most.
_DRAWN, _CHANGED = 8, 16
# Width of the kernel on ranges scaled to 0..1, and what a result of another task weighs.
_WIDTH, _OTHER_TASK = 0.2, 0.25
# Pulls that the arm's mean counts as at each place.
_SHRINKAGE = 1.0
_LEAST_SPREAD = 0.05


class SettingsChooser:
    """Chooses settings of one arm, any number of times, from the declared ranges and what was tried.

    What does not fit the ranges teaches nothing.
    """

    def __init__(self, parameters: Sequence[Parameter], tried: Sequence[TriedSettings]) -> None:
        self._parameters = parameters
        self._space = SearchSpace("settings", tuple(parameters))
        self._known = known = [
            each for each in tried if not any(candidate_violations(self._space, Candidate(dict(each.settings))))
        ]
        self._best = _best(known)[: _CHANGED // 2]
        self._columns = [_column(parameter, [each.settings for each in known]) for parameter in parameters]
        self._rewards = np.array([each.reward for each in known])
        self._weights = np.array([_weight(each) for each in known])

    def choose(self, seed: int) -> tuple[dict[str, Value], str]:
        """Settings, and why."""
        generator = random.Random(seed)
        known = self._known
        if not known:
            return dict(sample(self._space, generator).values), "settings drawn from the ranges"
        drawn = [sample(self._space, generator) for _ in range(_DRAWN)]
        for each in self._best:
            parent = Candidate(dict(each.settings))
            drawn += [parent, mutate(self._space, parent, generator)]
        mean, spread = _beliefs(self._squares([each.values for each in drawn]), self._rewards, self._weights)
        told = np.random.default_rng(seed).normal(mean, spread)
        index = int(np.argmax(told))
        reason = f"settings by {sum(each.pulls for each in known)} results of {len(known)} others"
        return dict(drawn[index].values), f"{reason}, expected {min(max(mean[index], 0.0), 1.0):.2f}"

    def _squares(self, settings: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
        """Squared distances [m, n] from the known ones: ranges run from 0 to 1; two different choices without order
        are as far apart as the ends of a range, and half as far from none.
        """
        squares = np.zeros((len(settings), len(self._known)))
        for parameter, known in zip(self._parameters, self._columns, strict=True):
            own = _column(parameter, settings)[:, None]
            if _unordered(parameter):
                squares += (own != known) * (0.5 * (own >= 0) + 0.5 * (known >= 0))
            else:
                squares += np.square(own - known)
        return squares


def _unordered(parameter: Parameter) -> bool:
    return isinstance(parameter.domain, Categorical) and parameter.domain.ordered_choices is None


def _column(parameter: Parameter, settings: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
    """The value of a parameter in each of the settings: the place of a choice without order, -1 where it is absent, or
    the position in the range, 0 where it is absent.
    """
    domain, name = parameter.domain, parameter.name
    if isinstance(domain, Categorical) and domain.ordered_choices is None:
        places = domain.places
        return np.array([places[value_key(each[name])] if name in each else -1 for each in settings], np.float64)
    return np.array([unit_position(domain, each[name]) if name in each else 0.0 for each in settings], np.float64)


def _best(known: Sequence[TriedSettings]) -> list[TriedSettings]:
    """By mean reward, drawn towards that of all where there are few results: a single lucky one is not yet a good
    setting.
    """
    if not known:
        return []
    overall = sum(each.reward * each.pulls for each in known) / sum(each.pulls for each in known)
    return sorted(known, key=lambda each: _shrunk(each, overall), reverse=True)


def _weight(each: TriedSettings) -> float:
    return each.pulls * (1.0 if each.this_task else _OTHER_TASK)


def _shrunk(each: TriedSettings, overall: float) -> float:
    weight = _weight(each)
    return (each.reward * weight + _SHRINKAGE * overall) / (weight + _SHRINKAGE)


def _beliefs(
    squares: NDArray[np.float64],
    rewards: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of what settings [m] earn, by their squared distances [m, n] from known ones."""
    near = np.exp(-squares / (2 * _WIDTH**2)) * weights
    overall = float(np.average(rewards, weights=weights))
    deviation = max(math.sqrt(float(np.average((rewards - overall) ** 2, weights=weights))), _LEAST_SPREAD)
    evidence = near.sum(axis=1) + _SHRINKAGE
    return (near @ rewards + _SHRINKAGE * overall) / evidence, deviation / np.sqrt(evidence)
