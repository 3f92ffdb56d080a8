"""Rewards of decisions: computed from the recorded experiments, in the transaction that records them.

A search needs one excellent result rather than good ones on average, so the reward is the chance that a result beats
two other results of its task. It follows from the rank of the result among the n completed ones recorded so far: with
b of them beaten (ties count half) and every rank of a further one equally likely, it is the second moment of a Beta
distribution. The first result, and a partial training that cannot be compared, get the chance of any result, 1/3. A
run that did not complete gets 0. More than two others would reward the very best more and all else less, and arms
would take longer to tell apart.

The first eight results of a task are burn-in: they are attributed to their decisions but excluded from the discounted
arm statistics, because ranks among few results mean little and most strategies have not begun their own search by
then.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import Connection, TextClause, event, select, text
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.experiments.recording import Arrival
from headstart_server.knowledge.outcomes import Status
from headstart_server.runtime.observability import metrics
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

# Further results that a result must beat.
OTHERS = 2

# Completed results of a task before rewards count in the discounted arm statistics.
BURN_IN = 8

# Weight of a pull after each later pull of its arm, since early rewards of a strategy say little about later ones
# (Garivier and Moulines, "On upper-confidence bound policies for switching bandit problems", ALT 2011, section 2).
DISCOUNT = 0.98


# For each value of a task: how many stored results are at least as good, and how many tie. It reads those alone, in
# the order of values; the task's summaries hold the total. The task is a constant, so that one partition is planned.
_AT_LEAST = """
    SELECT CAST(:task_{0} AS bigint) AS task_id, query.value, counted.at_least, counted.tied
    FROM unnest(CAST(:values_{0} AS float8[])) AS query (value)
    CROSS JOIN LATERAL (
        SELECT count(*) AS at_least, count(*) FILTER (WHERE objective_value = query.value) AS tied FROM experiments
        WHERE task_id = :task_{0} AND objective_value {1} query.value AND status = :completed
        AND (:full_{0} = 0 OR fidelity IS NULL OR fidelity >= :full_{0}) OFFSET 0
    ) AS counted
"""
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
    for arrival, reward in zip(arrivals, _rewards(connection, arrivals), strict=True):
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


def _rewards(connection: Connection, arrivals: Sequence[Arrival]) -> list[float]:
    """The reward of every arrival, 0 if it names no decision."""
    ranked = [arrival.new.decision_id is not None and _ranks(arrival) for arrival in arrivals]
    stored = _stored_at_least(connection, [each for each, is_ranked in zip(arrivals, ranked, strict=True) if is_ranked])
    # Values of the earlier arrivals of each task, in ascending order.
    before: dict[int, list[float]] = defaultdict(list)
    rewards = []
    for arrival, is_ranked in zip(arrivals, ranked, strict=True):
        value, earlier = arrival.new.outcome.objective_value, before[arrival.task]
        reward = 0.0
        if is_ranked:
            assert value is not None
            at_least, tied = stored[arrival.task, value]
            lower, upper = bisect_left(earlier, value), bisect_right(earlier, value)
            at_least += len(earlier) - lower if arrival.maximize else upper
            tied += upper - lower
            reward = chance_to_beat(arrival.completed_before - at_least + tied / 2, arrival.completed_before)
        elif _is_completed(arrival):
            reward = chance_to_beat(0.0, 0)
        rewards.append(reward)
        if _ranks(arrival):
            assert value is not None
            insort(earlier, value)
    return rewards


def _is_completed(arrival: Arrival) -> bool:
    return arrival.new.outcome.status is Status.COMPLETED and arrival.new.outcome.objective_value is not None


def _ranks(arrival: Arrival) -> bool:
    """Whether a result can be compared with others of its task."""
    return _is_completed(arrival) and arrival.full_training


def _stored_at_least(connection: Connection, arrivals: Iterable[Arrival]) -> dict[tuple[int, float], tuple[int, int]]:
    """By task and value: the number of stored results that are at least as good, and of those that tie."""
    parts, sent, seen = [], dict[str, object](completed=Status.COMPLETED.value), dict[int, list[float]]()
    for arrival in arrivals:
        index = len(seen)
        values = seen.setdefault(arrival.task, [])
        if not values:
            parts.append(_AT_LEAST.format(index, ">=" if arrival.maximize else "<="))
            sent |= {f"task_{index}": arrival.task, f"values_{index}": values, f"full_{index}": arrival.max_fidelity}
        values.append(float(arrival.new.outcome.objective_value or 0.0))
    rows = connection.execute(text(" UNION ALL ".join(parts)), sent) if parts else ()
    return {(row.task_id, row.value): (row.at_least, row.tied) for row in rows}


def chance_to_beat(beaten: float, number: int, others: int = OTHERS) -> float:
    """The chance that a result which beat ``beaten`` of ``number`` earlier ones beats ``others`` further ones."""
    return math.prod((beaten + 1 + i) / (number + 2 + i) for i in range(others))
