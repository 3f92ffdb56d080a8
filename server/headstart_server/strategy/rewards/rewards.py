"""Rewards of experiments: the chance that a result beats two others of its task, from what is recorded of the task.

A search needs one excellent result rather than good ones on average. The chance follows from the rank of the result
among the n completed ones recorded so far: with b of them beaten (ties count half) and every rank of a further one
equally likely, it is the second moment of a Beta distribution. The first result, and a partial training that cannot
be compared, get the chance of any result, 1/3. A run that did not complete gets 0. More than two others would reward
the very best more and all else less, and arms would take longer to tell apart.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from headstart_server.knowledge.experiments.recording import Arrival
from headstart_server.knowledge.outcomes import Status

# Further results that a result must beat.
OTHERS = 2

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


def rewards_of(connection: Connection, arrivals: Sequence[Arrival]) -> list[float]:
    """The reward of every arriving experiment, 0 if it names no decision. Call before their rows are inserted."""
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
