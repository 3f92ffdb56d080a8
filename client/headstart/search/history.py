"""The history of a task as strategies see it: all trials of all workers so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headstart.search.plain_values import plain_candidate
from headstart.spaces import Candidate, SearchSpace, canonicalize
from headstart.values import Direction, ExperimentStatus, Outcome, is_full_training


@dataclass(frozen=True)
class Trial:
    """A candidate that was tried. ``score``: its objective turned so that higher is better, -inf where it failed."""

    candidate: Candidate
    fingerprint: str
    outcome: Outcome
    score: float

    @property
    def conclusive(self) -> bool:
        """Whether it says how good the candidate is: a full training does, and so does one that failed."""
        return self.score > -math.inf or self.outcome.status is ExperimentStatus.FAILED


class History:
    """Trials in the order of recording. Results that are not recorded yet come last.

    ``max_fidelity`` is that of a full training, 0 where the task has none.
    """

    def __init__(
        self, space: SearchSpace, direction: Direction = Direction.MAXIMIZE, max_fidelity: float = 0.0
    ) -> None:
        self.space = space
        self.direction = direction
        self.max_fidelity = max_fidelity
        self._recorded: list[Trial] = []
        self._waiting: list[Trial] = []
        self._fingerprints: set[str] = set()

    def __len__(self) -> int:
        return len(self._recorded) + len(self._waiting)

    def __contains__(self, candidate: Candidate) -> bool:
        """Whether an equivalent candidate has been tried."""
        return self.has_fingerprint(self.fingerprint(candidate))

    def has_fingerprint(self, fingerprint: str) -> bool:
        return fingerprint in self._fingerprints

    @property
    def sign(self) -> float:
        """Turns an objective value into a score, and back."""
        return 1.0 if self.direction is Direction.MAXIMIZE else -1.0

    @property
    def trials(self) -> list[Trial]:
        return self._recorded + self._waiting

    @property
    def recorded(self) -> Sequence[Trial]:
        """Those in the order of recording alone: it only ever grows at its end."""
        return self._recorded

    def fingerprint(self, candidate: Candidate) -> str:
        return canonicalize(self.space, plain_candidate(self.space, candidate)).fingerprint

    def trial(self, candidate: Candidate, outcome: Outcome, fingerprint: str = "") -> Trial:
        score = -math.inf
        value = outcome.objective_value
        # The value of a partial training does not compare with those of full ones: the candidate counts as tried only.
        full = is_full_training(outcome.fidelity, self.max_fidelity)
        if outcome.status is ExperimentStatus.COMPLETED and value is not None and full:
            score = self.sign * value
        return Trial(candidate, fingerprint or self.fingerprint(candidate), outcome, score)

    def add(self, trials: Iterable[Trial]) -> None:
        for trial in trials:
            self._recorded.append(trial)
            self._fingerprints.add(trial.fingerprint)

    def set_waiting(self, trials: Sequence[Trial]) -> None:
        """Own results that the service does not have yet."""
        self._waiting = list(trials)
        self._fingerprints.update(trial.fingerprint for trial in trials)

    def recent(self, count: int) -> list[Trial]:
        return self.trials[-count:]

    def best(self, count: int) -> list[Trial]:
        """The best trials that did not fail, one of each fingerprint, best first."""
        result: list[Trial] = []
        seen: set[str] = set()
        for trial in sorted(self.trials, key=lambda trial: trial.score, reverse=True):
            if len(result) == count or trial.score == -math.inf:
                break
            if trial.fingerprint not in seen:
                seen.add(trial.fingerprint)
                result.append(trial)
        return result
