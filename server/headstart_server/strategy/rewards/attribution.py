"""Reward attribution of recorded experiments: whether the decision that each names was credited."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from uuid import UUID

from sqlalchemy import Connection, select, tuple_

from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.knowledge.tables import experiments, namespaces, tasks
from headstart_server.strategy.tables import strategy_decisions


class Credit(Enum):
    """``DecisionCredit`` of the contract."""

    NONE_NAMED = 0
    CREDITED = 1
    CREDITED_LATE = 2
    UNKNOWN_DECISION = 3
    OTHER_TASK = 4


def read_credits(connection: Connection, namespace: str, records: Sequence[NewExperiment]) -> list[Credit]:
    """The credit of each recorded experiment, in order."""
    named = [record for record in records if record.decision_id is not None]
    if not named:
        return [Credit.NONE_NAMED] * len(records)
    query = select(tasks.c.id, tasks.c.name).join(namespaces)
    in_namespace = (namespaces.c.name == namespace) & tasks.c.name.in_({record.task_id for record in named})
    row_ids = {row.name: row.id for row in connection.execute(query.where(in_namespace))}
    keys = [(row_ids[record.task_id], record.request_id) for record in named]
    rows = connection.execute(
        select(
            experiments.c.task_id,
            experiments.c.request_id,
            experiments.c.recorded_at,
            strategy_decisions.c.task_id.label("decided_for"),
            strategy_decisions.c.expires_at,
        )
        .outerjoin(
            strategy_decisions,
            (strategy_decisions.c.id == experiments.c.decision_id)
            & (strategy_decisions.c.namespace_id == experiments.c.namespace_id),
        )
        .where(tuple_(experiments.c.task_id, experiments.c.request_id).in_(keys))
    )
    credits: dict[tuple[int, UUID], Credit] = {}
    for row in rows:
        if row.decided_for is None:
            credit = Credit.UNKNOWN_DECISION
        elif row.decided_for != row.task_id:
            credit = Credit.OTHER_TASK
        else:
            credit = Credit.CREDITED if row.recorded_at <= row.expires_at else Credit.CREDITED_LATE
        credits[row.task_id, row.request_id] = credit
    return [
        Credit.NONE_NAMED if record.decision_id is None else credits[row_ids[record.task_id], record.request_id]
        for record in records
    ]
