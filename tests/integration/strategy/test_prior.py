"""The prior from recorded decisions to choices: what is read, what serves, and how it fades."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, select

from headstart.spaces import nas_bench_201, sample
from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.strategy.decisions import Decision
from headstart_server.strategy.learning import StrategyLearner
from headstart_server.strategy.prior.data import phase_middle, read_recorded_arms
from headstart_server.strategy.rewards.attribution import credit_decisions
from headstart_server.strategy.service import Arm, StrategyService
from headstart_server.strategy.tables import strategy_models

SPACE = nas_bench_201()
NAMESPACE = "default"
ARMS = [Arm("small"), Arm("large")]


class Past:
    """Tasks that differ in size; the arm "small" is better on small ones."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.knowledge = KnowledgeService(engine, ArchitectureIndex("http://127.0.0.1:1"))
        self.knowledge.listeners.append(credit_decisions)
        self.strategy = StrategyService(engine, decision_ttl_seconds=3600)
        self.learner = StrategyLearner(engine)
        self.generator = random.Random(0)
        run_transaction(engine, lambda c: self.knowledge.create_search_space(c, NAMESPACE, SPACE))

    def create(self, name: str, size: float, metric: str = "error") -> None:
        task = Task(name, "", metric, False, {"kind": "test"}, {"size": size}, "", 0.0)
        run_transaction(self.engine, lambda c: self.knowledge.create_task(c, NAMESPACE, task))

    def ask(self, name: str, arms: list[Arm] = ARMS, spent: float = 0.0, slots: int = 1) -> list[Decision]:
        return run_transaction(
            self.engine, lambda c: self.strategy.select(c, NAMESPACE, name, arms, slots, (spent, 100.0))
        )

    def record(self, name: str, decision: UUID, value: float | None) -> None:
        candidate = sample(SPACE, self.generator)
        canonical = self.knowledge.canonical(NAMESPACE, SPACE, candidate)
        status = Status.FAILED if value is None else Status.COMPLETED
        new = NewExperiment(
            uuid4(), name, SPACE.search_space_id, candidate, canonical, Outcome(status, value), decision_id=decision
        )
        run_transaction(self.engine, lambda c: self.knowledge.record(c, NAMESPACE, [new]))

    def task(self, name: str, size: float, values: dict[str, float | None], **options: str) -> None:
        self.create(name, size, **options)
        for arm, value in values.items():
            (decision,) = self.ask(name, [Arm(arm)])
            self.record(name, decision.decision_id, value)

    def tasks(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            small = number % 2 == 0
            size = self.generator.uniform(1, 10) if small else self.generator.uniform(100, 1000)
            self.task(f"past{number}", size, {"small": 0.1 if small else 0.9, "large": 0.8 if small else 0.2})


@pytest.fixture
def past(engine: Engine) -> Past:
    return Past(engine)


def serving(past: Past) -> list[tuple[int, str]]:
    with past.engine.connect() as connection:
        columns = strategy_models.c
        rows = connection.execute(select(columns.number, columns.state).order_by(columns.number))
        return [(row.number, row.state) for row in rows]


def test_first_decision_on_a_new_task_is_the_priors(past: Past):
    past.tasks(24)
    assert past.learner.stale_namespaces() == [NAMESPACE]
    assert [version.number for version in past.learner.refresh(NAMESPACE)] == [1]
    assert past.learner.stale_namespaces() == []
    past.create("new-small", 3.0)
    past.create("new-large", 400.0)
    for name, arm in (("new-small", "small"), ("new-large", "large")):
        (decision,) = past.ask(name)
        assert (decision.arm, decision.decided_by, decision.probability) == (arm, "prior", 1.0)
        assert "24 tasks" in decision.reason


def test_without_history_or_with_unknown_arms_the_bandit_decides(past: Past):
    past.create("new", 3.0)
    assert past.ask("new")[0].decided_by == "bandit"
    past.tasks(24)
    past.learner.refresh(NAMESPACE)
    past.create("other", 3.0)
    assert past.ask("other", [Arm("never"), Arm("seen")])[0].decided_by == "bandit"


def test_workers_who_ask_at_once_get_a_spread(past: Past):
    past.tasks(24)
    past.learner.refresh(NAMESPACE)
    past.create("new", 3.0)
    taken = Counter(decision.arm for decision in past.ask("new", slots=16))
    assert set(taken) == {"small", "large"}


def test_prior_fades_as_results_contradict_it(past: Past):
    past.tasks(24)
    past.learner.refresh(NAMESPACE)
    past.create("new", 3.0)
    # Here, against all experience, the other arm is better each time.
    for number in range(40):
        for arm, value in (("small", 1.0 + number / 100), ("large", 0.5 - number / 100)):
            (decision,) = past.ask("new", [Arm(arm)])
            past.record("new", decision.decision_id, value)
    taken = Counter(past.ask("new")[0].arm for _ in range(10))
    assert taken["large"] >= 9


def test_prior_is_learned_anew_when_a_tenth_has_come_and_retired_with_its_past(past: Past):
    past.tasks(20)
    past.learner.refresh(NAMESPACE)
    past.tasks(2, first=20)
    assert past.learner.stale_namespaces() == []
    past.tasks(2, first=22)
    assert past.learner.stale_namespaces() == [NAMESPACE]
    assert [version.number for version in past.learner.refresh(NAMESPACE)] == [2]
    assert serving(past) == [(1, "RETIRED"), (2, "SERVING")]


def test_too_few_tasks_teach_nothing_and_are_not_tried_again(past: Past):
    past.tasks(4)
    assert past.learner.refresh(NAMESPACE) == []
    assert past.learner.stale_namespaces() == []
    past.create("new", 3.0)
    assert past.ask("new")[0].decided_by == "bandit"


def test_losses_are_mean_objectives_and_failures_the_worst_of_their_task(past: Past):
    past.task("first", 1.0, {"small": 0.25, "large": None, "other": 0.5})
    past.task("second", 2.0, {"small": 0.5, "large": 0.75})
    with past.engine.connect() as connection:
        recorded = read_recorded_arms(connection, namespace_id(connection, NAMESPACE))
    assert recorded is not None
    assert not recorded.of_search
    assert [arm for arm, _ in recorded.arms] == ["large", "other", "small"]
    expected = {"first": [0.5, 0.5, 0.25], "second": [0.75, np.nan, 0.5]}
    for task, losses in zip(recorded.tasks, recorded.losses, strict=True):
        assert losses.tolist() == pytest.approx(expected[task.task_id], nan_ok=True)


def test_losses_of_several_metrics_are_places_between_best_and_worst(past: Past):
    past.task("first", 1.0, {"small": 100.0, "large": 300.0, "other": 150.0})
    past.task("second", 2.0, {"small": 0.5, "large": 0.75, "other": 0.5}, metric="seconds")
    with past.engine.connect() as connection:
        recorded = read_recorded_arms(connection, namespace_id(connection, NAMESPACE))
    assert recorded is not None
    assert sorted(map(tuple, recorded.losses)) == [(1.0, 0.0, 0.0), (1.0, 0.25, 0.0)]


def test_searches_teach_rewards_by_phase(past: Past):
    past.create("search", 5.0)
    for number in range(40):
        (decision,) = past.ask("search", [ARMS[number % 2]], spent=2.5 * number)
        past.record("search", decision.decision_id, 1.0 / (number + 1) if number % 2 else 2.0)
    with past.engine.connect() as connection:
        recorded = read_recorded_arms(connection, namespace_id(connection, NAMESPACE))
    assert recorded is not None
    assert recorded.of_search
    assert recorded.phases.tolist() == pytest.approx([phase_middle(share) for share in (0.0, 0.1, 0.3, 0.9)])
    assert recorded.budgets.tolist() == [100.0] * 4
    large, small = recorded.losses.T
    assert (large < small).all()


def test_search_that_is_sure_of_one_arm_is_a_search_all_the_same(past: Past):
    """By their mean results the arms that were tried once, late and after much was found, would look best."""
    past.create("search", 5.0)
    for number in range(40):
        arm = {36: "second", 37: "third", 38: "fourth"}.get(number, "first")
        (decision,) = past.ask("search", [Arm(arm)], spent=2.5 * number)
        past.record("search", decision.decision_id, 1.0 / (number + 1) + (0.01 if arm != "first" else 0.0))
    with past.engine.connect() as connection:
        recorded = read_recorded_arms(connection, namespace_id(connection, NAMESPACE))
    assert recorded is not None
    assert recorded.of_search
    best = recorded.losses.argmin(axis=1)
    assert {recorded.arms[index][0] for index in best} == {"first"}
