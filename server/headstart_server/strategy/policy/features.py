"""Features of the learned policy for an arm at a decision: search state, task, belief and identity of the arm."""

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

# Arms, descriptor words and meta-features with columns of their own: those that occur in most tasks.
_MOST_ARMS, _MOST_WORDS, _MOST_NUMBERS = 64, 24, 24
_OF_BELIEF = 4

Features = NDArray[np.float32]


@dataclass(frozen=True)
class PolicyLayout:
    """The columns: ``arms`` known by name, ``words`` (name=word) and ``numbers`` (meta-features) of tasks."""

    arms: tuple[ArmKey, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, trajectories: Sequence[Trajectory]) -> PolicyLayout:
        """The most frequent names; ties by a hash of the name, so that they are not alphabetical."""
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
        # A word of all tasks, or of one, separates none.
        separating = {word: count for word, count in words.items() if 1 < count < len(trajectories)}
        return cls(
            tuple(sorted(arms, key=lambda key: (-arms[key], key))[:_MOST_ARMS]),
            _most_frequent(separating, _MOST_WORDS),
            _most_frequent(numbers, _MOST_NUMBERS),
        )

    def rows(self, task: Task, state: SearchState, arms: Sequence[Belief]) -> Features:
        """Features float32 [arms, columns]; arms not known by name are described by their belief alone."""
        words = _words(task)
        shared = [
            state.phase,
            math.log1p(state.total),
            math.log1p(state.observations),
            math.log1p(state.stagnation),
            state.stagnation / (state.observations + 1.0),
            *(float(word in words) for word in self.words),
            *(_log_scaled(task.meta_features, name) for name in self.numbers),
        ]
        rows = np.zeros((len(arms), len(shared) + _OF_BELIEF + len(self.arms)), np.float32)
        rows[:, : len(shared)] = shared
        indices = {key: index for index, key in enumerate(self.arms)}
        for row, arm in zip(rows, arms, strict=True):
            row[len(shared) : len(shared) + _OF_BELIEF] = (
                arm.mean,
                math.log(arm.pulls),
                float(arm.pending),
                float(arm.key[1]),
            )
            if arm.key in indices:
                row[len(shared) + _OF_BELIEF + indices[arm.key]] = 1.0
        return rows


def _most_frequent(counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda name: (-counts[name], hashlib.sha256(name.encode()).digest()))[:most])


def _words(task: Task) -> frozenset[str]:
    return frozenset(f"{name}={word}" for name, word in task.descriptor.items())


def _log_scaled(numbers: Mapping[str, float], name: str) -> float:
    """A meta-feature on a signed logarithmic scale, for sizes of all magnitudes; far below all others if missing."""
    if name not in numbers:
        return -1e3
    return math.copysign(math.log1p(abs(numbers[name])), numbers[name])
