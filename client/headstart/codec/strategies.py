"""Between protobuf and the plain values about strategies. The same rules as in ``codec``."""

from __future__ import annotations

from headstart.codec.answers import decision_from_proto, decision_to_proto
from headstart.codec.values import time_from_proto, time_or_none, time_to_proto
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.values import ArmStatistics, RecordedDecision, StrategyExplanation, StrategyModel


def recorded_decision_to_proto(recorded: RecordedDecision) -> knowledge_pb2.RecordedDecision:
    return knowledge_pb2.RecordedDecision(
        decision=decision_to_proto(recorded.decision),
        decide_time=time_to_proto(recorded.decide_time),
        experiment_count=recorded.experiment_count,
        reward_sum=recorded.reward_sum,
        spent_budget=recorded.spent_budget,
        total_budget=recorded.total_budget,
        observation_count=recorded.observation_count,
        stagnation=recorded.stagnation,
    )


def recorded_decision_from_proto(
    message: knowledge_pb2.RecordedDecision, field: str = "recorded_decision"
) -> RecordedDecision:
    return RecordedDecision(
        decision_from_proto(message.decision, f"{field}.decision"),
        time_from_proto(message.decide_time),
        message.experiment_count,
        message.reward_sum,
        message.spent_budget,
        message.total_budget,
        message.observation_count,
        message.stagnation,
    )


def explanation_to_proto(explanation: StrategyExplanation) -> knowledge_pb2.ExplainStrategiesResponse:
    return knowledge_pb2.ExplainStrategiesResponse(
        arms=[
            knowledge_pb2.ArmStatistics(
                arm=arm.arm,
                tuned=arm.tuned,
                pull_count=arm.pull_count,
                mean_reward=arm.mean_reward,
                recent_reward=arm.recent_reward,
                pending_count=arm.pending_count,
                other_pull_count=arm.other_pull_count,
                other_mean_reward=arm.other_mean_reward,
            )
            for arm in explanation.arms
        ],
        models=[
            knowledge_pb2.StrategyModel(
                kind=model.kind,
                number=model.number,
                state=model.state,
                figures=model.figures,
                task_count=model.task_count,
                create_time=time_to_proto(model.create_time),
            )
            for model in explanation.models
        ],
    )


def explanation_from_proto(message: knowledge_pb2.ExplainStrategiesResponse) -> StrategyExplanation:
    return StrategyExplanation(
        tuple(
            ArmStatistics(
                arm.arm,
                arm.tuned,
                arm.pull_count,
                arm.mean_reward,
                arm.recent_reward,
                arm.pending_count,
                arm.other_pull_count,
                arm.other_mean_reward,
            )
            for arm in message.arms
        ),
        tuple(
            StrategyModel(
                model.kind,
                model.number,
                model.state,
                dict(model.figures),
                model.task_count,
                time_or_none(model, "create_time"),
            )
            for model in message.models
        ),
    )
