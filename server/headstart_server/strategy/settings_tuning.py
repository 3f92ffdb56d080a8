"""Chooses the settings of a strategy from what past settings earned: on this task, and less so on others.

What settings earn is smoothed by a kernel over the ranges (Nadaraya and Watson), shrunk to the arm's mean where little
was tried nearby, and one of some drawn settings is taken by Thompson sampling: the best of one draw from each one's
normal belief. So settings spread where little is known, and gather where it pays.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace, Value, candidate_violations, mutate, sample
from headstart.spaces.sampling import unit_position

# Settings compared in one choice: drawn over the ranges, and changes of the ones that earned most.
_DRAWN, _CHANGED = 8, 16
# Width of the kernel on ranges scaled to 0..1, and what a result of another task weighs.
_WIDTH, _OTHER_TASK = 0.2, 0.25
# Pulls that the arm's mean counts as at each place.
_SHRINKAGE = 1.0
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class TriedSettings:
    """``reward``: the mean over ``pulls`` results, 0 to 1."""

    settings: Mapping[str, Value]
    reward: float
    pulls: int
    this_task: bool


def choose_settings(
    parameters: Sequence[Parameter], tried: Sequence[TriedSettings], seed: int
) -> tuple[dict[str, Value], str]:
    """Settings from the declared ranges, and why; what does not fit the ranges teaches nothing."""
    space = SearchSpace("settings", tuple(parameters))
    generator = random.Random(seed)
    known = [each for each in tried if not any(candidate_violations(space, Candidate(dict(each.settings))))]
    if not known:
        return dict(sample(space, generator).values), "settings drawn from the ranges"
    # A single lucky result is not yet a good setting.
    best = sorted(known, key=lambda each: _shrunk(each, known), reverse=True)[: _CHANGED // 2]
    drawn = [sample(space, generator) for _ in range(_DRAWN)]
    for each in best:
        parent = Candidate(dict(each.settings))
        drawn += [parent, mutate(space, parent, generator)]
    mean, spread = _beliefs(
        np.array([_scaled(parameters, candidate.values) for candidate in drawn]),
        np.array([_scaled(parameters, each.settings) for each in known]),
        np.array([each.reward for each in known]),
        np.array([each.pulls * (1.0 if each.this_task else _OTHER_TASK) for each in known]),
    )
    told = np.random.default_rng(seed).normal(mean, spread)
    index = int(np.argmax(told))
    reason = f"settings by {sum(each.pulls for each in known)} results of {len(known)} others"
    return dict(drawn[index].values), f"{reason}, expected {min(max(mean[index], 0.0), 1.0):.2f}"


def _shrunk(each: TriedSettings, known: Sequence[TriedSettings]) -> float:
    """Its mean reward, drawn towards that of all where it has few results; of another task it counts less."""
    overall = sum(other.reward * other.pulls for other in known) / sum(other.pulls for other in known)
    weight = each.pulls * (1.0 if each.this_task else _OTHER_TASK)
    return (each.reward * weight + _SHRINKAGE * overall) / (weight + _SHRINKAGE)


def _beliefs(
    places: NDArray[np.float64],
    known: NDArray[np.float64],
    rewards: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of what settings at ``places`` [m, d] earn, given those ``known`` [n, d]."""
    squares = ((places[:, None, :] - known[None, :, :]) ** 2).sum(axis=2)
    near = np.exp(-squares / (2 * _WIDTH**2)) * weights
    overall = float(np.average(rewards, weights=weights))
    deviation = max(math.sqrt(float(np.average((rewards - overall) ** 2, weights=weights))), _LEAST_SPREAD)
    evidence = near.sum(axis=1) + _SHRINKAGE
    return (near @ rewards + _SHRINKAGE * overall) / evidence, deviation / np.sqrt(evidence)


def _scaled(parameters: Sequence[Parameter], settings: Mapping[str, Value]) -> list[float]:
    """Settings as numbers: a range or ordered choices run from 0 to 1, other choices have a column each; absent ones
    are 0.
    """
    row: list[float] = []
    for parameter in parameters:
        domain, value = parameter.domain, settings.get(parameter.name)
        if isinstance(domain, Categorical) and domain.ordered_choices is None:
            # Two different choices are as far apart as the ends of a range.
            row += [math.sqrt(0.5) * (value == choice) for choice in domain.choices]
        else:
            row.append(0.0 if value is None else unit_position(domain, value))
    return row
