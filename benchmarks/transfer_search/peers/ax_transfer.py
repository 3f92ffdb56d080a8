"""Ax: its transfer-learning generator, a multi-task Gaussian process over the target and all sources (BOTL).

It is asked for one candidate at a time and fitted anew each time, as its adapter does. It wants a result of the target
to begin with, and gets that of the best of one past task. It maximises the score; failures are left out.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import pandas as pd
import torch
from ax.adapter.registry import Generators
from ax.adapter.transfer_learning.adapter import TL_EXP, transfer_learning_generator_specs_constructor
from ax.core.arm import Arm
from ax.core.auxiliary_source import AuxiliarySource
from ax.core.data import Data
from ax.core.experiment import Experiment
from ax.core.metric import Metric
from ax.core.objective import Objective
from ax.core.optimization_config import OptimizationConfig
from ax.core.parameter import ChoiceParameter, ParameterType, RangeParameter
from ax.core.search_space import SearchSpace as AxSpace

from benchmarks.transfer_search.families import Case
from benchmarks.transfer_search.peers.axes import Axes, Axis
from headstart.search import Strategy
from headstart.search.ask_tell import AskTell
from headstart.search.history import Trial
from headstart.spaces import Candidate, Categorical

_METRIC = "score"


def ax_transfer(case: Case) -> Strategy:
    return AskTell(lambda space, seed: _Transferred(case, Axes(space), seed))


class _Transferred:
    def __init__(self, case: Case, axes: Axes, seed: int) -> None:
        logging.getLogger("ax").setLevel(logging.ERROR)
        torch.manual_seed(seed)
        self._axes = axes
        self._target = _experiment(axes, case.task.name)
        sources = []
        for past in case.past:
            source = _experiment(axes, past.task.name)
            for each in past.evaluated:
                if each.score is not None:
                    _attach(source, axes, each.candidate, each.score)
            sources.append(AuxiliarySource(experiment=source))
        self._target.auxiliary_experiments_by_purpose[TL_EXP] = sources

    def ask(self) -> Candidate:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (specification,), _ = transfer_learning_generator_specs_constructor(use_model_selection=False)
            settings = specification.generator_kwargs
            generator = Generators.BOTL(experiment=self._target, data=self._target.lookup_data(), **settings)
            parameters = generator.gen(1).arms[0].parameters
        return self._axes.candidate({name: float(value) for name, value in parameters.items()})

    def tell(self, trial: Trial) -> None:
        if trial.score > float("-inf"):
            _attach(self._target, self._axes, trial.candidate, trial.score)


def _experiment(axes: Axes, name: str) -> Experiment:
    objective = Objective(metric=Metric(_METRIC), minimize=False)
    space = AxSpace([_parameter(axis) for axis in axes.axes])
    return Experiment(name=name, search_space=space, optimization_config=OptimizationConfig(objective))


def _attach(experiment: Experiment, axes: Axes, candidate: Candidate, score: float) -> None:
    flat = axes.flat(candidate)
    parameters = {axis.name: flat[axis.name] if axis.ordered else str(flat[axis.name]) for axis in axes.axes}
    trial = experiment.new_trial().add_arm(Arm(parameters))
    trial.mark_running(no_runner_required=True)
    row = {
        "trial_index": trial.index,
        "arm_name": trial.arm.name,
        "metric_name": _METRIC,
        "mean": score,
        "sem": math.nan,
    }
    experiment.attach_data(Data(df=pd.DataFrame([{**row, "metric_signature": _METRIC}])))
    trial.mark_completed()


def _parameter(axis: Axis) -> Any:
    domain = axis.parameter.domain
    if axis.choices is not None:
        last = len(axis.choices) - 1
        if axis.ordered:
            return RangeParameter(axis.name, ParameterType.INT, 0, last)
        places = [str(place) for place in range(last + 1)]
        return ChoiceParameter(axis.name, ParameterType.STRING, places, is_ordered=False, sort_values=False)
    assert not isinstance(domain, Categorical)
    kind = ParameterType.INT if isinstance(domain.lower, int) else ParameterType.FLOAT
    return RangeParameter(axis.name, kind, domain.lower, domain.upper, log_scale=domain.logarithmic)
