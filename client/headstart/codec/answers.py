"""Between protobuf and the plain values of what the service answers, and of the questions' own parts: queries and arms.

The same rules as in ``codec``: a message whose structure is wrong raises InvalidInput with the path of the field.
"""

from __future__ import annotations

from typing import cast

from headstart.accepting import of_kind
from headstart.codec.values import (
    candidate_from_proto,
    candidate_to_proto,
    curve_from_proto,
    curve_to_proto,
    enum_from_proto,
    incumbent_from_proto,
    incumbent_to_proto,
    outcome_from_proto,
    outcome_to_proto,
    parameter_to_proto,
    parameters_from_proto,
    time_or_none,
    time_to_proto,
    values_from_proto,
    values_to_proto,
)
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart.values import (
    Arm,
    CurveForecast,
    Decision,
    DecisionCredit,
    Estimate,
    Gate,
    GateState,
    Interval,
    MemberPrediction,
    Prediction,
    Predictions,
    Query,
    Record,
    Recorded,
    SimilarityBasis,
    SimilarityKind,
    SimilarTask,
    SourceEvidence,
    StopAdvice,
    Suggestion,
    SuggestionOrigin,
    WarmStart,
)


def query_to_proto(query: Query, field: str = "query") -> meta_pb2.PredictionQuery:
    of_kind(query, Query, field)
    return meta_pb2.PredictionQuery(
        candidate=candidate_to_proto(query.candidate, f"{field}.candidate"),
        learning_curve=curve_to_proto(query.learning_curve, f"{field}.learning_curve"),
        proxies=dict(query.proxies),
        fidelity=query.fidelity,
    )


def query_from_proto(message: meta_pb2.PredictionQuery, field: str = "query") -> Query:
    return Query(
        candidate_from_proto(message.candidate, f"{field}.candidate"),
        curve_from_proto(message.learning_curve),
        dict(message.proxies),
        message.fidelity if message.HasField("fidelity") else None,
    )


def arm_to_proto(arm: Arm, field: str = "arm") -> meta_pb2.Arm:
    of_kind(arm, Arm, field)
    return meta_pb2.Arm(
        name=arm.name,
        hyperparameters=[
            parameter_to_proto(parameter, f"{field}.hyperparameters[{index}]")
            for index, parameter in enumerate(arm.hyperparameters)
        ],
    )


def arm_from_proto(message: meta_pb2.Arm, field: str = "arm") -> Arm:
    return Arm(message.name, parameters_from_proto(message.hyperparameters, f"{field}.hyperparameters"))


def record_to_proto(record: Record) -> meta_pb2.RecordExperimentRequest:
    of_kind(record, Record, "record")
    return meta_pb2.RecordExperimentRequest(
        request_id=record.request_id,
        task_id=record.task_id,
        search_space_id=record.search_space_id,
        candidate=candidate_to_proto(record.candidate),
        outcome=outcome_to_proto(record.outcome),
        decision_id=record.decision_id,
        worker_id=record.worker_id,
    )


def record_from_proto(message: meta_pb2.RecordExperimentRequest, field: str = "") -> Record:
    """``field`` is the path of the record in the request; empty if the record is the request."""
    prefix = f"{field}." if field else ""
    return Record(
        message.task_id,
        message.search_space_id,
        candidate_from_proto(message.candidate, f"{prefix}candidate"),
        outcome_from_proto(message.outcome, f"{prefix}outcome"),
        message.decision_id,
        message.worker_id,
        message.request_id,
    )


def recorded_to_proto(recorded: Recorded) -> meta_pb2.RecordExperimentResponse:
    return meta_pb2.RecordExperimentResponse(
        experiment_id=recorded.experiment_id,
        already_known=recorded.already_known,
        fingerprint=recorded.fingerprint,
        incumbent=incumbent_to_proto(recorded.incumbent),
        equivalent_count=recorded.equivalent_count,
        decision_credit=cast("meta_pb2.DecisionCredit", recorded.decision_credit.value),
    )


def recorded_from_proto(message: meta_pb2.RecordExperimentResponse) -> Recorded:
    return Recorded(
        message.experiment_id,
        message.already_known,
        message.fingerprint,
        incumbent_from_proto(message.incumbent) if message.HasField("incumbent") else None,
        message.equivalent_count,
        DecisionCredit(message.decision_credit)
        if message.decision_credit in meta_pb2.DecisionCredit.values()
        else DecisionCredit.NONE_NAMED,
    )


def estimate_to_proto(estimate: Estimate) -> meta_pb2.Estimate:
    interval = estimate.interval
    return meta_pb2.Estimate(
        mean=estimate.mean,
        standard_deviation=estimate.standard_deviation,
        interval=meta_pb2.Interval(lower=interval.lower, upper=interval.upper, level=interval.level),
    )


def estimate_from_proto(message: meta_pb2.Estimate) -> Estimate:
    interval = message.interval
    return Estimate(message.mean, message.standard_deviation, Interval(interval.lower, interval.upper, interval.level))


def similar_task_to_proto(similar: SimilarTask) -> meta_pb2.SimilarTask:
    return meta_pb2.SimilarTask(
        task_id=similar.task_id,
        weight=similar.weight,
        basis=[
            meta_pb2.SimilarityBasis(
                kind=cast("meta_pb2.SimilarityKind", basis.kind.value),
                value=basis.value,
                count=basis.count,
                details=basis.details,
            )
            for basis in similar.basis
        ],
    )


