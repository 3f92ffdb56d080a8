"""Strategy service: selects the search strategies to run next, and stores each decision for later rewards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Connection, Engine, text

from headstart.spaces import Parameter, Value, Violation
from headstart.spaces.validation import MAX_NAME_LENGTH, parameter_violations, text_violations
from headstart_server.knowledge.tasks import StoredTask, find_task
from headstart_server.runtime.database.prepared_statements import prepared_once
from headstart_server.runtime.deadline import check
from headstart_server.strategy.arm_statistics import ArmKey, ArmStatistics, arm_names, read_statistics
from headstart_server.strategy.bandit.hyperparameters import SettingsChooser
from headstart_server.strategy.bandit.thompson_sampling import (
    Belief,
    ChosenArm,
    belief,
    choice_probabilities,
    choose,
    draws_for,
    reward_variance,
)
from headstart_server.strategy.decisions import (
    Decision,
    RecordedDecision,
    list_decisions,
    tried_settings,
    write_decisions,
)
from headstart_server.strategy.loaded_models import LoadedModels
from headstart_server.strategy.model_versions import ModelKind, ModelState, StrategyModelVersion, list_models
from headstart_server.strategy.policy.fitted_q import QFunction
from headstart_server.strategy.policy.serving import ServingPolicy
from headstart_server.strategy.prior.prior import Prior
from headstart_server.strategy.prior.serving import ServingPrior
from headstart_server.strategy.search_state import state_of

MAX_ARMS = 64
MAX_SLOTS = 1024

# One statement for lock, time and serving versions, because a round trip costs as much as the choice itself.
_TAKE_TURN = prepared_once(
    text(
        """
        SELECT pg_advisory_xact_lock(hashtextextended(:key, 0)), clock_timestamp() AS now,
            ARRAY(
                SELECT json_build_array(kind, number) FROM strategy_models
                WHERE namespace_id = :namespace AND state = :serving
            ) AS serving
        """
    )
)


@dataclass(frozen=True)
class Arm:
    """A strategy that the caller can run, with the ranges from which its settings may be chosen."""

    name: str
    hyperparameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class StrategyExplanation:
    """Statistics of the arms of a task, and the model versions of its namespace."""

    arms: tuple[ArmStatistics, ...]
    models: tuple[StrategyModelVersion, ...]


def arm_violations(arms: Sequence[Arm], field: str = "arms") -> Iterator[Violation]:
    """All violations of the arms of a request."""
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
    """Selects strategies and explains the selection. Thread-safe."""

    def __init__(
        self, engine: Engine, decision_ttl_seconds: float, draw_seed: Callable[[], int] = lambda: secrets.randbits(63)
    ) -> None:
        """``draw_seed`` returns the random seed of each call."""
        self._engine = engine
        self._draw_seed = draw_seed
        self._ttl = timedelta(seconds=decision_ttl_seconds)
        self._policies = LoadedModels(ModelKind.POLICY, QFunction.from_bytes)
        self._priors = LoadedModels(ModelKind.PRIOR, Prior.from_bytes)

    def select(
        self,
        connection: Connection,
        namespace: str,
        task_id: str,
        arms: Sequence[Arm],
        slots: int,
        budget: tuple[float, float],
    ) -> list[Decision]:
        """Choose arms for ``slots`` pulls; ``budget`` is (spent, total), total 0 if unknown. The arms must be valid.

        Raises NotFound for an unknown task.
        """
        task = find_task(connection, namespace, task_id)
        now, serving = _take_turn(connection, task)
        state = state_of(task, budget)
        statistics = read_statistics(connection, task, [arm.name for arm in arms])
        variance = reward_variance(statistics.values())
        keys = _keys(arms)
        prior = self._priors.serving(connection, task.namespace_id, serving)
        advice = None if prior is None else ServingPrior(*prior).advice(task.task, state, keys, variance)
        expected = {} if advice is None else advice.expectations
        beliefs = {key: belief(statistics.get(key, ArmStatistics(*key)), variance, expected.get(key)) for key in keys}
        generator = np.random.default_rng(self._draw_seed())
        builder = _DecisionBuilder(connection, task, arms, generator)
        policy = self._policies.serving(connection, task.namespace_id, serving)
        decisions, contexts = [], []
        for _ in range(slots):
            check()
            current = list(beliefs.values())
            probabilities = choice_probabilities(current, generator, draws_for(slots))
            if advice is not None and advice.applies(state, current, probabilities):
                chosen = advice.chosen_arm(beliefs)
            elif policy is None:
                chosen = choose(current, probabilities, generator)
            else:
                chosen = ServingPolicy(*policy).choose(task.task, state, current, probabilities, generator)
            decisions.append(builder.decision(chosen, now + self._ttl))
            contexts.append({"arms": [_context(each) for each in current]})
            before = beliefs[chosen.key]
            beliefs[chosen.key] = replace(before, pending=before.pending + 1)
        write_decisions(connection, task, decisions, state, contexts)
        return decisions

    def decisions(
        self, namespace: str, task_id: str, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[RecordedDecision]:
        """Decisions of a task in order, those after a time and id. Raises NotFound."""
        with self._engine.connect() as connection:
            return list_decisions(connection, find_task(connection, namespace, task_id), after, limit)

    def explain(self, namespace: str, task_id: str) -> StrategyExplanation:
        """Explain the arms that were chosen on a task. Raises NotFound."""
        with self._engine.connect() as connection:
            task = find_task(connection, namespace, task_id)
            statistics = read_statistics(connection, task, arm_names(connection, task))
            arms = sorted(statistics.values(), key=lambda arm: (-arm.pulls, arm.key))
            return StrategyExplanation(tuple(arms), tuple(list_models(connection, task.namespace_id)))


def _take_turn(connection: Connection, task: StoredTask) -> tuple[datetime, dict[ModelKind, int]]:
    """Lock the task's arms; return the time and the serving version of each kind of model.

    Concurrent calls for one task take turns, so that each sees the other's pending pulls.
    """
    parameters = {"key": f"arms/{task.id}", "namespace": task.namespace_id, "serving": ModelState.SERVING.value}
    turn = connection.execute(_TAKE_TURN, parameters).one()
    return turn.now, {ModelKind(kind): number for kind, number in turn.serving}


def _keys(arms: Sequence[Arm]) -> list[ArmKey]:
    """Every arm with its defaults, and arms with ranges a second time with chosen settings."""
    return [(arm.name, tuned) for arm in arms for tuned in ((False, True) if arm.hyperparameters else (False,))]


def _context(each: Belief) -> list[object]:
    return [each.name, each.tuned, *(round(part, 4) for part in (each.mean, each.deviation, each.pulls)), each.pending]


class _DecisionBuilder:
    """Makes the decisions of one call, with chosen settings; reads the tried settings once for each arm."""

    def __init__(
        self, connection: Connection, task: StoredTask, arms: Sequence[Arm], generator: np.random.Generator
    ) -> None:
        self._connection = connection
        self._generator = generator
        self._task = task
        self._ranges = {arm.name: arm.hyperparameters for arm in arms}
        self._choosers: dict[str, SettingsChooser] = {}

    def decision(self, chosen: ChosenArm, expires_at: datetime) -> Decision:
        name, tuned = chosen.key
        settings: dict[str, Value] = {}
        reason = chosen.reason
        if tuned:
            settings, settings_reason = self._chooser(name).choose(int(self._generator.integers(2**62)))
            reason = f"{reason}; {settings_reason}"
        return Decision(
            decision_id=uuid4(),
            arm=name,
            tuned=tuned,
            hyperparameters=settings,
            probability=chosen.probability,
            expected_reward=chosen.expected_reward,
            reason=reason,
            decided_by=chosen.decided_by,
            expires_at=expires_at,
        )

    def _chooser(self, arm: str) -> SettingsChooser:
        if arm not in self._choosers:
            tried = tried_settings(self._connection, self._task, arm)
            self._choosers[arm] = SettingsChooser(self._ranges[arm], tried)
        return self._choosers[arm]
