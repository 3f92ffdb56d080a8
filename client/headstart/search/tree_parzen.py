"""The tree-structured Parzen estimator of Optuna, as an ask/tell optimizer. Needs the extra ``strategies``."""

from __future__ import annotations

import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from headstart.search.ask_tell import AskTell
from headstart.search.history import Trial
from headstart.spaces import (
    Candidate,
    Categorical,
    Float,
    Integer,
    SearchSpace,
    Value,
)
from headstart.spaces.declaration import Domain, holds, value_key


def tree_parzen(initial: int = 10, candidates: int = 24, multivariate: bool = True) -> AskTell:
    """Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011; Optuna's TPESampler.

    The first ``initial`` trials are random; ``candidates`` are compared for each proposal; ``multivariate`` models
    the parameters of a condition together.
    """
    return AskTell(lambda space, seed: TreeParzen(space, seed, initial, candidates, multivariate))


class Sampled:
    """One of Optuna's samplers in a space. Choices go by index, ordered ones by rank.

    Raises ValueError for a space of explicit graphs, which have no parameters.
    """

    def __init__(self, space: SearchSpace, sampler: optuna.samplers.BaseSampler) -> None:
        if space.explicit_graphs:
            raise ValueError(f"search_space: {space.search_space_id} has explicit graphs: a sampler needs parameters")
        self._space = space
        self._axes = {parameter.name: _Axis(parameter.domain) for parameter in space.parameters}
        self._study = _quiet_study(sampler)

    def ask(self) -> Candidate:
        trial = self._study.ask()
        values: dict[str, Value] = {}
        for parameter in self._space.parameters:
            if holds(parameter.condition, values):
                values[parameter.name] = self._axes[parameter.name].ask(trial, parameter.name)
        # Results come back by ``tell`` from any worker, so the asked trial is closed at once and ignored.
        self._study.tell(trial, state=TrialState.FAIL)
        return Candidate(values)

    def tell(self, trial: Trial) -> None:
        if not trial.conclusive:
            return
        given = trial.candidate.values
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=trial.score,
                params={name: self._axes[name].coordinate(value) for name, value in given.items()},
                distributions={name: self._axes[name].distribution for name in given},
            )
        )


class TreeParzen(Sampled):
    """Optuna's TPESampler; see ``tree_parzen``."""

    def __init__(self, space: SearchSpace, seed: int, initial: int, candidates: int, multivariate: bool) -> None:
        with warnings.catch_warnings():
            # Grouping is marked experimental; without it a parameter under a condition is modelled alone.
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=initial,
                n_ei_candidates=candidates,
                multivariate=multivariate,
                group=multivariate,
                seed=seed,
            )
        super().__init__(space, sampler)


def _quiet_study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """A study in memory, without Optuna's line for each."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        return optuna.create_study(sampler=sampler, direction="maximize")
    finally:
        optuna.logging.set_verbosity(verbosity)


class _Axis:
    """One parameter in Optuna's terms."""

    def __init__(self, domain: Domain) -> None:
        self.distribution: BaseDistribution
        self._domain = domain
        self._choices: list[Value] = []
        self._ordered = False
        if isinstance(domain, Integer):
            self.distribution = IntDistribution(domain.lower, domain.upper, log=domain.logarithmic)
        elif isinstance(domain, Float):
            self.distribution = FloatDistribution(domain.lower, domain.upper, log=domain.logarithmic)
        else:
            self._ordered = domain.ordered_choices is not None
            self._choices = list(domain.ordered_choices or domain.choices)
            last = len(self._choices) - 1
            self.distribution = IntDistribution(0, last) if self._ordered else CategoricalDistribution(range(last + 1))

    def ask(self, trial: optuna.Trial, name: str) -> Value:
        if isinstance(self._domain, Integer):
            return trial.suggest_int(name, self._domain.lower, self._domain.upper, log=self._domain.logarithmic)
        if isinstance(self._domain, Float):
            return trial.suggest_float(name, self._domain.lower, self._domain.upper, log=self._domain.logarithmic)
        if self._ordered:
            return self._choices[trial.suggest_int(name, 0, len(self._choices) - 1)]
        return self._choices[trial.suggest_categorical(name, range(len(self._choices)))]

    def coordinate(self, value: Value) -> Value:
        if not isinstance(self._domain, Categorical):
            return value
        indices = self._domain.ranks if self._ordered else self._domain.places
        return indices[value_key(value)]