def similar_task_from_proto(message: meta_pb2.SimilarTask, field: str = "similar_task") -> SimilarTask:
    return SimilarTask(
        message.task_id,
        message.weight,
        tuple(
            SimilarityBasis(
                enum_from_proto(SimilarityKind, basis.kind, f"{field}.basis[{index}].kind"),
                basis.value,
                basis.count,
                tuple(basis.details),
            )
            for index, basis in enumerate(message.basis)
        ),
    )


def gate_to_proto(gate: Gate | None) -> meta_pb2.Gate | None:
    return (
        None if gate is None else meta_pb2.Gate(state=cast("meta_pb2.GateState", gate.state.value), reason=gate.reason)
    )


def gate_from_proto(message: meta_pb2.Gate, field: str = "gate") -> Gate:
    return Gate(enum_from_proto(GateState, message.state, f"{field}.state"), message.reason)


def suggestion_to_proto(suggestion: Suggestion) -> meta_pb2.Suggestion:
    return meta_pb2.Suggestion(
        candidate=candidate_to_proto(suggestion.candidate),
        fingerprint=suggestion.fingerprint,
        prediction=None if suggestion.prediction is None else estimate_to_proto(suggestion.prediction),
        origin=cast("meta_pb2.SuggestionOrigin", suggestion.origin.value),
        sources=[
            meta_pb2.SourceEvidence(
                task_id=source.task_id,
                experiment_id=source.experiment_id,
                objective_value=source.objective_value,
                quantile=source.quantile,
            )
            for source in suggestion.sources
        ],
        reason=suggestion.reason,
    )


def suggestion_from_proto(message: meta_pb2.Suggestion, field: str = "suggestion") -> Suggestion:
    return Suggestion(
        candidate=candidate_from_proto(message.candidate, f"{field}.candidate"),
        fingerprint=message.fingerprint,
        origin=enum_from_proto(SuggestionOrigin, message.origin, f"{field}.origin"),
        prediction=estimate_from_proto(message.prediction) if message.HasField("prediction") else None,
        sources=tuple(
            SourceEvidence(source.task_id, source.experiment_id, source.objective_value, source.quantile)
            for source in message.sources
        ),
        reason=message.reason,
    )


def warm_start_to_proto(answer: WarmStart) -> meta_pb2.WarmStartResponse:
    return meta_pb2.WarmStartResponse(
        suggestions=[suggestion_to_proto(suggestion) for suggestion in answer.suggestions],
        similar_tasks=[similar_task_to_proto(similar) for similar in answer.similar_tasks],
        gate=gate_to_proto(answer.gate),
        model_version=answer.model_version,
        degraded=answer.degraded,
    )


def warm_start_from_proto(message: meta_pb2.WarmStartResponse) -> WarmStart:
    return WarmStart(
        tuple(suggestion_from_proto(each, f"suggestions[{i}]") for i, each in enumerate(message.suggestions)),
        tuple(similar_task_from_proto(each, f"similar_tasks[{i}]") for i, each in enumerate(message.similar_tasks)),
        gate_from_proto(message.gate) if message.HasField("gate") else None,
        message.model_version,
        message.degraded,
    )


def prediction_from_proto(message: meta_pb2.Prediction, field: str = "prediction") -> Prediction:
    forecast = None
    if message.HasField("curve_forecast"):
        predicted = message.curve_forecast
        advice = enum_from_proto(StopAdvice, predicted.advice, f"{field}.curve_forecast.advice")
        forecast = CurveForecast(curve_from_proto(predicted.curve), advice, predicted.reason)
    improves = message.HasField("probability_of_improvement")
    return Prediction(
        estimate=estimate_from_proto(message.estimate),
        probability_of_improvement=message.probability_of_improvement if improves else None,
        members=tuple(
            MemberPrediction(member.member, member.mean, member.standard_deviation, member.weight)
            for member in message.members
        ),
        out_of_distribution=message.out_of_distribution,
        curve_forecast=forecast,
    )


def predictions_from_proto(message: meta_pb2.PredictPerformanceResponse) -> Predictions:
    return Predictions(
        tuple(prediction_from_proto(each, f"predictions[{i}]") for i, each in enumerate(message.predictions)),
        message.model_version,
        message.basis,
        message.degraded,
    )


def decision_to_proto(decision: Decision) -> meta_pb2.Decision:
    return meta_pb2.Decision(
        decision_id=decision.decision_id,
        arm=decision.arm,
        hyperparameters=values_to_proto(decision.hyperparameters, "hyperparameters"),
        probability=decision.probability,
        expected_reward=decision.expected_reward,
        reason=decision.reason,
        expire_time=time_to_proto(decision.expire_time),
        decided_by=decision.decided_by,
    )


def decision_from_proto(message: meta_pb2.Decision, field: str = "decision") -> Decision:
    return Decision(
        message.decision_id,
        message.arm,
        values_from_proto(message.hyperparameters, f"{field}.hyperparameters"),
        message.probability,
        message.expected_reward,
        message.reason,
        time_or_none(message, "expire_time"),
        message.decided_by,
    )
