"""Between protobuf and the plain values about the knowledge base: what to list, what is like what, models, clusters.

The same rules as in ``codec``: a message whose structure is wrong raises InvalidInput with the path of the field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from headstart.codec.answers import (
    gate_from_proto,
    gate_to_proto,
    similar_task_from_proto,
    similar_task_to_proto,
    suggestion_from_proto,
    suggestion_to_proto,
)
from headstart.codec.values import (
    candidate_from_proto,
    candidate_to_proto,
    enum_from_proto,
    invalid,
    time_or_none,
    time_to_proto,
)
from headstart.v1 import experiment_pb2
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.values import (
    ArchitectureMatch,
    ArchitectureMatches,
    ArchitectureResult,
    ExperimentFilter,
    ExperimentStatus,
    Explanation,
    NumberRange,
    Predictor,
    SourceWeights,
    TaskCluster,
    TaskPosition,
    ValidationFigures,
)

_MAX_NODE_COUNT = 2**32 - 1


def filter_to_proto(filter_: ExperimentFilter, field: str = "filter") -> knowledge_pb2.ExperimentFilter:
    return knowledge_pb2.ExperimentFilter(
        statuses=[cast("experiment_pb2.ExperimentStatus", status.value) for status in filter_.statuses],
        min_objective_value=filter_.objective_value.lower,
        max_objective_value=filter_.objective_value.upper,
        min_node_count=_node_count(filter_.node_count.lower, f"{field}.min_node_count"),
        max_node_count=_node_count(filter_.node_count.upper, f"{field}.max_node_count"),
        proxies={name: range_to_proto(numbers) for name, numbers in filter_.proxies.items()},
        recorded_from=time_to_proto(filter_.recorded_from),
        recorded_before=time_to_proto(filter_.recorded_before),
    )


def _statuses_from_proto(numbers: Iterable[int], field: str) -> tuple[ExperimentStatus, ...]:
    """Distinct statuses, in the order of their first occurrence."""
    indices: dict[int, int] = {}
    for index, number in enumerate(numbers):
        indices.setdefault(number, index)
    return tuple(enum_from_proto(ExperimentStatus, number, f"{field}[{index}]") for number, index in indices.items())


def filter_from_proto(message: knowledge_pb2.ExperimentFilter, field: str = "filter") -> ExperimentFilter:
    return ExperimentFilter(
        statuses=_statuses_from_proto(message.statuses, f"{field}.statuses"),
        objective_value=NumberRange(
            message.min_objective_value if message.HasField("min_objective_value") else None,
            message.max_objective_value if message.HasField("max_objective_value") else None,
        ),
        node_count=NumberRange(
            message.min_node_count if message.HasField("min_node_count") else None,
            message.max_node_count if message.HasField("max_node_count") else None,
        ),
        proxies={name: range_from_proto(numbers) for name, numbers in message.proxies.items()},
        recorded_from=time_or_none(message, "recorded_from", field),
        recorded_before=time_or_none(message, "recorded_before", field),
    )


def range_to_proto(numbers: NumberRange) -> knowledge_pb2.NumberRange:
    return knowledge_pb2.NumberRange(lower=numbers.lower, upper=numbers.upper)


def range_from_proto(message: knowledge_pb2.NumberRange) -> NumberRange:
    return NumberRange(
        message.lower if message.HasField("lower") else None, message.upper if message.HasField("upper") else None
    )


def _node_count(number: float | None, field: str) -> int | None:
    if number is None:
        return None
    if number != int(number) or not 0 <= number <= _MAX_NODE_COUNT:
        raise invalid(field, f"must be a whole number from 0 to {_MAX_NODE_COUNT}, got {number}")
    return int(number)


def cluster_to_proto(cluster: TaskCluster) -> knowledge_pb2.TaskCluster:
    return knowledge_pb2.TaskCluster(
        name=cluster.name,
        task_ids=cluster.task_ids,
        description=cluster.description,
        positions=[knowledge_pb2.TaskPosition(x=position.x, y=position.y) for position in cluster.positions],
        medoid_task_id=cluster.medoid_task_id,
        silhouette=cluster.silhouette,
        update_time=time_to_proto(cluster.update_time),
    )


def cluster_from_proto(message: knowledge_pb2.TaskCluster) -> TaskCluster:
    return TaskCluster(
        message.name,
        tuple(message.task_ids),
        message.description,
        tuple(TaskPosition(position.x, position.y) for position in message.positions),
        message.medoid_task_id,
        message.silhouette if message.HasField("silhouette") else None,
        time_or_none(message, "update_time"),
    )


def explanation_to_proto(answer: Explanation) -> knowledge_pb2.ExplainTaskResponse:
    return knowledge_pb2.ExplainTaskResponse(
        similar_tasks=[similar_task_to_proto(similar) for similar in answer.similar_tasks],
        gate=gate_to_proto(answer.gate),
        explanation=answer.explanation,
        suggestions=[suggestion_to_proto(suggestion) for suggestion in answer.suggestions],
        history=[
            knowledge_pb2.SourceWeights(
                completed_count=each.completed_count, own_share=each.own_share, weights=each.weights
            )
            for each in answer.history
        ],
    )


def explanation_from_proto(message: knowledge_pb2.ExplainTaskResponse) -> Explanation:
    return Explanation(
        tuple(similar_task_from_proto(each, f"similar_tasks[{i}]") for i, each in enumerate(message.similar_tasks)),
        gate_from_proto(message.gate) if message.HasField("gate") else None,
        message.explanation,
        tuple(suggestion_from_proto(each, f"suggestions[{i}]") for i, each in enumerate(message.suggestions)),
        tuple(SourceWeights(each.completed_count, each.own_share, dict(each.weights)) for each in message.history),
    )


def architecture_matches_to_proto(answer: ArchitectureMatches) -> knowledge_pb2.SearchArchitecturesResponse:
    return knowledge_pb2.SearchArchitecturesResponse(
        matches=[
            knowledge_pb2.ArchitectureMatch(
                candidate=candidate_to_proto(match.candidate),
                fingerprint=match.fingerprint,
                distance=match.distance,
                results=[
                    knowledge_pb2.ArchitectureResult(
                        task_id=result.task_id,
                        experiment_id=result.experiment_id,
                        objective_value=result.objective_value,
                    )
                    for result in match.results
                ],
                upper_bound=match.upper_bound,
            )
            for match in answer.matches
        ],
        degraded=answer.degraded,
        embedding_version=answer.embedding_version,
    )


def architecture_matches_from_proto(message: knowledge_pb2.SearchArchitecturesResponse) -> ArchitectureMatches:
    matches = tuple(
        ArchitectureMatch(
            candidate_from_proto(match.candidate, f"matches[{index}].candidate"),
            match.fingerprint,
            match.distance,
            tuple(
                ArchitectureResult(result.task_id, result.experiment_id, result.objective_value)
                for result in match.results
            ),
            match.upper_bound,
        )
        for index, match in enumerate(message.matches)
    )
    return ArchitectureMatches(matches, message.degraded, message.embedding_version)


def predictor_to_proto(predictor: Predictor) -> knowledge_pb2.GetPredictorResponse:
    return knowledge_pb2.GetPredictorResponse(
        model_version=predictor.model_version,
        kind=predictor.kind,
        training_size=predictor.training_size,
        parameter_count=predictor.parameter_count,
        training_seconds=predictor.training_seconds,
        create_time=time_to_proto(predictor.create_time),
        validation=[
            knowledge_pb2.ValidationFigures(
                task_id=figures.task_id,
                held_out_count=figures.held_out_count,
                kendall_tau=figures.kendall_tau,
                interval_coverage=figures.interval_coverage,
                calibration=[
                    knowledge_pb2.IntervalCoverage(level=level, coverage=coverage)
                    for level, coverage in figures.calibration.items()
                ],
            )
            for figures in predictor.validation
        ],
        device=predictor.device,
    )


def predictor_from_proto(message: knowledge_pb2.GetPredictorResponse) -> Predictor:
    return Predictor(
        message.model_version,
        message.kind,
        message.training_size,
        message.parameter_count,
        message.training_seconds,
        time_or_none(message, "create_time"),
        tuple(
            ValidationFigures(
                figures.task_id,
                figures.held_out_count,
                figures.kendall_tau,
                figures.interval_coverage if figures.HasField("interval_coverage") else None,
                {each.level: each.coverage for each in figures.calibration},
            )
            for figures in message.validation
        ),
        message.device,
    )
