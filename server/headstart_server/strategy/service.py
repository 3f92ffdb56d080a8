"""The strategy room: which optimizer to run next, each decision a row that later results are credited to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from headstart.spaces import Candidate, Parameter, SearchSpace, Value, Violation, sample
from headstart.spaces.validation import MAX_NAME_LENGTH, parameter_violations, text_violations
from headstart_server.knowledge.tables import tasks
from headstart_server.knowledge.tasks import StoredTask, find_task
from headstart_server.strategy.bandit import ArmStatistics, Choice, choose, draws_for
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

MAX_ARMS = 64
MAX_SLOTS = 1024


@dataclass(frozen=True)
class Arm:
    """An optimizer that the caller can run, with the ranges from which its settings may be chosen."""

    name: str
    hyperparameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Decision:
    decision_id: UUID
    arm: str
    hyperparameters: dict[str, Value]
    probability: float
    expected_reward: float
    reason: str
    expires_at: datetime


def arm_violations(arms: Sequence[Arm], field: str = "arms") -> Iterator[Violation]:
    """Everything wrong with the arms of a request."""
    if not 0 < len(arms) <= MAX_ARMS:
        yield Violation(field, f"needs 1 to {MAX_ARMS} arms, got {len(arms)}")
        return
    names: set[str] = set()
    for index, arm in enumerate(arms):
        path = f"{field}[{index}]"
        yield from text_violations(arm.name, f"{path}.name", MAX_NAME_LENGTH, minimum=1)
        if arm.name in names:
            yield Violation(f"{path}.name", f"{arm.name!r} is listed twice")
        names.add(arm.name)
        yield from parameter_violations(arm.hyperparameters, f"{path}.hyperparameters")


class StrategyService:
    def __init__(self, decision_ttl_seconds: float) -> None:
        self._ttl = timedelta(seconds=decision_ttl_seconds)

    def select(
        self,
        connection: Connection,
        namespace: str,
        task_id: str,
        arms: Sequence[Arm],
        slots: int,
        budget: tuple[float, float],
    ) -> list[Decision]:
        """Decide for ``slots`` pulls among valid arms; ``budget`` is (spent, total), total 0 where unknown.

        Raises NotFound for an unknown task.
        """
        task = find_task(connection, namespace, task_id)
        # Those who ask for one task at the same time take turns, so that each sees the other's pending pulls.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"arms/{task.id}"})
        statistics = _statistics(connection, task, [arm.name for arm in arms])
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        generator = np.random.default_rng()
        settings = {arm.name: arm.hyperparameters for arm in arms}
        decisions = []
        for _ in range(slots):
            choice = choose(list(statistics.values()), generator, draws_for(slots))
            decisions.append(_decision(choice, settings[choice.name], now + self._ttl))
            drawn = statistics[choice.name]
            statistics[choice.name] = replace(drawn, pending=drawn.pending + 1)
        context = {
            "spent_budget": budget[0],
            "total_budget": budget[1],
            "arms": [asdict(arm) for arm in statistics.values()],
        }
        connection.execute(insert(strategy_decisions), [_row(task.id, decision, context) for decision in decisions])
        return decisions


def _statistics(connection: Connection, task: StoredTask, names: Sequence[str]) -> dict[str, ArmStatistics]:
    """What is known of each arm on this task, and on all others of its namespace."""
    arms = strategy_arms.c
    here = {
        row.arm: row
        for row in connection.execute(
            select(arms.arm, arms.pulls, arms.reward_sum).where(arms.task_id == task.id, arms.arm.in_(names))
        )
    }
    elsewhere = {
        row.arm: row
        for row in connection.execute(
            select(arms.arm, func.sum(arms.pulls).label("pulls"), func.sum(arms.reward_sum).label("reward_sum"))
            .join(tasks, arms.task_id == tasks.c.id)
            .where(
                tasks.c.namespace_id == select(tasks.c.namespace_id).where(tasks.c.id == task.id).scalar_subquery(),
                arms.task_id != task.id,
                arms.arm.in_(names),
            )
            .group_by(arms.arm)
        )
    }
    decisions = strategy_decisions.c
    pending = {
        row.arm: row.number
        for row in connection.execute(
            select(decisions.arm, func.count().label("number"))
            .where(
                decisions.task_id == task.id,
                decisions.experiment_count == 0,
                decisions.expires_at > func.clock_timestamp(),
            )
            .group_by(decisions.arm)
        )
    }
    return {
        name: ArmStatistics(
            name=name,
            pulls=here[name].pulls if name in here else 0,
            reward_sum=here[name].reward_sum if name in here else 0.0,
            pending=pending.get(name, 0),
            prior_pulls=int(elsewhere[name].pulls) if name in elsewhere else 0,
            prior_reward_sum=elsewhere[name].reward_sum if name in elsewhere else 0.0,
        )
        for name in names
    }


def _decision(choice: Choice, hyperparameters: tuple[Parameter, ...], expires_at: datetime) -> Decision:
    drawn = Candidate()
    if hyperparameters:
        drawn = sample(SearchSpace(choice.name, hyperparameters), random.SystemRandom())
    return Decision(
        decision_id=uuid4(),
        arm=choice.name,
        hyperparameters=dict(drawn.values),
        probability=choice.probability,
        expected_reward=choice.expected_reward,
        reason=choice.reason,
        expires_at=expires_at,
    )


def _row(task: int, decision: Decision, context: dict[str, object]) -> dict[str, object]:
    return {
        "id": decision.decision_id,
        "task_id": task,
        "arm": decision.arm,
        "hyperparameters": decision.hyperparameters,
        "probability": decision.probability,
        "expected_reward": decision.expected_reward,
        "reason": decision.reason,
        "context": context,
        "expires_at": decision.expires_at,
    }
