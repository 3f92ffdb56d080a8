"""Reads Optuna studies: every finished trial with its distributions, intermediate values and numeric user attributes.

A grid (a distribution with a step) becomes choices where it has few points, else a range. Trials that still run or wait
are told as skipped.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.history.locations import local_path, sqlite_url
from headstart.history.model import MissingExtra, Note, Run, UsageProblem
from headstart.history.selection import mapping_for, selected, task_for
from headstart.history.sources import Request, SourceHistory, chosen, listed
from headstart.history.space_derivation import merged
from headstart.packages import is_installed
from headstart.spaces.declaration import Categorical, Domain, Float, Integer, Value, value_key
from headstart.values import CurvePoint, Direction, ExperimentStatus

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

# A grid of at most this number of points becomes a list of choices.
MAX_GRID_POINTS = 64

_STATUS = {
    "COMPLETE": ExperimentStatus.COMPLETED,
    "FAIL": ExperimentStatus.FAILED,
    "PRUNED": ExperimentStatus.STOPPED,
}


def open_history(request: Request) -> SourceHistory:
    """Raises UsageProblem."""
    if not is_installed("optuna"):
        raise MissingExtra("reading Optuna studies", "optuna")
    import optuna

    mapping = mapping_for(request)
    storage = _storage(request.location)
    names = sorted(optuna.get_all_study_names(storage))
    studies = [
        optuna.load_study(study_name=name, storage=storage) for name in chosen(names, request.studies, "Optuna study")
    ]
    wanted = request.objective or mapping.columns.get("objective")
    objectives = [_Objective(study, wanted) for study in studies]
    for objective in objectives[1:]:
        if (objective.direction, objective.metric) != (objectives[0].direction, objectives[0].metric):
            raise UsageProblem("the studies have different objectives: import them one after the other")
    direction = objectives[0].direction
    if request.direction not in (None, direction):
        raise UsageProblem(f"the study says {direction.name.lower()}: leave the direction out")
    trials = {study.study_name: study.get_trials(deepcopy=False) for study in studies}
    names_read = listed(list(trials))

    def runs() -> Iterator[Run | Note]:
        for study, objective in zip(studies, objectives, strict=True):
            for trial in trials[study.study_name]:
                yield _run(trial, study.study_name, objective, several=len(studies) > 1)

    used = Request(request.source, request.location, direction=direction)
    return selected(
        SourceHistory(
            name=studies[0].study_name,
            task=task_for(used, mapping, objectives[0].metric, f"Optuna study {names_read}", "step"),
            runs=runs,
            count=sum(map(len, trials.values())),
            space_description=f"From Optuna study {names_read}",
            domains=_domains([trial for some in trials.values() for trial in some if trial.state.name in _STATUS]),
        ),
        mapping,
    )


def _storage(location: str) -> BaseStorage:
    """A storage URL, an SQLite file or a journal file. Never creates a missing one."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    path = local_path(location)
    if path is not None and not path.is_file():
        raise UsageProblem(f"there is no Optuna storage at {location}")
    try:
        if path is None:
            return RDBStorage(location, skip_table_creation=True)
        with path.open("rb") as file:
            is_sqlite = file.read(15) == b"SQLite format 3"
        if is_sqlite:
            return RDBStorage(sqlite_url(path), skip_table_creation=True)
        return JournalStorage(JournalFileBackend(str(path)))
    except Exception as error:
        reason = " ".join(str(error).split())[:500]
        raise UsageProblem(f"{location} cannot be read as an Optuna storage: {reason}") from error


class _Objective:
    """The objective among a study's values, and the names of the others."""

    def __init__(self, study: Study, wanted: str | None) -> None:
        directions = study.directions
        given = study.metric_names
        names = list(given) if given else [f"value_{index}" for index in range(len(directions))]
        if len(directions) == 1:
            self.index = 0
            self.metric = wanted or (given[0] if given else "value")
        else:
            shown = ", ".join(f"{index} ({name})" for index, name in enumerate(names))
            if wanted is None:
                raise UsageProblem(f"study {study.study_name!r} has several objectives: name one of {shown}")
            if wanted in names:
                self.index = names.index(wanted)
            elif wanted.isdecimal() and int(wanted) < len(names):
                self.index = int(wanted)
            else:
                raise UsageProblem(f"study {study.study_name!r} has no objective {wanted!r}: name one of {shown}")
            self.metric = names[self.index]
        self.others = {name: index for index, name in enumerate(names) if index != self.index}
        maximize = directions[self.index].name == "MAXIMIZE"
        self.direction = Direction.MAXIMIZE if maximize else Direction.MINIMIZE


