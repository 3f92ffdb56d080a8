"""Changes that a mapping file makes to the runs of Optuna, MLflow and Ray Tune, which know their own columns.

These entries of the mapping file count: ``task``, ``space``, ``convert``, and of ``columns`` parameters, metrics,
proxies, objective and seed. They say which parameters are taken and under which name, which metrics are kept, and
which are proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from headstart.history.cells import Unreadable, convert, plain_value
from headstart.history.mapping import Mapped, Met, read_mapping, task_template
from headstart.history.model import Note, Run, UsageProblem
from headstart.history.sources import Request, SourceHistory, listed
from headstart.spaces.declaration import Value
from headstart.values import Direction, Task

_COLUMNS = {"objective", "seed"}


def mapping_for(request: Request) -> Mapped:
    """The mapping file of a request, empty without one. Raises UsageProblem for entries that do not apply here."""
    if request.mapping is None:
        return Mapped()
    mapping = read_mapping(request.mapping)
    unused = sorted(set(mapping.columns) - _COLUMNS) + (["constants"] if mapping.constants else [])
    unused += ["task.column"] if "column" in mapping.task else []
    if isinstance(mapping.parameters, str):
        unused.append("columns.parameters as the name of one column")
    if unused:
        raise UsageProblem(f"{request.mapping}: {', '.join(unused)} means nothing for {request.source}")
    return mapping


def objective_named(request: Request, mapping: Mapped, metrics: Callable[[], Iterable[str]] = tuple[str, ...]) -> str:
    """The metric that is the objective. Raises UsageProblem with the known ``metrics`` if it was not given."""
    name = request.objective or mapping.columns.get("objective") or mapping.task.get("metric")
    if not name:
        shown = listed(sorted(set(metrics())))
        there = f"; there are: {shown}" if shown else ""
        raise UsageProblem(f"say which metric is the objective: --objective METRIC{there}")
    return str(name)


def task_for(request: Request, mapping: Mapped, metric: str, description: str, fidelity_unit: str) -> Task:
    """Raises UsageProblem if the direction was not given."""
    direction: Direction | None = request.direction
    task = task_template(mapping, direction, metric)
    return replace(
        task,
        description=task.description or description,
        fidelity_unit=task.fidelity_unit or fidelity_unit,
    )


def selected(history: SourceHistory, mapping: Mapped) -> SourceHistory:
    """The history as the mapping file selects it. Raises UsageProblem for a conversion that a metric cannot have."""
    runs: Callable[[], Iterator[Run | Note]] = history.runs
    objective = history.task.objective.metric
    _check_conversions(objective, mapping)
    met = Met(mapping)

    def chosen_runs() -> Iterator[Run | Note]:
        for entry in runs():
            try:
                changed = _selected(entry, mapping, objective) if isinstance(entry, Run) else entry
            except Unreadable as problem:
                yield Note(entry.locator, str(problem))
                continue
            if isinstance(entry, Run):
                _meet(met, entry, objective)
            yield changed

    parameters = mapping.parameters
    domains = history.domains
    if isinstance(parameters, Mapping):
        domains = {name: domains[column] for name, column in parameters.items() if column in domains}
    seed = mapping.columns.get("seed")
    domains = {name: domain for name, domain in domains.items() if name != seed}
    return replace(
        history,
        runs=chosen_runs,
        search_space_id=mapping.search_space_id,
        space_description=mapping.space_description or history.space_description,
        domains={**domains, **mapping.domains},
        conditions=mapping.conditions,
        always=frozenset(mapping.domains) - frozenset(mapping.conditions),
        met=met,
    )


def text_value(text: str, column: str, mapping: Mapped) -> Value:
    """The value of a parameter's text; the text itself if the mapping file gives a type."""
    conversion = mapping.conversions.get(column)
    return plain_value(text) if conversion is None or not conversion.kind else text


def _check_conversions(objective: str, mapping: Mapped) -> None:
    """Metrics are numbers at their source, so only their scale can be converted."""
    parameters = mapping.parameters.values() if isinstance(mapping.parameters, Mapping) else ()
    for column in (objective, *(mapping.metrics or {}).values(), *mapping.proxies.values()):
        conversion = mapping.conversions.get(column)
        if conversion is not None and (conversion.values or conversion.kind) and column not in parameters:
            raise UsageProblem(f"convert.{column}: of a metric only scale and offset can be converted")


def _selected(run: Run, mapping: Mapped, objective: str) -> Run:
    values = {name: _converted(value, name, mapping) for name, value in run.values.items()}
    notes = run.notes
    seed = run.seed
    if "seed" in mapping.columns:
        cached = values.pop(mapping.columns["seed"], None)
        if isinstance(cached, int) and not isinstance(cached, bool):
            seed = cached
        elif cached is not None:
            notes = (*notes, f"the seed {cached!r} is no whole number: left out")
    if isinstance(mapping.parameters, Mapping):
        values = {name: values[column] for name, column in mapping.parameters.items() if column in values}
    metrics = {name: _scaled(number, name, mapping) for name, number in run.metrics.items()}
    proxies = {name: metrics.pop(column) for name, column in mapping.proxies.items() if column in metrics}
    if mapping.metrics is not None:
        metrics = {name: metrics[column] for name, column in mapping.metrics.items() if column in metrics}
    value = run.objective_value
    return replace(
        run,
        values=values,
        objective_value=None if value is None else _scaled(value, objective, mapping),
        metrics=metrics,
        learning_curve=tuple(
            replace(point, value=_scaled(point.value, objective, mapping)) for point in run.learning_curve
        ),
        proxies={**run.proxies, **proxies},
        seed=seed,
        notes=notes,
    )


def _meet(met: Met, run: Run, objective: str) -> None:
    met.any_run = True
    met.add(run.values)
    met.columns.update(run.metrics)
    if run.objective_value is not None:
        met.convertible.add(objective)
    for column in run.metrics.keys() & met.mapping.conversions.keys():
        # There are no words to convert here.
        if not (met.mapping.conversions[column].kind or met.mapping.conversions[column].values):
            met.convertible.add(column)


def _converted(value: Value, column: str, mapping: Mapped) -> Value:
    conversion = mapping.conversions.get(column)
    if conversion is None:
        return value
    converted = convert(value, conversion, column)
    if not isinstance(converted, Value):
        raise Unreadable(f"parameter {column!r} is {str(converted)[:80]}: neither word, number nor truth value")
    return converted


def _scaled(number: float, column: str, mapping: Mapped) -> float:
    conversion = mapping.conversions.get(column)
    return number if conversion is None else conversion.scaled(number)
