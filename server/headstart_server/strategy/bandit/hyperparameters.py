"""Thompson sampling over the settings of an arm, by the rewards of past settings on this task and, less, on others.

The reward of settings is estimated by kernel regression over the ranges (Nadaraya and Watson), shrunk to the arm's
mean where few settings were tried nearby. Of some candidate settings, the one with the highest draw from its normal
belief is chosen. So settings spread where little is known and concentrate where rewards are high.
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

# Candidate settings of one choice: drawn from the ranges, and the best past ones with their mutations.
_DRAWN, _NEAR_BEST = 8, 16
# Width of the kernel on ranges scaled to 0..1, and the weight of a result of another task.
_WIDTH, _OTHER_TASK = 0.2, 0.25
# Pulls that the arm's mean counts as, everywhere.
_SHRINKAGE = 1.0
_LEAST_SPREAD = 0.05


class SettingsChooser:
    """Chooses settings of one arm, any number of times, from the declared ranges and the tried settings.

    Tried settings that do not fit the ranges are ignored.
    """

    def __init__(self, parameters: Sequence[Parameter], tried: Sequence[TriedSettings]) -> None:
        self._parameters = parameters
        self._space = SearchSpace("settings", tuple(parameters))
        self._known = known = [
            each for each in tried if not any(candidate_violations(self._space, Candidate(dict(each.settings))))
        ]
        self._best = _best(known)[: _NEAR_BEST // 2]
        self._columns = [_column(parameter, [each.settings for each in known]) for parameter in parameters]
        self._rewards = np.array([each.reward for each in known])
        self._weights = np.array([_weight(each) for each in known])

    def choose(self, seed: int) -> tuple[dict[str, Value], str]:
        """Chosen settings, and the reason."""
        generator = random.Random(seed)
        known = self._known
        if not known:
            return dict(sample(self._space, generator).values), "settings drawn from the ranges"
        drawn = [sample(self._space, generator) for _ in range(_DRAWN)]
        for each in self._best:
            parent = Candidate(dict(each.settings))
            drawn += [parent, mutate(self._space, parent, generator)]
        mean, spread = _beliefs(self._squares([each.values for each in drawn]), self._rewards, self._weights)
        index = int(np.argmax(np.random.default_rng(seed).normal(mean, spread)))
        reason = f"settings by {sum(each.pulls for each in known)} results of {len(known)} others"
        return dict(drawn[index].values), f"{reason}, expected {min(max(mean[index], 0.0), 1.0):.2f}"

    def _squares(self, settings: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
        """Squared distances [m, n] to the tried settings.

        Ranges are scaled to 0..1. Two different unordered choices are as far apart as the ends of a range; a choice
        and an absent parameter half as far.
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
    """A parameter as a column [m]: the index of an unordered choice, -1 if absent, or the position in the range from
    0 to 1, 0 if absent.
    """
    domain, name = parameter.domain, parameter.name
    if isinstance(domain, Categorical) and domain.ordered_choices is None:
        indices = domain.places
        return np.array([indices[value_key(each[name])] if name in each else -1 for each in settings], np.float64)
    return np.array([unit_position(domain, each[name]) if name in each else 0.0 for each in settings], np.float64)


def _best(known: Sequence[TriedSettings]) -> list[TriedSettings]:
    """Tried settings by mean reward, shrunk to the overall mean where results are few, so that one lucky result does
    not lead.
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
    """Mean and standard deviation of the reward of settings [m], from squared distances [m, n] to tried ones."""
    near = np.exp(-squares / (2 * _WIDTH**2)) * weights
    overall = float(np.average(rewards, weights=weights))
    deviation = max(math.sqrt(float(np.average((rewards - overall) ** 2, weights=weights))), _LEAST_SPREAD)
    evidence = near.sum(axis=1) + _SHRINKAGE
    return (near @ rewards + _SHRINKAGE * overall) / evidence, deviation / np.sqrt(evidence)
