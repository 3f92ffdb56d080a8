"""SMAC3 (Lindauer et al., JMLR 2022): its facade for hyperparameter optimization, as it comes.

So its forest is fitted after each eighth result; after each it would take a quarter of an hour a search.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ConfigSpace import Configuration, ConfigurationSpace, InCondition
from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.runhistory import StatusType, TrialInfo, TrialValue

from benchmarks.transfer_search.families import BUDGET, Case
from benchmarks.transfer_search.peers.axes import Axes
from benchmarks.transfer_search.peers.hyperparameters import hyperparameter, value_of
from headstart.search import Strategy
from headstart.search.ask_tell import AskTell
from headstart.search.history import Trial
from headstart.spaces import Candidate, SearchSpace

_WORST = 1e10


def smac(case: Case) -> Strategy:
    """With its own initial design."""
    return AskTell(lambda space, seed: _Smac(space, seed, design=True))


def smac_told(case: Case) -> Strategy:
    """Without an initial design: what it is told comes first."""
    return AskTell(lambda space, seed: _Smac(space, seed, design=False))


class _Smac:
    def __init__(self, space: SearchSpace, seed: int, design: bool) -> None:
        self._axes = Axes(space)
        self._space = _configuration_space(self._axes, seed % 2**31)
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        self._seed = seed % 2**31
        self._design = design
        self._facade: Any = None
        # Of a deterministic objective all runs have one seed, which the tool draws when it is first asked.
        self._seed_of_runs = 0

    def ask(self) -> Candidate:
        asked = self._started().ask()
        self._seed_of_runs = asked.seed
        return self._axes.candidate(_coordinates(self._axes, asked.config))

    def tell(self, trial: Trial) -> None:
        flat = self._axes.flat(trial.candidate)
        active = {axis.name for axis in self._axes.axes if axis.parameter.name in trial.candidate.values}
        values = {axis.name: value_of(axis, flat[axis.name]) for axis in self._axes.axes if axis.name in active}
        failed = trial.score == float("-inf")
        cost = _WORST if failed else -trial.score
        status = StatusType.CRASHED if failed else StatusType.SUCCESS
        info = TrialInfo(Configuration(self._space, values=values), seed=self._seed_of_runs)
        # It would write a file of all runs each time.
        self._started().tell(info, TrialValue(cost, status=status), save=False)

    def _started(self) -> Any:
        if self._facade is None:
            scenario = Scenario(
                self._space,
                deterministic=True,
                n_trials=10 * BUDGET,
                seed=self._seed,
                output_directory=Path(self._folder.name),
            )
            design = Facade.get_initial_design(scenario, n_configs=12 if self._design else 0)
            self._facade = Facade(
                scenario,
                lambda config, seed=0: 0.0,
                initial_design=design,
                intensifier=Facade.get_intensifier(scenario, max_config_calls=1),
                overwrite=True,
                logging_level=False,
            )
        return self._facade


def _configuration_space(axes: Axes, seed: int) -> ConfigurationSpace:
    space = ConfigurationSpace(seed=seed)
    by_name = {axis.parameter.name: axis for axis in axes.axes}
    added = {axis.name: hyperparameter(axis) for axis in axes.axes}
    space.add(list(added.values()))
    for axis in axes.axes:
        condition = axis.parameter.condition
        if condition is not None:
            parent = by_name[condition.parameter]
            values = [value_of(parent, parent.coordinate(value)) for value in condition.values]
            space.add(InCondition(added[axis.name], added[parent.name], values))
    return space


def _coordinates(axes: Axes, configuration: Any) -> dict[str, float]:
    values = dict(configuration)
    return {axis.name: float(values[axis.name]) if axis.name in values else axis.middle for axis in axes.axes}
