"""Arm statistics: rewards on this task, pending pulls, and rewards on the newest other tasks.

An arm whose settings the service may choose counts as two arms: one with chosen settings, one with its own defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from headstart_server.knowledge.tasks import StoredTask
from headstart_server.runtime.database.prepared_statements import prepared_once
from headstart_server.strategy.tables import strategy_decisions

# Name, and whether its settings are chosen by the service.
ArmKey = tuple[str, bool]


@dataclass(frozen=True)
class ArmStatistics:
    """Rewards and pulls of one arm.

    ``pulls`` on this task with a reward, and ``total_reward``, their sum. ``weight``, ``reward_sum`` and
    ``reward_square_sum`` are discounted: late pulls count more than early ones. ``pending``: unexpired decisions
    without a result. ``other_*``: pulls and rewards on the newest other tasks.
    """

    name: str
    tuned: bool = False
    pulls: int = 0
    total_reward: float = 0.0
    weight: float = 0.0
    reward_sum: float = 0.0
    reward_square_sum: float = 0.0
    pending: int = 0
    other_pulls: int = 0
    other_reward_sum: float = 0.0

    @property
    def key(self) -> ArmKey:
        return self.name, self.tuned


# Rows of other tasks read for each arm, from the newest thousand tasks. The limit exceeds what the bandit can use,
# and keeps the cost of a choice the same for a hundred tasks or a hundred thousand. OFFSET 0 keeps the planner from
# turning the lateral subquery into a join, which would search the arms of all namespaces.
_NEWEST_SUMS = 50

# One row for each arm and source: rewards on the task, pending decisions there, rewards on other tasks.
_READ = prepared_once(
    text(
        """
        SELECT arm, tuned, pulls, total_reward, weight, reward_sum, reward_square_sum,
            0 AS pending, 0 AS other_pulls, 0.0 AS other_reward_sum
        FROM strategy_arms WHERE task_id = :task AND arm = ANY (:names)
        UNION ALL
        SELECT arm, tuned, 0, 0, 0, 0, 0, count(*), 0, 0
        FROM strategy_decisions
        WHERE task_id = :task AND experiment_count = 0 AND expires_at > clock_timestamp() AND arm = ANY (:names)
        GROUP BY arm, tuned
        UNION ALL
        SELECT arm, tuned, 0, 0, 0, 0, 0, 0, CAST(sum(pulls) AS bigint), sum(total_reward)
        FROM (
            SELECT of_task.* FROM (
                SELECT id FROM tasks WHERE namespace_id = :namespace AND id <> :task ORDER BY id DESC LIMIT 1000
            ) AS other CROSS JOIN LATERAL (
                SELECT arm, tuned, pulls, total_reward FROM strategy_arms
                WHERE task_id = other.id AND arm = ANY (:names) OFFSET 0
            ) AS of_task
            ORDER BY other.id DESC LIMIT :sums
        ) AS newest
        GROUP BY arm, tuned
        """
    )
)


def read_statistics(connection: Connection, task: StoredTask, names: Sequence[str]) -> dict[ArmKey, ArmStatistics]:
    """Statistics of the named arms that were pulled here or on the newest other tasks, or are pending here."""
    parameters = {
        "task": task.id,
        "namespace": task.namespace_id,
        "names": list(names),
        "sums": _NEWEST_SUMS * len(names),
    }
    sums: dict[ArmKey, list[Any]] = {}
    for name, tuned, *numbers in connection.execute(_READ, parameters):
        # Each number stands in one row of its arm and is 0 in the others.
        so_far = sums.setdefault((name, tuned), [0] * len(numbers))
        sums[name, tuned] = [one + other for one, other in zip(so_far, numbers, strict=True)]
    return {key: ArmStatistics(*key, *numbers) for key, numbers in sums.items()}


def arm_names(connection: Connection, task: StoredTask) -> list[str]:
    """Names of the arms that were chosen on a task."""
    decisions = strategy_decisions.c
    return list(
        connection.execute(select(decisions.arm).where(decisions.task_id == task.id).distinct().order_by(decisions.arm))
        .scalars()
        .all()
    )
