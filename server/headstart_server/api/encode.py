"""Encoding of the domains' plain values into answers."""

from __future__ import annotations

from headstart import values
from headstart.codec import answers as codec_answers
from headstart.codec import knowledge as codec_knowledge
from headstart.codec import spaces as codec_spaces
from headstart.codec import transfer as codec_transfer
from headstart.codec import values as codec
from headstart.v1 import experiment_pb2, knowledge_base_service_pb2, search_space_pb2, task_pb2
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart_server.knowledge import tasks
from headstart_server.knowledge.experiments import reading, recording
from headstart_server.knowledge.outcomes import Outcome
from headstart_server.knowledge.search_spaces import StoredSpace
from headstart_server.knowledge.service import Match
from headstart_server.knowledge.similarity import tasks as similarity
from headstart_server.knowledge.task_map.refresh import TaskCluster
from headstart_server.prediction.registry.versions import ModelVersion
from headstart_server.prediction.types import Answer, CurveForecast, Prediction
from headstart_server.strategy.decisions import Decision
from headstart_server.strategy.rewards.attribution import Credit
from headstart_server.transfer.service import INTERVAL_LEVEL as TRANSFER_LEVEL
from headstart_server.transfer.service import TransferredCandidate, TransferResult
from headstart_server.warm_start.gate import Gate
from headstart_server.warm_start.service import Explanation, WarmStart
from headstart_server.warm_start.suggestions import Suggestion


def experiment_id(task_id: str, search_space_id: str, sequence: int) -> str:
    return f"{task_id}/{search_space_id}/{sequence}"


def search_space(stored: StoredSpace) -> search_space_pb2.SearchSpace:
    message = codec_spaces.space_to_proto(stored.space)
    message.create_time.FromDatetime(stored.created_at)
    return message


def task(stored: tasks.StoredTask) -> task_pb2.Task:
    direction = values.Direction.MAXIMIZE if stored.task.maximize else values.Direction.MINIMIZE
    return codec.task_to_proto(
        values.Task(
            task_id=stored.task.task_id,
            objective=values.Objective(stored.task.metric, direction),
            description=stored.task.description,
            descriptor=stored.task.descriptor,
            meta_features=stored.task.meta_features,
            fidelity_unit=stored.task.fidelity_unit,
            max_fidelity=stored.task.max_fidelity,
            create_time=stored.created_at,
            update_time=stored.updated_at,
            summaries=tuple(
                values.TaskSummary(
                    summary.search_space_id,
                    summary.experiment_count,
                    summary.completed_count,
                    _incumbent(stored.task.task_id, summary.incumbent),
                )
                for summary in stored.summaries
            ),
        )
    )


def _incumbent(task_id: str, incumbent: tasks.Incumbent | None) -> values.Incumbent | None:
    if incumbent is None:
        return None
    name = experiment_id(task_id, incumbent.search_space_id, incumbent.sequence)
    return values.Incumbent(name, incumbent.objective_value)


def recorded(answer: recording.Recorded, credit: Credit) -> meta_pb2.RecordExperimentResponse:
    return codec_answers.recorded_to_proto(
        values.Recorded(
            experiment_id=experiment_id(answer.task_id, answer.search_space_id, answer.sequence),
            already_known=answer.already_known,
            fingerprint=answer.fingerprint,
            incumbent=_incumbent(answer.task_id, answer.incumbent),
            equivalent_count=answer.equivalent_count,
            decision_credit=values.DecisionCredit(credit.value),
        )
    )


def experiment(experiment_read: reading.Experiment) -> experiment_pb2.Experiment:
    return codec.experiment_to_proto(
        values.Experiment(
            experiment_id=experiment_id(
                experiment_read.task_id, experiment_read.search_space_id, experiment_read.sequence
            ),
            task_id=experiment_read.task_id,
            search_space_id=experiment_read.search_space_id,
            candidate=experiment_read.candidate,
            fingerprint=experiment_read.fingerprint,
            outcome=_outcome(experiment_read.outcome),
            decision_id="" if experiment_read.decision_id is None else str(experiment_read.decision_id),
            worker_id=experiment_read.worker_id,
            record_time=experiment_read.recorded_at,
        )
    )


