"""Reward attribution: credits the decisions that recorded experiments name, and reports which were credited.

The first eight results of a task are burn-in: they are attributed to their decisions but excluded from the discounted
arm statistics, because ranks among few results mean little and most strategies have not begun their own search by
then.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import orjson
from sqlalchemy import Connection, TextClause, event, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.experiments.recording import Arrival
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.knowledge.tables import experiments, namespaces, tasks
from headstart_server.runtime.observability import metrics
from headstart_server.strategy.rewards.rewards import rewards_of
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

# Completed results of a task before rewards count in the discounted arm statistics.
BURN_IN = 8

# Weight of a pull after each later pull of its arm, since early rewards of a strategy say little about later ones
# (Garivier and Moulines, "On upper-confidence bound policies for switching bandit problems", ALT 2011, section 2).
DISCOUNT = 0.98

_CREDIT: TextClause = text(
    """
    UPDATE strategy_decisions
    SET experiment_count = experiment_count + sent.number, reward_sum = reward_sum + sent.rewards
    FROM json_to_recordset(CAST(:rows AS json)) AS sent (id uuid, number bigint, rewards float8)
    WHERE strategy_decisions.id = sent.id
    """
)


@dataclass
class _Pulls:
    """Sums over the pulls of an arm in the order of their results; the last three are discounted."""

    pulls: int = 0
    total_reward: float = 0.0
    weight: float = 0.0
    reward_sum: float = 0.0
    reward_square_sum: float = 0.0

    def add(self, reward: float, counts: bool) -> None:
        self.pulls += 1
        self.total_reward += reward
        if counts:
            self.weight = self.weight * DISCOUNT + 1
            self.reward_sum = self.reward_sum * DISCOUNT + reward
            self.reward_square_sum = self.reward_square_sum * DISCOUNT + reward**2


def credit_decisions(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Credit the decisions that experiments name, in the transaction that records them, before their rows exist.

    Experiments that name an unknown decision, or one of another task, are recorded without credit.
    """
    ids = {arrival.new.decision_id for arrival in arrivals if arrival.new.decision_id is not None}
    if not ids:
        return
    columns = strategy_decisions.c
    # Locked in one order, so that concurrent recordings do not deadlock.
    decided = {
        row.id: row
        for row in connection.execute(
            select(columns.id, columns.task_id, columns.arm, columns.tuned)
            .where(columns.id.in_(ids))
            .order_by(columns.id)
            .with_for_update()
        )
    }
    rewards: dict[UUID, list[float]] = defaultdict(list)
    arms: dict[tuple[int, str, bool], _Pulls] = defaultdict(_Pulls)
    for arrival, reward in zip(arrivals, rewards_of(connection, arrivals), strict=True):
        decision = None if arrival.new.decision_id is None else decided.get(arrival.new.decision_id)
        if decision is not None and decision.task_id == arrival.task:
            rewards[decision.id].append(reward)
            arms[arrival.task, decision.arm, decision.tuned].add(reward, arrival.completed_before >= BURN_IN)
    if rewards:
        rows = [{"id": str(each), "number": len(own), "rewards": math.fsum(own)} for each, own in rewards.items()]
        connection.execute(_CREDIT, {"rows": orjson.dumps(rows).decode()})
        _add_pulls(connection, arms)
        # Counted after the commit, and once, since a retried transaction has another connection object.
        event.listen(connection, "commit", lambda _: _count(arms), once=True)


def _count(arms: Mapping[tuple[int, str, bool], _Pulls]) -> None:
    for (_, arm, _), pulls in arms.items():
        metrics.ARM_RESULTS.labels(metrics.arm_label(arm)).inc(pulls.pulls)
        metrics.ARM_REWARDS.labels(metrics.arm_label(arm)).inc(pulls.total_reward)


def _add_pulls(connection: Connection, arms: Mapping[tuple[int, str, bool], _Pulls]) -> None:
    fresh = insert(strategy_arms).values(
        [
            {"task_id": task, "arm": arm, "tuned": tuned, **vars(pulls)}
            for (task, arm, tuned), pulls in sorted(arms.items())
        ]
    )
    columns, sent = strategy_arms.c, fresh.excluded
    # k pulls weigh w = 1 + DISCOUNT + ... + DISCOUNT^(k - 1). Earlier ones keep DISCOUNT^k = 1 - (1 - DISCOUNT) w.
    retained = 1 - (1 - DISCOUNT) * sent.weight
    discounted = {name: columns[name] * retained + sent[name] for name in ("weight", "reward_sum", "reward_square_sum")}
    added = {name: columns[name] + sent[name] for name in ("pulls", "total_reward")}
    keys = [columns.task_id, columns.arm, columns.tuned]
    connection.execute(fresh.on_conflict_do_update(index_elements=keys, set_={**added, **discounted}))


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