def _run(trial: FrozenTrial, study_name: str, objective: _Objective, several: bool) -> Run | Note:
    locator = f"study {study_name!r}, trial {trial.number}"
    status = _STATUS.get(trial.state.name)
    if status is None:
        return Note(locator, f"it has not ended: its state is {trial.state.name}")
    values = trial.values or []
    metrics = {name: float(values[index]) for name, index in objective.others.items() if index < len(values)}
    metrics.update(
        (name, float(value))
        for name, value in trial.user_attrs.items()
        # A whole number of more than 308 digits is no float.
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and not (isinstance(value, int) and abs(value) > sys.float_info.max)
    )
    stopped = status is ExperimentStatus.STOPPED
    return Run(
        locator=locator,
        identity=f"optuna\0{study_name}\0{trial.number}\0{trial.datetime_start}",
        values={name: _value(value, trial.distributions[name]) for name, value in trial.params.items()},
        status=status,
        objective_value=values[objective.index] if values else None,
        metrics=metrics,
        learning_curve=tuple(
            CurvePoint(float(step), value) for step, value in sorted(trial.intermediate_values.items())
        ),
        fidelity=float(trial.last_step) if stopped and trial.last_step is not None else None,
        cost_seconds=trial.duration.total_seconds() if trial.duration else None,
        worker_id=f"optuna:{study_name}#{trial.number}",
        task_name=study_name if several else "",
    )


def _domains(trials: Sequence[FrozenTrial]) -> dict[str, Domain]:
    """For each parameter a domain that contains all its distributions in ended trials, in the order of first use."""
    domains: dict[str, dict[Any, Domain]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            of_name = domains.setdefault(name, {})
            key = repr(distribution)
            if key not in of_name:
                of_name[key] = _domain(distribution)
    return {name: merged(of_name.values()) for name, of_name in domains.items()}


def _domain(distribution: Any) -> Domain:
    kind = type(distribution).__name__
    if kind == "CategoricalDistribution":
        return Categorical(tuple(_choices(distribution.choices).values()))
    if kind == "IntDistribution":
        if distribution.step > 1 and (grid := _grid(distribution)):
            return Categorical(tuple(map(int, grid)))
        return Integer(distribution.low, distribution.high, distribution.log)
    if kind == "FloatDistribution":
        if distribution.step is not None and (grid := _grid(distribution)):
            return Categorical(tuple(map(float, grid)))
        return Float(distribution.low, distribution.high, distribution.log)
    raise UsageProblem(f"a distribution of kind {kind} has no counterpart")


def _grid(distribution: Any) -> list[Any]:
    """The points from low to high as Optuna computes them; empty if there are too many."""
    low, high, step = distribution.low, distribution.high, distribution.step
    count = round((high - low) / step) + 1
    return [min(index * step + low, high) for index in range(count)] if count <= MAX_GRID_POINTS else []


def _value(value: Any, distribution: Any) -> Value:
    if type(distribution).__name__ == "CategoricalDistribution":
        index = distribution.to_internal_repr(value)
        return list(_choices(distribution.choices).values())[int(index)]
    plain: Value = value
    return plain


def _choices(choices: Sequence[Any]) -> Mapping[int, Value]:
    """Choices by index: values as they are, others as text; all as text if two would be equal."""
    plain = [
        choice
        if isinstance(choice, str | bool | int) or (isinstance(choice, float) and math.isfinite(choice))
        else None
        for choice in choices
    ]
    values: list[Value] = [
        str(choice) if value is None else value for choice, value in zip(choices, plain, strict=True)
    ]
    if len(set(map(value_key, values))) < len(values):
        values = [repr(choice) for choice in choices]
    return dict(enumerate(values))
