"""Spaces, tasks and experiments as plain JSON values and back: what an export file holds.

Missing fields are left out. Numbers keep their kind (3 and 3.0 differ); NaN and the infinities, which JSON lacks, are
the texts "NaN", "Infinity" and "-Infinity" where a number stands. What the service gives of itself (summaries and times
of tasks) is not written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from headstart.spaces.declaration import (
    Candidate,
    Categorical,
    Condition,
    Domain,
    EdgeTemplate,
    Float,
    Graph,
    GraphTemplate,
    Integer,
    Node,
    NodeTemplate,
    OpRole,
    Ordering,
    Parameter,
    ParameterRole,
    SearchSpace,
    Value,
    ValueOf,
)
from headstart.values import CurvePoint, Direction, Experiment, ExperimentStatus, Objective, Outcome, Task

Json = dict[str, Any]


def number_to_json(number: float) -> float | str:
    if math.isfinite(number):
        return float(number)
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def number_from_json(value: float | str) -> float:
    return float(value)


def _without_empty(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None and value not in ("", {}, [])}


# Search spaces


def space_to_json(space: SearchSpace) -> Json:
    template = space.graph_template
    return _without_empty(
        {
            "search_space_id": space.search_space_id,
            "description": space.description,
            "parameters": [_parameter_to_json(parameter) for parameter in space.parameters],
            "graph_template": None if template is None else _template_to_json(template),
            "op_roles": {op: role.name for op, role in space.op_roles.items()},
            "explicit_graphs": True if space.explicit_graphs else None,
        }
    )


def space_from_json(stored: Json) -> SearchSpace:
    template = stored.get("graph_template")
    return SearchSpace(
        stored["search_space_id"],
        tuple(_parameter_from_json(parameter) for parameter in stored.get("parameters", [])),
        None if template is None else _template_from_json(template),
        {op: OpRole[role] for op, role in stored.get("op_roles", {}).items()},
        stored.get("explicit_graphs", False),
        stored.get("description", ""),
    )


def _parameter_to_json(parameter: Parameter) -> Json:
    role = {} if parameter.role is None else {"role": parameter.role.name}
    default = {} if parameter.default is None else {"default_value": parameter.default}
    return {
        "name": parameter.name,
        **_domain_to_json(parameter.domain),
        **_condition_to_json(parameter.condition),
        **role,
        **default,
    }


def _parameter_from_json(stored: Json) -> Parameter:
    role = ParameterRole[stored["role"]] if "role" in stored else None
    condition = _condition_from_json(stored.get("condition"))
    return Parameter(stored["name"], _domain_from_json(stored), condition, role, stored.get("default_value"))


def _domain_to_json(domain: Domain) -> Json:
    if isinstance(domain, Categorical):
        ordering = {} if domain.ordering is Ordering.AUTO else {"ordering": domain.ordering.name}
        return {"type": "categorical", "choices": list(domain.choices), **ordering}
    kind, number = ("integer", int) if isinstance(domain, Integer) else ("float", float)
    bounds = {"lower": number(domain.lower), "upper": number(domain.upper)}
    return {"type": kind, **bounds, "logarithmic": domain.logarithmic}


def _domain_from_json(stored: Json) -> Domain:
    if stored["type"] == "categorical":
        return Categorical(tuple(stored["choices"]), Ordering[stored.get("ordering", "AUTO")])
    kind = Integer if stored["type"] == "integer" else Float
    return kind(stored["lower"], stored["upper"], stored["logarithmic"])


def _condition_to_json(condition: Condition | None) -> Json:
    if condition is None:
        return {}
    return {"condition": {"parameter": condition.parameter, "values": list(condition.values)}}


def _condition_from_json(stored: Json | None) -> Condition | None:
    return None if stored is None else Condition(stored["parameter"], tuple(stored["values"]))


def _template_to_json(template: GraphTemplate) -> Json:
    return {
        "nodes": [
            {
                "name": node.name,
                "op": _source_to_json(node.op),
                "attributes": {name: _source_to_json(source) for name, source in node.attributes.items()},
            }
            for node in template.nodes
        ],
        "edges": [
            {"source": edge.source, "target": edge.target, **_condition_to_json(edge.condition)}
            for edge in template.edges
        ],
    }


def _template_from_json(stored: Json) -> GraphTemplate:
    return GraphTemplate(
        tuple(
            NodeTemplate(
                node["name"],
                cast("str | ValueOf", _source_from_json(node["op"])),
                {name: _source_from_json(source) for name, source in node["attributes"].items()},
            )
            for node in stored["nodes"]
        ),
        tuple(
            EdgeTemplate(edge["source"], edge["target"], _condition_from_json(edge.get("condition")))
            for edge in stored["edges"]
        ),
    )


def _source_to_json(source: Value | ValueOf) -> Any:
    return {"parameter": source.parameter} if isinstance(source, ValueOf) else source


def _source_from_json(stored: Any) -> Value | ValueOf:
    return ValueOf(stored["parameter"]) if isinstance(stored, dict) else cast(Value, stored)


# Tasks


def task_to_json(task: Task) -> Json:
    return _without_empty(
        {
            "task_id": task.task_id,
            "description": task.description,
            "objective": {"metric": task.objective.metric, "direction": task.objective.direction.name},
            "descriptor": dict(task.descriptor),
            "meta_features": {name: number_to_json(number) for name, number in task.meta_features.items()},
            "fidelity_unit": task.fidelity_unit,
            "max_fidelity": task.max_fidelity or None,
        }
    )


def task_from_json(stored: Json) -> Task:
    objective = stored["objective"]
    return Task(
        stored["task_id"],
        Objective(objective["metric"], Direction[objective["direction"]]),
        stored.get("description", ""),
        stored.get("descriptor", {}),
        _numbers(stored.get("meta_features", {})),
        stored.get("fidelity_unit", ""),
        stored.get("max_fidelity", 0.0),
    )


# Experiments


def candidate_to_json(candidate: Candidate) -> Json:
    graph = candidate.graph
    if graph is None:
        return {"values": dict(candidate.values)}
    return {
        "values": dict(candidate.values),
        "graph": {
            "nodes": [{"op": node.op, "attributes": dict(node.attributes)} for node in graph.nodes],
            "edges": [list(edge) for edge in graph.edges],
        },
    }


def candidate_from_json(stored: Json) -> Candidate:
    graph, values = stored.get("graph"), dict(stored["values"])
    if graph is None:
        return Candidate(values)
    nodes = tuple(Node(node["op"], node["attributes"]) for node in graph["nodes"])
    return Candidate(values, Graph(nodes, tuple((source, target) for source, target in graph["edges"])))


def experiment_to_json(experiment: Experiment) -> Json:
    outcome = experiment.outcome
    value = outcome.objective_value
    return _without_empty(
        {
            "experiment_id": experiment.experiment_id,
            "task_id": experiment.task_id,
            "search_space_id": experiment.search_space_id,
            "candidate": candidate_to_json(experiment.candidate),
            "fingerprint": experiment.fingerprint,
            "status": outcome.status.name,
            "objective_value": None if value is None else number_to_json(value),
            "metrics": {name: number_to_json(number) for name, number in outcome.metrics.items()},
            "learning_curve": [
                [number_to_json(point.fidelity), number_to_json(point.value)] for point in outcome.learning_curve
            ],
            "fidelity": outcome.fidelity,
            "cost_seconds": outcome.cost_seconds,
            "proxies": {name: number_to_json(number) for name, number in outcome.proxies.items()},
            "seed": outcome.seed,
            "decision_id": experiment.decision_id,
            "worker_id": experiment.worker_id,
            "record_time": experiment.record_time.isoformat() if experiment.record_time else None,
        }
    )


def experiment_from_json(stored: Json) -> Experiment:
    """Raises KeyError, TypeError or ValueError for content that is not an experiment."""
    value, time = stored.get("objective_value"), stored.get("record_time")
    return Experiment(
        stored["experiment_id"],
        stored["task_id"],
        stored["search_space_id"],
        candidate_from_json(stored["candidate"]),
        stored.get("fingerprint", ""),
        Outcome(
            ExperimentStatus[stored["status"]],
            None if value is None else number_from_json(value),
            _numbers(stored.get("metrics", {})),
            tuple(
                CurvePoint(number_from_json(fidelity), number_from_json(reached))
                for fidelity, reached in stored.get("learning_curve", [])
            ),
            stored.get("fidelity"),
            stored.get("cost_seconds"),
            _numbers(stored.get("proxies", {})),
            stored.get("seed"),
        ),
        stored.get("decision_id", ""),
        stored.get("worker_id", ""),
        None if time is None else datetime.fromisoformat(time),
    )


def _numbers(stored: Mapping[str, float | str]) -> dict[str, float]:
    return {name: number_from_json(number) for name, number in stored.items()}
