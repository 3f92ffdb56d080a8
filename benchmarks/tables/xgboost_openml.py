"""XGBoost on OpenML data sets as a search: the settings that YAHPO's surrogate was asked about on every task.

YAHPO Gym (Pfisterer et al., AutoML-Conf 2022, folder rbv2_xgboost) predicts what a run would give; nothing was trained
for this table. A search chooses among the configurations that all tasks have (``pool``): a scrambled Sobol design, the
defaults of well-known libraries, and the best that was found for each task. Only tasks whose values are plausible
(``task_ok``) are offered, and no configuration of the booster dart, where the surrogate is at its worst. Validation
accuracy, higher is better.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables.table import NOT_IN_TABLE, MissingTable, Table
from headstart.spaces import Candidate, Categorical, Condition, Float, Integer, Parameter, SearchSpace, canonicalize
from headstart.values import ExperimentStatus, Objective, Outcome, Task

XGBOOST_FILE = Path("yahpo_xgboost") / "yahpo_xgboost_dev.npz"
_LEFT_OUT = "dart"
# Row of the pool that stands for the library as it comes.
_DEFAULT = "xgboost_default_100"
_METRIC = "acc"


@dataclass(frozen=True)
class _Held:
    """What the file says, without dart: ``values`` [tasks, candidates] of the tasks in ``tasks``."""

    space: SearchSpace
    tasks: tuple[Task, ...]
    candidates: tuple[Candidate, ...]
    fingerprints: tuple[str, ...]
    values: Any
    default: Candidate


class XgboostTable(Table):
    """One data set; ``pool`` are the settings that were predicted, ``default`` those of the library."""

    def __init__(self, folder: Path, number: int) -> None:
        held = _held(folder)
        super().__init__(held.tasks[number], held.space)
        self.pool = held.candidates
        self.default = held.default
        self._values = dict(zip(held.fingerprints, map(float, held.values[number]), strict=True))

    def value(self, candidate: Candidate) -> float | None:
        return self._values.get(canonicalize(self.space, candidate).fingerprint)

    def evaluate(self, candidate: Candidate, generator: random.Random) -> Outcome:
        value = self.value(candidate)
        return NOT_IN_TABLE if value is None else Outcome(ExperimentStatus.COMPLETED, value)

    def distinct_values(self) -> Sequence[float]:
        return list(self._values.values())


def xgboost_tables(folder: Path) -> list[XgboostTable]:
    """One for each data set. Raises MissingTable where the folder does not hold them."""
    return [XgboostTable(folder, number) for number in range(len(_held(folder).tasks))]


@cache
def _held(folder: Path) -> _Held:
    path = folder / XGBOOST_FILE
    if not path.is_file():
        raise MissingTable(f"no XGBoost table in {path}: give the folder that holds {XGBOOST_FILE.parent} with --data")
    with np.load(path, allow_pickle=False) as held:
        content = dict(held)
    columns = json.loads(str(content["space_json"]))
    space = _space(columns)
    chosen: dict[str, Candidate] = {}
    places: list[int] = []
    for place, row in enumerate(np.concatenate([content["config"], content["elite_config"]])):
        candidate = _candidate(space, columns, row)
        if candidate is not None:
            fingerprint = canonicalize(space, candidate).fingerprint
            if fingerprint not in chosen:
                chosen[fingerprint] = candidate
                places.append(place)
    metric = [str(name) for name in content["targets"]].index(_METRIC)
    values = np.concatenate([content["value"], content["elite_value"]], axis=1)[:, places, metric]
    named = [str(name) for name in content["default_names"]].index(_DEFAULT)
    default = _candidate(
        space, columns, content["config"][len(content["config"]) - len(content["default_names"]) + named]
    )
    assert default is not None
    plausible = np.flatnonzero(content["task_ok"])
    return _Held(
        space,
        tuple(_task(content, int(number)) for number in plausible),
        tuple(chosen.values()),
        tuple(chosen),
        values[plausible],
        default,
    )


def _space(columns: Sequence[Mapping[str, Any]]) -> SearchSpace:
    """As declared, without the booster that is left out and what it alone has."""
    parameters = []
    for column in columns:
        condition = column.get("condition")
        allowed = () if condition is None else tuple(each for each in condition["values"] if each != _LEFT_OUT)
        if condition is not None and not allowed:
            continue
        domain: Categorical | Integer | Float
        if column["kind"] == "categorical":
            domain = Categorical(tuple(choice for choice in column["choices"] if choice != _LEFT_OUT))
        elif column["kind"] == "integer":
            domain = Integer(int(column["low"]), int(column["high"]), bool(column["log"]))
        else:
            domain = Float(float(column["low"]), float(column["high"]), bool(column["log"]))
        held = None if condition is None else Condition(condition["parent"], allowed)
        parameters.append(Parameter(column["name"], domain, held))
    # A condition names a parameter that is declared before.
    parameters.sort(key=lambda parameter: parameter.condition is not None)
    return SearchSpace("xgboost", tuple(parameters), description="XGBoost with boosters gbtree and gblinear")


def _candidate(space: SearchSpace, columns: Sequence[Mapping[str, Any]], row: Any) -> Candidate | None:
    """None for what is left out. Numbers are held within their bounds, which the file's 32 bits may miss."""
    numbers = {column["name"]: (column, float(value)) for column, value in zip(columns, row, strict=True)}
    values: dict[str, str | int | float] = {}
    for parameter in space.parameters:
        column, value = numbers[parameter.name]
        if np.isnan(value):
            continue
        if isinstance(parameter.domain, Categorical):
            choice = column["choices"][int(value)]
            if choice == _LEFT_OUT:
                return None
            values[parameter.name] = choice
        else:
            number = int(value) if isinstance(parameter.domain, Integer) else float(f"{value:.7g}")
            values[parameter.name] = min(parameter.domain.upper, max(parameter.domain.lower, number))
    return Candidate(values)


def _task(content: Mapping[str, Any], number: int) -> Task:
    named, dataset = str(content["name"][number]), str(content["tasks"][number])
    counts = {"instances": "n_instances", "features": "n_features", "classes": "n_classes"}
    return Task(
        task_id=f"xgboost-{dataset}",
        objective=Objective("validation_accuracy"),
        description=f"XGBoost on {named or 'OpenML data set ' + dataset}, as predicted by YAHPO Gym",
        descriptor={
            "modality": "table",
            "problem": "classification",
            "dataset": named or f"openml {dataset}",
        },
        # -1 where it is not known.
        meta_features={
            name: float(content[column][number]) for name, column in counts.items() if content[column][number] > 0
        },
    )
