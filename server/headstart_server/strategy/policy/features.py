"""What the learned policy sees of an arm at a decision: the search, the task, which arm it is, what is believed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task
from headstart_server.strategy.arm_statistics import ArmKey
from headstart_server.strategy.bandit.thompson_sampling import Belief
from headstart_server.strategy.policy.trajectories import Trajectory
from headstart_server.strategy.search_state import SearchState

# Arms, words of descriptors and meta-features that a policy tells apart: those that occur in most tasks.
_MOST_ARMS, _MOST_WORDS, _MOST_NUMBERS = 64, 24, 24
_OF_BELIEF = 4

Features = NDArray[np.float32]


@dataclass(frozen=True)
class PolicyLayout:
    """Which columns there are: ``arms`` known by name, ``words`` (name=word) and ``numbers`` of task descriptions."""

    arms: tuple[ArmKey, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, trajectories: Sequence[Trajectory]) -> PolicyLayout:
        """The commonest of what occurs, ties by a hash of the name so that no alphabet decides."""
        arms: dict[ArmKey, int] = {}
        words: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for trajectory in trajectories:
            for key in {arm.key for step in trajectory.steps for arm in step.arms}:
                arms[key] = arms.get(key, 0) + 1
            for word in _words(trajectory.task):
                words[word] = words.get(word, 0) + 1
            for name in trajectory.task.meta_features:
                numbers[name] = numbers.get(name, 0) + 1
        # A word that all tasks have, or only one, tells nothing apart.
        telling = {word: count for word, count in words.items() if 1 < count < len(trajectories)}
        return cls(
            tuple(sorted(arms, key=lambda key: (-arms[key], key))[:_MOST_ARMS]),
            _commonest(telling, _MOST_WORDS),
            _commonest(numbers, _MOST_NUMBERS),
        )

    def rows(self, task: Task, state: SearchState, arms: Sequence[Belief]) -> Features:
        """float32 [arms, columns]; arms that are not known by name are told by what is believed of them."""
        words = _words(task)
        shared = [
            state.phase,
            math.log1p(state.total),
            math.log1p(state.observations),
            math.log1p(state.stagnation),
            state.stagnation / (state.observations + 1.0),
            *(float(word in words) for word in self.words),
            *(_squashed(task.meta_features, name) for name in self.numbers),
        ]
        found = np.zeros((len(arms), len(shared) + _OF_BELIEF + len(self.arms)), np.float32)
        found[:, : len(shared)] = shared
        places = {key: place for place, key in enumerate(self.arms)}
        for row, arm in zip(found, arms, strict=True):
            row[len(shared) : len(shared) + _OF_BELIEF] = (
                arm.mean,
                math.log(arm.pulls),
                float(arm.pending),
                float(arm.key[1]),
            )
            if arm.key in places:
                row[len(shared) + _OF_BELIEF + places[arm.key]] = 1.0
        return found


def _commonest(counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda name: (-counts[name], hashlib.sha256(name.encode()).digest()))[:most])


def _words(task: Task) -> frozenset[str]:
    return frozenset(f"{name}={word}" for name, word in task.descriptor.items())


def _squashed(numbers: Mapping[str, float], name: str) -> float:
    """Sizes over many orders of magnitude; trees need no more than their order. A missing one is below all others."""
    if name not in numbers:
        return -1e3
    return math.copysign(math.log1p(abs(numbers[name])), numbers[name])
