"""Serving of the prior: the reward it expects of each arm, and the arm to take before a task has results.

A prior of searches predicts rewards. A prior of single results predicts losses, which become expected rewards: that
of a result that beats as many others as the arm's predicted loss does, given the errors of the predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task
from headstart_server.strategy.arm_statistics import ArmKey
from headstart_server.strategy.bandit.thompson_sampling import Belief, ChosenArm, Expectation
from headstart_server.strategy.prior.data import phase_middle
from headstart_server.strategy.prior.features import PHASE, arm_name, feature_row
from headstart_server.strategy.prior.prior import Forecast, Prior
from headstart_server.strategy.rewards.rewards import chance_to_beat
from headstart_server.strategy.search_state import SearchState

# Pulls on the task that a prior of searches counts as, at most and at least; and a prior of single results.
_MOST_PULLS, _LEAST_PULLS = 100.0, 1.0
_PULLS_OF_RESULTS = 5.0
# The chosen arm is dropped when its chance to be the best is no more than this.
_LEAST_CHANCE = 0.1

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class PriorAdvice:
    """Advice for a task: ``expectations`` of the known arms, and ``chosen``, to take unless results contradict it.

    ``single_best``: the chosen arm is the one that was best on average, since no other promises more than noise.
    """

    expectations: Mapping[ArmKey, Expectation]
    chosen: ArmKey
    single_best: bool
    reason: str

    def applies(self, state: SearchState, beliefs: Sequence[Belief], chances: Numbers) -> bool:
        """Whether to take ``chosen``: before the first result, and while its chance to be the best is not small.

        ``chances`` [arms] of each arm to be the best under the beliefs. A pending decision for the arm lets the next
        one be drawn, so that workers spread.
        """
        index = [each.key for each in beliefs].index(self.chosen)
        if beliefs[index].pending:
            return False
        return state.observations == 0 or bool(chances[index] > _LEAST_CHANCE)

    def chosen_arm(self, beliefs: Mapping[ArmKey, Belief]) -> ChosenArm:
        """The decision to take ``chosen``."""
        return ChosenArm(self.chosen, 1.0, beliefs[self.chosen].mean, self.reason, "prior")


@dataclass(frozen=True, eq=False)
class ServingPrior:
    """A version of the prior, by its number."""

    number: int
    model: Prior

    @property
    def of_search(self) -> bool:
        """Whether it predicts rewards in the course of a search, rather than losses of single results."""
        return PHASE in self.model.columns

    def advice(self, task: Task, state: SearchState, arms: Sequence[ArmKey], variance: float) -> PriorAdvice | None:
        """Advise on a task; None if fewer than two arms are known. ``variance`` of single rewards on this task."""
        indices = {name: index for index, name in enumerate(self.model.arms)}
        known = [arm for arm in arms if arm_name(arm) in indices]
        if len(known) < 2:
            return None
        available = [indices[arm_name(arm)] for arm in known]
        row = feature_row(self.model.columns, task, phase_middle(state.phase), state.total)
        (forecast,) = self.model.forecast(row[None], available)
        errors = np.maximum(self.model.errors[available], 1e-12)
        if self.of_search:
            means = 1.0 - (float(self.model.mean_losses.mean()) + forecast.relative_loss)
            # Pulls that would leave the mean as uncertain as the prior was on unseen tasks.
            pulls = np.clip(variance / errors**2, _LEAST_PULLS, _MOST_PULLS)
        else:
            means = _rewards(forecast, errors)
            pulls = np.full(len(known), _PULLS_OF_RESULTS)
        means = np.clip(means, 0.001, 0.999)
        expectations = {
            arm: Expectation(
                float(mean), float(weight), f"prior {self.number} expects {mean:.2f} from {self.model.task_count} tasks"
            )
            for arm, mean, weight in zip(known, means, pulls, strict=True)
        }
        single = forecast.chosen == forecast.single_best
        basis = "the best on average, none promises more than noise" if single else f"promises {forecast.gain:.3g} more"
        reason = f"prior {self.number}, learned from {self.model.task_count} tasks: {basis}"
        return PriorAdvice(expectations, known[forecast.chosen], single, reason)


def _rewards(forecast: Forecast, errors: Numbers) -> Numbers:
    from scipy.special import ndtr

    losses = forecast.relative_loss
    noise = np.sqrt(errors[:, None] ** 2 + errors[None, :] ** 2)
    beats = ndtr((losses[None, :] - losses[:, None]) / noise)
    others = len(losses) - 1
    beaten = beats.sum(axis=1) - 0.5
    return np.array([chance_to_beat(float(number), others) for number in beaten])
