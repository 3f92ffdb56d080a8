"""OpenBox: RGPE (Feurer et al., 2018) and TransBO (Li et al., KDD 2022), which it calls topov3.

Its own choice of surrogate: a forest where most parameters are categories or there are ten or more, else a Gaussian
process; its first three suggestions are the best of the past. It minimises: it is given minus the scores, and failures
as such. Conditions are not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ConfigSpace import Configuration, ConfigurationSpace
from openbox import Advisor, History, Observation, logger
from openbox.utils.constants import FAILED, SUCCESS

from benchmarks.transfer_search.families import Case, Past
from benchmarks.transfer_search.peers.axes import Axes
from benchmarks.transfer_search.peers.hyperparameters import hyperparameter, value_of
from headstart.search import Strategy
from headstart.search.ask_tell import AskTell
from headstart.search.history import Trial
from headstart.spaces import Candidate, SearchSpace

_MANY = 10


def rgpe(case: Case) -> Strategy:
    return AskTell(lambda space, seed: _Advised(space, case.past, "rgpe", seed))


def transbo(case: Case) -> Strategy:
    return AskTell(lambda space, seed: _Advised(space, case.past, "topov3", seed))


class _Advised:
    def __init__(self, space: SearchSpace, past: Sequence[Past], method: str, seed: int) -> None:
        # Their RGPE draws from numpy's own generator.
        np.random.seed(seed % 2**32)
        self._axes = Axes(space)
        self._space = _configuration_space(self._axes, seed % 2**31)
        categories = sum(not axis.ordered for axis in self._axes.axes)
        forest = len(self._axes.axes) >= _MANY or categories > len(self._axes.axes) - categories
        logger.init(level="ERROR", stream=None, logdir=None)
        self._advisor = Advisor(
            self._space,
            transfer_learning_history=[self._history(each) for each in past],
            surrogate_type=f"tlbo_{method}_{'prf' if forest else 'gp'}",
            random_state=seed % 2**31,
            output_dir=None,
            logger_kwargs={"level": "ERROR", "stream": None, "logdir": None},
        )

    def ask(self) -> Candidate:
        values = self._advisor.get_suggestion().get_dictionary()
        return self._axes.candidate({axis.name: float(values[axis.name]) for axis in self._axes.axes})

    def tell(self, trial: Trial) -> None:
        score = None if trial.score == float("-inf") else trial.score
        self._advisor.update_observation(self._observation(trial.candidate, score))

    def _history(self, past: Past) -> Any:
        history = History(task_id=past.task.name, config_space=self._space)
        for each in past.evaluated:
            history.update_observation(self._observation(each.candidate, each.score))
        return history

    def _observation(self, candidate: Candidate, score: float | None) -> Any:
        flat = self._axes.flat(candidate)
        values = {axis.name: value_of(axis, flat[axis.name]) for axis in self._axes.axes}
        state = FAILED if score is None else SUCCESS
        objective = np.inf if score is None else -score
        return Observation(Configuration(self._space, values=values), [objective], trial_state=state)


def _configuration_space(axes: Axes, seed: int) -> ConfigurationSpace:
    space = ConfigurationSpace(seed=seed)
    space.add_hyperparameters([hyperparameter(axis) for axis in axes.axes])
    return space