def _outcome(outcome: Outcome) -> values.Outcome:
    return values.Outcome(
        status=values.ExperimentStatus(outcome.status.value),
        objective_value=outcome.objective_value,
        metrics=outcome.metrics,
        learning_curve=tuple(values.CurvePoint(fidelity, value) for fidelity, value in outcome.curve),
        fidelity=outcome.fidelity,
        cost_seconds=outcome.cost_seconds,
        proxies=outcome.proxies,
        seed=outcome.seed,
    )


def similar_task(similar: similarity.SimilarTask) -> values.SimilarTask:
    basis = tuple(
        values.SimilarityBasis(
            values.SimilarityKind(evidence.basis.value), evidence.value, evidence.count, evidence.details
        )
        for evidence in similar.evidence
    )
    return values.SimilarTask(similar.task_id, similar.weight, basis)


def warm_start(answer: WarmStart, search_space_id: str, interval_level: float) -> meta_pb2.WarmStartResponse:
    return codec_answers.warm_start_to_proto(
        values.WarmStart(
            suggestions=tuple(_suggestion(s, search_space_id, interval_level) for s in answer.suggestions),
            similar_tasks=tuple(similar_task(similar) for similar in answer.similar_tasks),
            gate=_gate(answer.gate),
            model_version=answer.model_version,
            degraded=answer.degraded,
        )
    )


def transferred(answer: TransferResult) -> meta_pb2.TransferArchitectureResponse:
    proposal = None
    if answer.shared is not None:
        own = answer.shared
        proposal = values.MultiTaskProposal(own.candidate, own.canonical.fingerprint, own.expected_ranks, own.reason)
    return codec_transfer.transfer_to_proto(
        values.Transfer(tuple(_for_target(each) for each in answer.candidates), proposal)
    )


def _for_target(answer: TransferredCandidate) -> values.TransferredArchitecture:
    estimate = answer.transferability
    return values.TransferredArchitecture(
        answer.task_id,
        answer.candidate,
        answer.canonical.fingerprint,
        tuple(
            values.ArchitectureChange(change.parameter, change.before, change.after, change.reason)
            for change in answer.changes
        ),
        values.Estimate(
            estimate.tau, estimate.deviation, values.Interval(estimate.lower, estimate.upper, TRANSFER_LEVEL)
        ),
        estimate.basis,
        values.FineTuningPlan(
            tuple(
                values.FineTuningStage(stage.epochs, stage.frozen_share, stage.layer_decay)
                for stage in answer.plan.stages
            ),
            answer.plan.reason,
            answer.plan.new_head,
        ),
    )


def task_cluster(cluster: TaskCluster) -> values.TaskCluster:
    return values.TaskCluster(
        name=cluster.name,
        task_ids=cluster.task_ids,
        description=cluster.description,
        positions=tuple(values.TaskPosition(x, y) for x, y in cluster.positions),
        medoid_task_id=cluster.medoid,
        silhouette=cluster.silhouette,
        update_time=cluster.updated_at,
    )


def explanation(answer: Explanation, search_space_id: str, interval_level: float) -> values.Explanation:
    return values.Explanation(
        similar_tasks=tuple(similar_task(similar) for similar in answer.similar_tasks),
        gate=_gate(answer.gate),
        explanation=answer.text,
        suggestions=tuple(_suggestion(s, search_space_id, interval_level) for s in answer.suggestions),
        history=tuple(
            values.SourceWeights(point.completed_count, point.target_weight, point.weights) for point in answer.history
        ),
    )


def _gate(gate: Gate) -> values.Gate:
    return values.Gate(values.GateState.OPEN if gate.open else values.GateState.CLOSED, gate.reason)


