"""Strategy decisions in the database: written with the knowledge of the moment, listed with the rewards since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from headstart.spaces import Value
from headstart_server.knowledge.tasks import StoredTask
from headstart_server.strategy.search_state import SearchState
from headstart_server.strategy.tables import strategy_decisions

# Past settings of an arm that one choice uses, the latest.
_MOST_TRIED = 200


@dataclass(frozen=True)
class Decision:
    """``tuned``: the service chose its settings; ``decided_by``: bandit, prior or policy."""

    decision_id: UUID
    arm: str
    tuned: bool
    hyperparameters: dict[str, Value]
    probability: float
    expected_reward: float
    reason: str
    decided_by: str
    expires_at: datetime


@dataclass(frozen=True)
class RecordedDecision:
    """``reward_sum`` over the ``experiment_count`` experiments recorded under the decision so far."""

    decision: Decision
    decided_at: datetime
    experiment_count: int
    reward_sum: float
    state: SearchState


@dataclass(frozen=True)
class TriedSettings:
    """``reward``: the mean over ``pulls`` results, 0 to 1."""

    settings: Mapping[str, Value]
    reward: float
    pulls: int
    this_task: bool


def write_decisions(
    connection: Connection,
    task: StoredTask,
    decisions: Sequence[Decision],
    state: SearchState,
    contexts: Sequence[Mapping[str, object]],
) -> None:
    """Insert decisions, each with the state of the search and its context."""
    rows = [
        {
            "id": decision.decision_id,
            "task_id": task.id,
            "namespace_id": task.namespace_id,
            "arm": decision.arm,
            "tuned": decision.tuned,
            "hyperparameters": decision.hyperparameters,
            "probability": decision.probability,
            "expected_reward": decision.expected_reward,
            "reason": decision.reason,
            "decided_by": decision.decided_by,
            "context": {
                "spent_budget": state.spent,
                "total_budget": state.total,
                "observations": state.observations,
                "stagnation": state.stagnation,
                **context,
            },
            "expires_at": decision.expires_at,
        }
        for decision, context in zip(decisions, contexts, strict=True)
    ]
    connection.execute(insert(strategy_decisions), rows)


def list_decisions(
    connection: Connection, task: StoredTask, after: tuple[datetime, UUID] | None, limit: int
) -> list[RecordedDecision]:
    """Decisions of a task in order, those after a time and id."""
    columns = strategy_decisions.c
    query = select(strategy_decisions).where(columns.task_id == task.id)
    if after is not None:
        query = query.where(tuple_(columns.decided_at, columns.id) > after)
    rows = connection.execute(query.order_by(columns.decided_at, columns.id).limit(limit))
    return [
        RecordedDecision(
            Decision(
                row.id,
                row.arm,
                row.tuned,
                dict(row.hyperparameters),
                row.probability,
                row.expected_reward,
                row.reason,
                row.decided_by,
                row.expires_at,
            ),
            row.decided_at,
            row.experiment_count,
            row.reward_sum,
            state_from_context(row.context),
        )
        for row in rows
    ]


def state_from_context(context: Mapping[str, Any]) -> SearchState:
    """The search state stored with a decision; fields missing from old decisions are 0."""
    return SearchState(
        int(context.get("observations", 0)),
        int(context.get("stagnation", 0)),
        float(context.get("spent_budget", 0.0)),
        float(context.get("total_budget", 0.0)),
    )


def tried_settings(connection: Connection, task: StoredTask, arm: str) -> list[TriedSettings]:
    """Settings of an arm with results, the latest of the namespace."""
    columns = strategy_decisions.c
    rows = connection.execute(
        select(columns.hyperparameters, columns.reward_sum, columns.experiment_count, columns.task_id)
        .where(
            columns.namespace_id == task.namespace_id,
            columns.arm == arm,
            columns.tuned,
            columns.experiment_count > 0,
        )
        .order_by(columns.decided_at.desc())
        .limit(_MOST_TRIED)
    )
    return [
        TriedSettings(
            row.hyperparameters, row.reward_sum / row.experiment_count, row.experiment_count, row.task_id == task.id
        )
        for row in rows
    ]
