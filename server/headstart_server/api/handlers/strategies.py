"""The calls that show strategies: decisions of a task, and what is known of its arms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from headstart.codec import strategies as codec_strategies
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.values import ArmStatistics, RecordedDecision, StrategyExplanation, StrategyModel
from headstart_server.api import encode
from headstart_server.api.admission.identity import namespace_of_caller
from headstart_server.api.handlers.pagination import in_batches, key_token, page_key, page_of, page_size
from headstart_server.assembly import Domains
from headstart_server.strategy import arm_statistics, decisions

Place = tuple[datetime, UUID]


def list_decisions(domains: Domains, request: pb2.ListDecisionsRequest) -> pb2.ListDecisionsResponse:
    """A page in the order of decisions. Raises NotFound for an unknown task, InvalidInput for a foreign token."""
    namespace = namespace_of_caller()
    name = f"decisions/{namespace}/{request.task_id[:63]}"
    after: Place | None = None
    if request.page_token:
        decided_at, decision_id = page_key(name, request.page_token, [datetime, UUID])
        assert isinstance(decided_at, datetime) and isinstance(decision_id, UUID)
        after = decided_at, decision_id
    rows = in_batches(
        lambda key, limit: domains.strategy.decisions(namespace, request.task_id, key, limit), _place_of, after
    )
    keys: list[Place] = []

    def encoded() -> Iterator[pb2.RecordedDecision]:
        for recorded in rows:
            keys.append(_place_of(recorded))
            yield codec_strategies.recorded_decision_to_proto(_recorded(recorded))

    page, more = page_of(encoded(), page_size(request.page_size))
    token = key_token(name, keys[len(page) - 1]) if more else ""
    return pb2.ListDecisionsResponse(decisions=page, next_page_token=token)


def explain_strategies(domains: Domains, request: pb2.ExplainStrategiesRequest) -> pb2.ExplainStrategiesResponse:
    """Raises NotFound for an unknown task."""
    answer = domains.strategy.explain(namespace_of_caller(), request.task_id)
    return codec_strategies.explanation_to_proto(
        StrategyExplanation(
            tuple(map(_arm, answer.arms)),
            tuple(
                StrategyModel(
                    model.kind.value,
                    model.number,
                    model.state.value,
                    dict(model.figures),
                    model.task_count,
                    model.created_at,
                )
                for model in answer.models
            ),
        )
    )


def _arm(arm: arm_statistics.ArmStatistics) -> ArmStatistics:
    return ArmStatistics(
        arm=arm.name,
        tuned=arm.tuned,
        pull_count=arm.pulls,
        mean_reward=arm.total_reward / arm.pulls if arm.pulls else 0.0,
        recent_reward=arm.reward_sum / arm.weight if arm.weight else 0.0,
        pending_count=arm.pending,
        other_pull_count=arm.other_pulls,
        other_mean_reward=arm.other_reward_sum / arm.other_pulls if arm.other_pulls else 0.0,
    )


def _recorded(recorded: decisions.RecordedDecision) -> RecordedDecision:
    state = recorded.state
    return RecordedDecision(
        encode.decision(recorded.decision),
        recorded.decided_at,
        recorded.experiment_count,
        recorded.reward_sum,
        state.spent,
        state.total,
        state.observations,
        state.stagnation,
    )


def _place_of(recorded: decisions.RecordedDecision) -> Place:
    return recorded.decided_at, recorded.decision.decision_id
