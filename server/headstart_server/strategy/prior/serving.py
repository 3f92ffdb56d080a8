"""The prior at work: what past tasks let expect of each arm here, and which one to take before there is any result.

A prior of searches foretells rewards. One of single results foretells losses; what is expected then is the reward of a
result that beats as many others as the arm's predicted loss does, by the errors of the predictions.
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
from headstart_server.strategy.prior.features import PHASE, feature_row
from headstart_server.strategy.prior.prior import Forecast, Prior
from headstart_server.strategy.prior.training import arm_name
from headstart_server.strategy.rewards.rewards import chance_to_beat
from headstart_server.strategy.search_state import SearchState

# How many pulls on the task at hand a prior of searches may weigh as, and at least does; one of single results.
_MOST_PULLS, _LEAST_PULLS = 100.0, 1.0
_PULLS_OF_RESULTS = 5.0
# The arm that the past names is left where it is the best with no more than this chance.
_LEAST_CHANCE = 0.1

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class PriorAdvice:
    """``chosen``: the arm to take unless results speak against it; ``expectations`` of the arms that are known.

    ``single_best``: whether the choice is the arm that was best on average, since no other promises more than noise.
    """

    expectations: Mapping[ArmKey, Expectation]
    chosen: ArmKey
    single_best: bool
    reason: str

    def holds(self, state: SearchState, beliefs: Sequence[Belief], chances: Numbers) -> bool:
        """Whether ``chosen`` is to be taken: where there is no result yet, and as long as what others promise is within
        noise. While a decision for it is pending the next one is drawn, so that workers spread.

        ``chances`` [arms] of each to be the best, by what is believed of them.
        """
        place = [each.key for each in beliefs].index(self.chosen)
        if beliefs[place].pending:
            return False
        return state.observations == 0 or bool(chances[place] > _LEAST_CHANCE)

    def choice(self, beliefs: Mapping[ArmKey, Belief]) -> ChosenArm:
        """The decision to take ``chosen``."""
        return ChosenArm(self.chosen, 1.0, beliefs[self.chosen].mean, self.reason, "prior")


@dataclass(frozen=True, eq=False)
class ServingPrior:
    number: int
    model: Prior

    @property
    def of_search(self) -> bool:
        """Whether it foretells rewards in the course of a search, not single results."""
        return PHASE in self.model.columns

    def advice(self, task: Task, state: SearchState, arms: Sequence[ArmKey], variance: float) -> PriorAdvice | None:
        """``variance`` is that of single rewards on this task. None where fewer than two of the arms are known: then
        there is nothing to choose between.
        """
        places = {name: place for place, name in enumerate(self.model.arms)}
        known = [arm for arm in arms if arm_name(arm) in places]
        if len(known) < 2:
            return None
        among = [places[arm_name(arm)] for arm in known]
        row = feature_row(self.model.columns, task, phase_middle(state.phase), state.total)
        (forecast,) = self.model.forecast(row[None], among)
        errors = np.maximum(self.model.errors[among], 1e-12)
        if self.of_search:
            means = 1.0 - (float(self.model.mean_losses.mean()) + forecast.relative_loss)
            # As many as leave the mean as uncertain as the prior was on unseen tasks.
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
        why = "the best on average, none promises more than noise" if single else f"promises {forecast.gain:.3g} more"
        reason = f"prior {self.number}, learned from {self.model.task_count} tasks: {why}"
        return PriorAdvice(expectations, known[forecast.chosen], single, reason)


def _rewards(forecast: Forecast, errors: Numbers) -> Numbers:
    from scipy.special import ndtr

    losses = forecast.relative_loss
    noise = np.sqrt(errors[:, None] ** 2 + errors[None, :] ** 2)
    beats = ndtr((losses[None, :] - losses[:, None]) / noise)
    others = len(losses) - 1
    beaten = beats.sum(axis=1) - 0.5
    return np.array([chance_to_beat(float(number), others) for number in beaten])
