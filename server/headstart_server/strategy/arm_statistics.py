"""What is known of each arm: rewards on this task, pulls that have no result yet, rewards on all other tasks.

An arm whose settings the service may choose is two: one with chosen settings, and one with the arm's own defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from headstart_server.knowledge.tables import tasks
from headstart_server.knowledge.tasks import StoredTask
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

# Name, and whether with chosen settings.
ArmKey = tuple[str, bool]


@dataclass(frozen=True)
class ArmStatistics:
    """``pulls`` with rewards on this task, ``total_reward`` their sum; in ``weight``, ``reward_sum`` and
    ``reward_square_sum`` late ones count more than early ones.

    ``pending``: decisions that have neither result nor expired; ``other_*``: pulls and rewards on other tasks.
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


def read_statistics(connection: Connection, task: StoredTask, names: Sequence[str]) -> dict[ArmKey, ArmStatistics]:
    """Of every arm of these names that was pulled anywhere in the namespace, or is pending here."""
    arms = strategy_arms.c
    here = {
        (row.arm, row.tuned): row
        for row in connection.execute(select(strategy_arms).where(arms.task_id == task.id, arms.arm.in_(names)))
    }
    decisions = strategy_decisions.c
    pending = {
        (row.arm, row.tuned): int(row.number)
        for row in connection.execute(
            select(decisions.arm, decisions.tuned, func.count().label("number"))
            .where(
                decisions.task_id == task.id,
                decisions.experiment_count == 0,
                decisions.expires_at > func.clock_timestamp(),
                decisions.arm.in_(names),
            )
            .group_by(decisions.arm, decisions.tuned)
        )
    }
    elsewhere = _elsewhere(connection, task, names)
    return {
        key: ArmStatistics(
            name=key[0],
            tuned=key[1],
            pulls=here[key].pulls if key in here else 0,
            total_reward=here[key].total_reward if key in here else 0.0,
            weight=here[key].weight if key in here else 0.0,
            reward_sum=here[key].reward_sum if key in here else 0.0,
            reward_square_sum=here[key].reward_square_sum if key in here else 0.0,
            pending=pending.get(key, 0),
            other_pulls=elsewhere[key][0] if key in elsewhere else 0,
            other_reward_sum=elsewhere[key][1] if key in elsewhere else 0.0,
        )
        for key in here.keys() | pending.keys() | elsewhere.keys()
    }


def arm_names(connection: Connection, task: StoredTask) -> list[str]:
    """The arms that were chosen on a task."""
    decisions = strategy_decisions.c
    return list(
        connection.execute(select(decisions.arm).where(decisions.task_id == task.id).distinct().order_by(decisions.arm))
        .scalars()
        .all()
    )


def _elsewhere(connection: Connection, task: StoredTask, names: Sequence[str]) -> dict[ArmKey, tuple[int, float]]:
    """Pulls on other tasks of the namespace, and the sum of their rewards."""
    arms = strategy_arms.c
    found = connection.execute(
        select(
            arms.arm,
            arms.tuned,
            func.sum(arms.pulls).label("pulls"),
            func.sum(arms.total_reward).label("reward_sum"),
        )
        .join(tasks, arms.task_id == tasks.c.id)
        .where(tasks.c.namespace_id == task.namespace_id, arms.task_id != task.id, arms.arm.in_(names))
        .group_by(arms.arm, arms.tuned)
    )
    return {(row.arm, row.tuned): (int(row.pulls), float(row.reward_sum)) for row in found}