def _suggestion(suggestion: Suggestion, search_space_id: str, interval_level: float) -> values.Suggestion:
    return values.Suggestion(
        candidate=suggestion.candidate,
        fingerprint=suggestion.canonical.fingerprint,
        origin=values.SuggestionOrigin(suggestion.origin.value),
        prediction=None if suggestion.prediction is None else _estimate(suggestion.prediction, interval_level),
        sources=tuple(
            values.SourceEvidence(
                task_id=evidence.task_id,
                experiment_id=experiment_id(evidence.task_id, search_space_id, evidence.sequence),
                objective_value=evidence.objective_value,
                quantile=evidence.quantile,
            )
            for evidence in suggestion.evidence
        ),
        reason=suggestion.reason,
    )


def _estimate(prediction: Prediction, level: float) -> values.Estimate:
    interval = values.Interval(prediction.lower, prediction.upper, level)
    return values.Estimate(prediction.mean, prediction.standard_deviation, interval)


def predictions(answer: Answer, level: float) -> meta_pb2.PredictPerformanceResponse:
    """Encoded directly into messages by nested mappings, because objects in between took three times as long for
    thousands.
    """
    return meta_pb2.PredictPerformanceResponse(
        predictions=[
            {
                "estimate": {
                    "mean": prediction.mean,
                    "standard_deviation": prediction.standard_deviation,
                    "interval": {"lower": prediction.lower, "upper": prediction.upper, "level": level},
                },
                "probability_of_improvement": prediction.probability_of_improvement,
                "members": [member._asdict() for member in prediction.members],
                "out_of_distribution": prediction.out_of_distribution,
                "curve_forecast": _forecast(prediction.forecast),
            }
            for prediction in answer.predictions
        ],
        model_version=answer.model_version,
        basis=answer.basis,
        degraded=answer.degraded,
    )


def _forecast(forecast: CurveForecast | None) -> meta_pb2.CurveForecast | None:
    if forecast is None:
        return None
    return meta_pb2.CurveForecast(
        curve=[{"fidelity": fidelity, "value": value} for fidelity, value in forecast.curve],
        advice=meta_pb2.STOP_ADVICE_STOP if forecast.stop else meta_pb2.STOP_ADVICE_CONTINUE,
        reason=forecast.reason,
    )


def decisions(answer: list[Decision]) -> meta_pb2.SelectStrategyResponse:
    return meta_pb2.SelectStrategyResponse(
        decisions=[codec_answers.decision_to_proto(decision(each)) for each in answer]
    )


def decision(taken: Decision) -> values.Decision:
    return values.Decision(
        decision_id=str(taken.decision_id),
        arm=taken.arm,
        hyperparameters=taken.hyperparameters,
        probability=taken.probability,
        expected_reward=taken.expected_reward,
        reason=taken.reason,
        expire_time=taken.expires_at,
        decided_by=taken.decided_by,
    )


def architecture_matches(
    row: list[Match], degraded: bool, embedding_version: str
) -> knowledge_base_service_pb2.SearchArchitecturesResponse:
    matches = tuple(
        values.ArchitectureMatch(
            candidate=match.architecture.candidate,
            fingerprint=match.architecture.fingerprint,
            distance=match.distance,
            results=tuple(
                values.ArchitectureResult(
                    result.task_id,
                    experiment_id(result.task_id, result.search_space_id, result.sequence),
                    result.objective_value,
                )
                for result in match.results
            ),
            upper_bound=match.upper_bound,
        )
        for match in row
    )
    return codec_knowledge.architecture_matches_to_proto(
        values.ArchitectureMatches(matches, degraded, embedding_version)
    )


def predictor(version: ModelVersion, device: str) -> knowledge_base_service_pb2.GetPredictorResponse:
    return codec_knowledge.predictor_to_proto(
        values.Predictor(
            model_version=version.name,
            kind=version.kind,
            training_size=version.training_size,
            parameter_count=version.parameter_count,
            training_seconds=version.training_seconds,
            create_time=version.created_at,
            validation=tuple(
                values.ValidationFigures(
                    figures.task_id,
                    figures.held_out_count,
                    figures.kendall_tau,
                    figures.interval_coverage,
                    dict(figures.coverages),
                )
                for figures in version.validation
            ),
            device=device,
        )
    )
