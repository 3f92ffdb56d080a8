"""Between protobuf and the plain values of what is sent to the service: search spaces, candidates, tasks, experiments.

The one place to import from: what concerns search spaces is in ``codec_spaces`` and named here too; the service's
answers are in ``codec_answers``. Messages whose structure is wrong raise InvalidInput with the path of the field.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headstart.accepting import is_number, of_kind, pairs_of, refused
from headstart.codec.spaces import (
    candidate_from_proto,
    candidate_to_proto,
    condition_from_proto,
    condition_to_proto,
    entry,
    enum_from_proto,
    graph_from_proto,
    graph_to_proto,
    invalid,
    parameter_from_proto,
    parameter_to_proto,
    parameters_from_proto,
    space_from_proto,
    space_to_proto,
    value_from_proto,
    value_to_proto,
    values_from_proto,
    values_to_proto,
)
from headstart.v1 import experiment_pb2, task_pb2
from headstart.values import (
    CurvePoint,
    Direction,
    Experiment,
    ExperimentStatus,
    Incumbent,
    Objective,
    Outcome,
    Task,
    TaskSummary,
)

__all__ = [
    "candidate_from_proto",
    "candidate_to_proto",
    "condition_from_proto",
    "condition_to_proto",
    "curve_from_proto",
    "curve_to_proto",
    "entry",
    "enum_from_proto",
    "experiment_from_proto",
    "experiment_to_proto",
    "graph_from_proto",
    "graph_to_proto",
    "incumbent_from_proto",
    "incumbent_to_proto",
    "invalid",
    "outcome_from_proto",
    "outcome_to_proto",
    "parameter_from_proto",
    "parameter_to_proto",
    "parameters_from_proto",
    "space_from_proto",
    "space_to_proto",
    "task_from_proto",
    "task_to_proto",
    "time_from_proto",
    "time_or_none",
    "time_to_proto",
    "value_from_proto",
    "value_to_proto",
    "values_from_proto",
    "values_to_proto",
]


def time_to_proto(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_from_proto(message: Timestamp, field: str = "time") -> datetime:
    """Raises InvalidInput."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid(field, "must be a time of the years 1 to 9999") from None


def time_or_none(message: Message, name: str, field: str = "") -> datetime | None:
    """The time in a field of a message, None without one. Raises InvalidInput naming it below ``field``."""
    if not message.HasField(name):
        return None
    return time_from_proto(getattr(message, name), f"{field}.{name}" if field else name)


def incumbent_to_proto(incumbent: Incumbent | None) -> task_pb2.Incumbent | None:
    if incumbent is None:
        return None
    return task_pb2.Incumbent(experiment_id=incumbent.experiment_id, objective_value=incumbent.objective_value)


def incumbent_from_proto(message: task_pb2.Incumbent) -> Incumbent:
    return Incumbent(message.experiment_id, message.objective_value)


def task_to_proto(task: Task) -> task_pb2.Task:
    """Raises InvalidInput for a value that is not a task."""
    of_kind(of_kind(task, Task, "task").objective, Objective, "task.objective")
    return task_pb2.Task(
        task_id=task.task_id,
        description=task.description,
        objective=task_pb2.Objective(
            metric=task.objective.metric, direction=cast("task_pb2.Direction", task.objective.direction.value)
        ),
        descriptor=dict(task.descriptor),
        meta_features=dict(task.meta_features),
        fidelity_unit=task.fidelity_unit,
        max_fidelity=task.max_fidelity,
        create_time=time_to_proto(task.create_time),
        update_time=time_to_proto(task.update_time),
        summaries=[
            task_pb2.TaskSummary(
                search_space_id=summary.search_space_id,
                experiment_count=summary.experiment_count,
                completed_count=summary.completed_count,
                incumbent=incumbent_to_proto(summary.incumbent),
            )
            for summary in task.summaries
        ],
    )


