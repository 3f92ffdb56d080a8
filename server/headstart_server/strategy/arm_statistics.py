"""What is known of each arm: rewards on this task, pulls that have no result yet, rewards on the newest other tasks.

An arm whose settings the service may choose is two: one with chosen settings, and one with the arm's own defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from headstart_server.knowledge.tasks import StoredTask
from headstart_server.runtime.database.prepared_statements import planned_once
from headstart_server.strategy.tables import strategy_decisions

# Name, and whether with chosen settings.
ArmKey = tuple[str, bool]


@dataclass(frozen=True)
class ArmStatistics:
    """``pulls`` with rewards on this task, ``total_reward`` their sum; in ``weight``, ``reward_sum`` and
    ``reward_square_sum`` late ones count more than early ones.

    ``pending``: decisions that have neither result nor expired; ``other_*``: pulls and rewards on the newest other
    tasks.
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


# Of the newest thousand of the other tasks so many sums are read for each arm asked for: more than ever weigh
# (``bandit``), so that a choice costs the same whether a namespace has a hundred tasks or a hundred thousand. Task by
# task, as the subquery that stays one sees to: joined, they are looked for among those of all namespaces.
_NEWEST_SUMS = 50

# Of each arm: what it earned on the task, its pending decisions there, and what it earned on other tasks.
_READ = planned_once(
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
    """Of every arm of these names that was pulled here or on the newest other tasks, or is pending here."""
    asked = {
        "task": task.id,
        "namespace": task.namespace_id,
        "names": list(names),
        "sums": _NEWEST_SUMS * len(names),
    }
    found: dict[ArmKey, list[Any]] = {}
    for name, tuned, *numbers in connection.execute(_READ, asked):
        # Each number is in one of the rows of its arm, and 0 in the others.
        known = found.setdefault((name, tuned), [0] * len(numbers))
        found[name, tuned] = [one + other for one, other in zip(known, numbers, strict=True)]
    return {key: ArmStatistics(*key, *numbers) for key, numbers in found.items()}


def arm_names(connection: Connection, task: StoredTask) -> list[str]:
    """The arms that were chosen on a task."""
    decisions = strategy_decisions.c
    return list(
        connection.execute(select(decisions.arm).where(decisions.task_id == task.id).distinct().order_by(decisions.arm))
        .scalars()
        .all()
    )
