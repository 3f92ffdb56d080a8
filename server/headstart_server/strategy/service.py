"""The strategy room: which optimizer to run next, each decision a row that later results are credited to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Connection, Engine, text

from headstart.spaces import Parameter, Value, Violation
from headstart.spaces.validation import MAX_NAME_LENGTH, parameter_violations, text_violations
from headstart_server.knowledge.tasks import StoredTask, find_task
from headstart_server.runtime.database.prepared_statements import planned_once
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

# One statement for what has nothing to do with each other: each costs as much as the choice itself.
_TAKE_TURN = planned_once(
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
    """An optimizer that the caller can run, with the ranges from which its settings may be chosen."""

    name: str
    hyperparameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class StrategyExplanation:
    arms: tuple[ArmStatistics, ...]
    models: tuple[StrategyModelVersion, ...]


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
    def __init__(
        self, engine: Engine, decision_ttl_seconds: float, draw_seed: Callable[[], int] = lambda: secrets.randbits(63)
    ) -> None:
        """``draw_seed`` gives each call what its choices are drawn with."""
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
        """Decide for ``slots`` pulls among valid arms; ``budget`` is (spent, total), total 0 where unknown.

        Raises NotFound for an unknown task.
        """
        task = find_task(connection, namespace, task_id)
        now, serving = _take_turn(connection, task)
        state = state_of(task, budget)
        known = read_statistics(connection, task, [arm.name for arm in arms])
        variance = reward_variance(known.values())
        keys = _keys(arms)
        prior = self._prior(connection, task, serving)
        advice = None if prior is None else prior.advice(task.task, state, keys, variance)
        expected = {} if advice is None else advice.expectations
        beliefs = {key: belief(known.get(key, ArmStatistics(*key)), variance, expected.get(key)) for key in keys}
        generator = np.random.default_rng(self._draw_seed())
        settings = _Settings(connection, task, arms, generator)
        policy = self._policy(connection, task, serving)
        decisions, contexts = [], []
        for _ in range(slots):
            check()
            known_beliefs = list(beliefs.values())
            probabilities = choice_probabilities(known_beliefs, generator, draws_for(slots))
            if advice is not None and advice.holds(state, known_beliefs, probabilities):
                choice = advice.choice(beliefs)
            elif policy is None:
                choice = choose(known_beliefs, probabilities, generator)
            else:
                choice = policy.choose(task.task, state, known_beliefs, probabilities, generator)
            decisions.append(settings.decision(choice, now + self._ttl))
            contexts.append({"arms": [_context(each) for each in beliefs.values()]})
            taken = beliefs[choice.key]
            beliefs[choice.key] = replace(taken, pending=taken.pending + 1)
        write_decisions(connection, task, decisions, state, contexts)
        return decisions

    def _prior(self, connection: Connection, task: StoredTask, serving: Mapping[ModelKind, int]) -> ServingPrior | None:
        number = serving.get(ModelKind.PRIOR)
        model = None if number is None else self._priors.get(connection, task.namespace_id, number)
        return None if number is None or model is None else ServingPrior(number, model)

    def _policy(
        self, connection: Connection, task: StoredTask, serving: Mapping[ModelKind, int]
    ) -> ServingPolicy | None:
        number = serving.get(ModelKind.POLICY)
        function = None if number is None else self._policies.get(connection, task.namespace_id, number)
        return None if number is None or function is None else ServingPolicy(number, function)

    def decisions(
        self, namespace: str, task_id: str, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[RecordedDecision]:
        """Of a task in their order, after a time and id. Raises NotFound."""
        with self._engine.connect() as connection:
            return list_decisions(connection, find_task(connection, namespace, task_id), after, limit)

    def explain(self, namespace: str, task_id: str) -> StrategyExplanation:
        """What is known of each arm that was chosen on a task. Raises NotFound."""
        with self._engine.connect() as connection:
            task = find_task(connection, namespace, task_id)
            known = read_statistics(connection, task, arm_names(connection, task))
            arms = sorted(known.values(), key=lambda arm: (-arm.pulls, arm.key))
            return StrategyExplanation(tuple(arms), tuple(list_models(connection, task.namespace_id)))


def _take_turn(connection: Connection, task: StoredTask) -> tuple[datetime, dict[ModelKind, int]]:
    """The time, and which version of each kind of model serves.

    Those who ask for one task at the same time take turns, so that each sees the other's pending pulls.
    """
    asked = {"key": f"arms/{task.id}", "namespace": task.namespace_id, "serving": ModelState.SERVING.value}
    turn = connection.execute(_TAKE_TURN, asked).one()
    return turn.now, {ModelKind(kind): number for kind, number in turn.serving}


def _keys(arms: Sequence[Arm]) -> list[ArmKey]:
    """Every arm with its defaults, and those with ranges with chosen settings too."""
    return [(arm.name, tuned) for arm in arms for tuned in ((False, True) if arm.hyperparameters else (False,))]


def _context(each: Belief) -> list[object]:
    return [each.name, each.tuned, *(round(part, 4) for part in (each.mean, each.deviation, each.pulls)), each.pending]


class _Settings:
    """Chooses settings for decisions of one call; what was tried is read once for each arm that needs it."""

    def __init__(
        self, connection: Connection, task: StoredTask, arms: Sequence[Arm], generator: np.random.Generator
    ) -> None:
        self._connection = connection
        self._generator = generator
        self._task = task
        self._ranges = {arm.name: arm.hyperparameters for arm in arms}
        self._choosers: dict[str, SettingsChooser] = {}

    def decision(self, choice: ChosenArm, expires_at: datetime) -> Decision:
        name, tuned = choice.key
        settings: dict[str, Value] = {}
        reason = choice.reason
        if tuned:
            settings, why = self._chooser(name).choose(int(self._generator.integers(2**62)))
            reason = f"{reason}; {why}"
        return Decision(
            decision_id=uuid4(),
            arm=name,
            tuned=tuned,
            hyperparameters=settings,
            probability=choice.probability,
            expected_reward=choice.expected_reward,
            reason=reason,
            decided_by=choice.decided_by,
            expires_at=expires_at,
        )

    def _chooser(self, arm: str) -> SettingsChooser:
        if arm not in self._choosers:
            tried = tried_settings(self._connection, self._task, arm)
            self._choosers[arm] = SettingsChooser(self._ranges[arm], tried)
        return self._choosers[arm]
