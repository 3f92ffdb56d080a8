"""What an experiment is worth to the arm that led to it: computed here from what was recorded, never reported.

A search wants one excellent result, not good ones on average, so the reward is the chance that this result beats two
others of its task. Its place among the n completed ones recorded so far tells that chance: with b of them beaten (ties
count half) and the place of a further one equally likely, it is the second moment of a Beta distribution. The first
result, and a partial training that cannot be compared, get the chance of any result, 1/3. A run that did not complete
gets 0. More others reward the very best more and all else less; then it takes longer to tell arms apart.

Among the first results of a task places mean little, and most strategies have not begun with what is their own: they
earn their decisions a reward, but do not count in what is believed of the arms.
"""

from __future__ import annotations

import math

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.outcomes import NewExperiment, Status, full_training_clause, is_full_training
from headstart_server.knowledge.tables import experiments, task_summaries, tasks
from headstart_server.knowledge.tasks import task_from_row
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

# Of so many further results a good one is to be the best.
OTHERS = 2

# So many completed results a task has before rewards count in what is believed of arms.
BURN_IN = 8

# What a pull weighs less with each later pull of its arm: what a strategy earned early says little of what it will
# (Garivier and Moulines, "On upper-confidence bound policies for switching bandit problems", ALT 2011, section 2).
DISCOUNT = 0.98


def credit_decision(connection: Connection, task: int, new: NewExperiment) -> None:
    """Credit the decision that an experiment names, in the transaction that records it, before its row is inserted.

    A decision that is unknown or of another task gets nothing; the experiment is kept all the same.
    """
    if new.decision_id is None:
        return
    reward, counts = _reward(connection, task, new)
    decided = update(strategy_decisions).where(
        strategy_decisions.c.id == new.decision_id, strategy_decisions.c.task_id == task
    )
    arm = connection.execute(
        decided.values(
            experiment_count=strategy_decisions.c.experiment_count + 1,
            reward_sum=strategy_decisions.c.reward_sum + reward,
        ).returning(strategy_decisions.c.arm, strategy_decisions.c.tuned)
    ).first()
    if arm is None:
        return
    weight = 1.0 if counts else 0.0
    fresh = insert(strategy_arms).values(
        task_id=task,
        arm=arm.arm,
        tuned=arm.tuned,
        pulls=1,
        total_reward=reward,
        weight=weight,
        reward_sum=weight * reward,
        reward_square_sum=weight * reward**2,
    )
    discounted = {
        name: strategy_arms.c[name] * DISCOUNT**weight + fresh.excluded[name]
        for name in ("weight", "reward_sum", "reward_square_sum")
    }
    connection.execute(
        fresh.on_conflict_do_update(
            index_elements=[strategy_arms.c.task_id, strategy_arms.c.arm, strategy_arms.c.tuned],
            set_={
                "pulls": strategy_arms.c.pulls + 1,
                "total_reward": strategy_arms.c.total_reward + reward,
                **discounted,
            },
        )
    )


def _reward(connection: Connection, task: int, new: NewExperiment) -> tuple[float, bool]:
    """The reward, and whether it counts in what is believed of arms."""
    counted = select(func.coalesce(func.sum(task_summaries.c.completed_count), 0))
    completed = int(connection.execute(counted.where(task_summaries.c.task_id == task)).scalar_one())
    counts = completed >= BURN_IN
    value = new.outcome.objective_value
    if new.outcome.status is not Status.COMPLETED or value is None:
        return 0.0, counts
    stored = connection.execute(select(tasks).where(tasks.c.id == task)).one()
    if not is_full_training(task_from_row(stored), new.outcome.fidelity):
        return chance_to_beat(0.0, 0), counts
    earlier = experiments.c.objective_value
    at_least = earlier >= value if stored.maximize else earlier <= value
    # Only those at least as good are looked at, in the order of values; the summaries know how many there are in all.
    row = connection.execute(
        select(
            func.count().label("at_least"),
            func.count().filter(earlier == value).label("tied"),
        ).where(
            experiments.c.task_id == task,
            at_least,
            experiments.c.status == Status.COMPLETED.value,
            full_training_clause(stored.max_fidelity),
        )
    ).one()
    return chance_to_beat(completed - row.at_least + row.tied / 2, completed), counts


def chance_to_beat(beaten: float, number: int, others: int = OTHERS) -> float:
    """The chance that a result which beat ``beaten`` of ``number`` earlier ones beats so many further ones."""
    return math.prod((beaten + 1 + i) / (number + 2 + i) for i in range(others))