def task_from_proto(message: task_pb2.Task, field: str = "task") -> Task:
    if not message.HasField("objective"):
        raise invalid(f"{field}.objective", "missing")
    direction = enum_from_proto(Direction, message.objective.direction, f"{field}.objective.direction")
    return Task(
        task_id=message.task_id,
        objective=Objective(message.objective.metric, direction),
        description=message.description,
        descriptor=dict(message.descriptor),
        meta_features=dict(message.meta_features),
        fidelity_unit=message.fidelity_unit,
        max_fidelity=message.max_fidelity,
        create_time=time_or_none(message, "create_time", field),
        update_time=time_or_none(message, "update_time", field),
        summaries=tuple(
            TaskSummary(
                summary.search_space_id,
                summary.experiment_count,
                summary.completed_count,
                incumbent_from_proto(summary.incumbent) if summary.HasField("incumbent") else None,
            )
            for summary in message.summaries
        ),
    )


def curve_to_proto(curve: Iterable[CurvePoint], field: str = "learning_curve") -> list[experiment_pb2.CurvePoint]:
    """Raises InvalidInput for a value that is not a curve."""
    return [experiment_pb2.CurvePoint(fidelity=fidelity, value=value) for fidelity, value in pairs_of(curve, field)]


def curve_from_proto(messages: Iterable[experiment_pb2.CurvePoint]) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(message.fidelity, message.value) for message in messages)


def outcome_to_proto(outcome: Outcome, field: str = "outcome") -> experiment_pb2.Outcome:
    """A number is the value of a completed training. Raises InvalidInput for other values."""
    if is_number(outcome):
        outcome = Outcome(ExperimentStatus.COMPLETED, float(cast(float, outcome)))
    if not isinstance(outcome, Outcome):
        raise refused(field, "an Outcome or a number", outcome)
    return experiment_pb2.Outcome(
        status=cast("experiment_pb2.ExperimentStatus", outcome.status.value),
        objective_value=outcome.objective_value,
        metrics=dict(outcome.metrics),
        learning_curve=curve_to_proto(outcome.learning_curve, f"{field}.learning_curve"),
        fidelity=outcome.fidelity,
        cost_seconds=outcome.cost_seconds,
        proxies=dict(outcome.proxies),
        seed=outcome.seed,
    )


def outcome_from_proto(message: experiment_pb2.Outcome, field: str = "outcome") -> Outcome:
    return Outcome(
        status=enum_from_proto(ExperimentStatus, message.status, f"{field}.status"),
        objective_value=message.objective_value if message.HasField("objective_value") else None,
        metrics=dict(message.metrics),
        learning_curve=curve_from_proto(message.learning_curve),
        fidelity=message.fidelity if message.HasField("fidelity") else None,
        cost_seconds=message.cost_seconds if message.HasField("cost_seconds") else None,
        proxies=dict(message.proxies),
        seed=message.seed if message.HasField("seed") else None,
    )


def experiment_to_proto(experiment: Experiment) -> experiment_pb2.Experiment:
    return experiment_pb2.Experiment(
        experiment_id=experiment.experiment_id,
        task_id=experiment.task_id,
        search_space_id=experiment.search_space_id,
        candidate=candidate_to_proto(experiment.candidate),
        fingerprint=experiment.fingerprint,
        outcome=outcome_to_proto(experiment.outcome),
        decision_id=experiment.decision_id,
        worker_id=experiment.worker_id,
        record_time=time_to_proto(experiment.record_time),
    )


def experiment_from_proto(message: experiment_pb2.Experiment, field: str = "experiment") -> Experiment:
    return Experiment(
        experiment_id=message.experiment_id,
        task_id=message.task_id,
        search_space_id=message.search_space_id,
        candidate=candidate_from_proto(message.candidate, f"{field}.candidate"),
        fingerprint=message.fingerprint,
        outcome=outcome_from_proto(message.outcome, f"{field}.outcome"),
        decision_id=message.decision_id,
        worker_id=message.worker_id,
        record_time=time_or_none(message, "record_time"),
    )
