"""The portfolio: which strategies there are, which settings each has, and how one is built from settings.

An ``Optimizer`` is one arm that the service chooses among. Others are found by the entry points of installed packages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from typing import Any

from headstart.packages import is_installed
from headstart.search.strategies import (
    GeneticAlgorithm,
    LocalSearch,
    Predict,
    PredictorGuidedEvolution,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
)
from headstart.search.warm_started import Suggest, WarmStarted
from headstart.spaces import Categorical, Float, Integer, InvalidInput, Parameter, Value, Violation
from headstart.spaces.validation import parameter_violations, require, text_violations, value_problem
from headstart.values import Arm

ENTRY_POINTS = "headstart.strategies"

_MAX_NAME_LENGTH = 63

_logger = logging.getLogger("headstart.search")


@dataclass(frozen=True)
class Optimizer:
    """A strategy with the ranges of its settings, from which the service chooses.

    ``build`` is called with settings by keyword, one for each of ``hyperparameters``; a missing setting comes from
    ``defaults``, or is left to ``build``. Raises InvalidInput for invalid ranges, and for defaults outside them.
    """

    name: str
    build: Callable[..., Strategy]
    hyperparameters: tuple[Parameter, ...] = ()
    defaults: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(text_violations(self.name, "name", _MAX_NAME_LENGTH, minimum=1))
        require(parameter_violations(self.hyperparameters, "hyperparameters"))
        domains = {parameter.name: parameter.domain for parameter in self.hyperparameters}
        for name, value in self.defaults.items():
            problem = value_problem(value, domains[name]) if name in domains else "is not one of the hyperparameters"
            if problem:
                raise InvalidInput([Violation(f"defaults[{name}]", problem)])

    @property
    def arm(self) -> Arm:
        return Arm(self.name, self.hyperparameters)

    def strategy(self, settings: Mapping[str, Value] | None = None) -> Strategy:
        """The strategy with these settings, and defaults for the others."""
        return self.build(**{**self.defaults, **(settings or {})})


def portfolio_of(strategies: Mapping[str, Strategy | Optimizer]) -> dict[str, Optimizer]:
    """Optimizers by name; a plain strategy becomes one without settings."""
    return {
        name: replace(given, name=name) if isinstance(given, Optimizer) else Optimizer(name, partial(_as_is, given))
        for name, given in strategies.items()
    }


def default_strategies(predict: Predict | None = None, suggest: Suggest | None = None) -> dict[str, Optimizer]:
    """The portfolio by name: everything that can run here, installed packages included.

    The predictor-guided strategy needs ``predict``, the warm-started ones ``suggest``, and those with a model of
    their own the extra ``strategies``.
    """
    optimizers = [
        Optimizer("random", RandomSearch),
        _LOCAL_SEARCH,
        _EVOLUTION,
        Optimizer("regularized_evolution_small", RegularizedEvolution, _EVOLUTION.hyperparameters, _SMALL),
        _GENETIC,
    ]
    if predict is not None:
        optimizers.append(
            Optimizer("predictor_guided_evolution", partial(PredictorGuidedEvolution, predict), _GUIDED_SETTINGS)
        )
    if _installed("numpy", "scipy"):
        optimizers.append(_GAUSSIAN_PROCESS)
    if _installed("numpy", "scipy", "sklearn"):
        optimizers.append(_TREE_ENSEMBLE)
    if _installed("optuna"):
        optimizers.append(_TREE_PARZEN)
    if suggest is not None:
        warmed = [_LOCAL_SEARCH, *(each for each in optimizers if each is _GAUSSIAN_PROCESS)]
        optimizers += [_warm_started(each, suggest) for each in warmed]
    result = {optimizer.name: optimizer for optimizer in optimizers}
    for optimizer in installed_optimizers():
        if result.setdefault(optimizer.name, optimizer) is not optimizer:
            _logger.warning("a strategy called %s is there already: the installed one is left out", optimizer.name)
    return result


def installed_optimizers() -> list[Optimizer]:
    """Optimizers from the entry points of installed packages. One that fails to load is logged by name and left out."""
    optimizers: list[Optimizer] = []
    for entry_point in sorted(metadata.entry_points(group=ENTRY_POINTS)):
        try:
            loaded = entry_point.load()
            if not isinstance(loaded, Optimizer):
                raise TypeError(f"it is a {type(loaded).__name__}, not an Optimizer")
        except Exception as error:
            _logger.warning("the strategy %s (%s) is left out: %s", entry_point.name, entry_point.value, error)
            continue
        optimizers.append(loaded)
    return optimizers


def _as_is(strategy: Strategy) -> Strategy:
    return strategy


def _installed(*packages: str) -> bool:
    return all(is_installed(package) for package in packages)


def _gaussian_process(**settings: Any) -> Strategy:
    from headstart.search.model_based import GaussianProcess

    return GaussianProcess(**settings)


def _tree_ensemble(**settings: Any) -> Strategy:
    from headstart.search.model_based import TreeEnsemble

    return TreeEnsemble(**settings)


def _tree_parzen(**settings: Any) -> Strategy:
    from headstart.search.tree_parzen import tree_parzen

    return tree_parzen(**settings)


def _warm_started(base: Optimizer, suggest: Suggest) -> Optimizer:
    def build(first: int = 10, **settings: Any) -> Strategy:
        return WarmStarted(base.strategy(settings), suggest, first)

    first = Parameter("first", Integer(2, 50, logarithmic=True))
    return Optimizer(f"warm_started_{base.name}", build, (first, *base.hyperparameters), base.defaults)


_INITIAL = Parameter("initial", Integer(4, 40, logarithmic=True))

_LOCAL_SEARCH = Optimizer(
    "local_search",
    LocalSearch,
    (Parameter("initial", Integer(1, 40, logarithmic=True)), Parameter("furthest", Integer(1, 4))),
)

# The usual setting, and one that follows its best much sooner. Their names stand for their defaults.
_EVOLUTION = Optimizer(
    "regularized_evolution",
    RegularizedEvolution,
    (
        Parameter("population_size", Integer(8, 100, logarithmic=True)),
        Parameter("sample_size", Integer(2, 25, logarithmic=True)),
    ),
)
_SMALL: Mapping[str, Value] = {"population_size": 10, "sample_size": 5}

_GENETIC = Optimizer(
    "genetic_algorithm",
    GeneticAlgorithm,
    (
        Parameter("population_size", Integer(8, 60, logarithmic=True)),
        Parameter("mutation_rate", Float(0.0, 1.0)),
    ),
)

_GUIDED_SETTINGS = (
    Parameter("parents", Integer(1, 30, logarithmic=True)),
    Parameter("optimism", Float(0.0, 3.0)),
)

_GAUSSIAN_PROCESS = Optimizer("gaussian_process", _gaussian_process, (_INITIAL, Parameter("margin", Float(0.0, 0.5))))
_TREE_ENSEMBLE = Optimizer(
    "tree_ensemble", _tree_ensemble, (_INITIAL, Parameter("interleave", Integer(4, 64, logarithmic=True)))
)
_TREE_PARZEN = Optimizer(
    "tpe",
    _tree_parzen,
    (
        _INITIAL,
        Parameter("candidates", Integer(8, 96, logarithmic=True)),
        Parameter("multivariate", Categorical((True, False))),
    ),
)
