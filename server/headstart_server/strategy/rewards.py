"""What an experiment is worth to the arm that led to it: computed here from what was recorded, never reported.

The reward is the share of the task's earlier completed experiments that this one beats; ties count half. The first one
has nothing to beat and gets 0.5. A run that did not complete gets 0.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.outcomes import NewExperiment, Status
from headstart_server.knowledge.tables import experiments, tasks
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

NEUTRAL_REWARD = 0.5


def credit_decision(connection: Connection, task: int, new: NewExperiment) -> None:
    """Credit the decision that an experiment names, in the transaction that records it, before its row is inserted.

    A decision that is unknown or of another task gets nothing; the experiment is kept all the same.
    """
    if new.decision_id is None:
        return
    reward = _reward(connection, task, new)
    decided = update(strategy_decisions).where(
        strategy_decisions.c.id == new.decision_id, strategy_decisions.c.task_id == task
    )
    arm = connection.execute(
        decided.values(
            experiment_count=strategy_decisions.c.experiment_count + 1,
            reward_sum=strategy_decisions.c.reward_sum + reward,
        ).returning(strategy_decisions.c.arm)
    ).scalar()
    if arm is None:
        return
    fresh = insert(strategy_arms).values(task_id=task, arm=arm, pulls=1, reward_sum=reward, reward_square_sum=reward**2)
    connection.execute(
        fresh.on_conflict_do_update(
            index_elements=[strategy_arms.c.task_id, strategy_arms.c.arm],
            set_={
                name: strategy_arms.c[name] + fresh.excluded[name]
                for name in ("pulls", "reward_sum", "reward_square_sum")
            },
        )
    )


def _reward(connection: Connection, task: int, new: NewExperiment) -> float:
    value = new.outcome.objective_value
    if new.outcome.status is not Status.COMPLETED or value is None:
        return 0.0
    maximize = connection.execute(select(tasks.c.maximize).where(tasks.c.id == task)).scalar_one()
    earlier = experiments.c.objective_value
    beaten = earlier < value if maximize else earlier > value
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(beaten).label("beaten"),
            func.count().filter(earlier == value).label("tied"),
        ).where(experiments.c.task_id == task, experiments.c.status == Status.COMPLETED.value)
    ).one()
    return (row.beaten + row.tied / 2) / row[0] if row[0] else NEUTRAL_REWARD
