"""The learned policy from recorded decisions to choices: it serves where it gains, steps down where it does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import Engine, delete

from headstart.spaces import nas_bench_201, sample
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.strategy.decisions import Decision
from headstart_server.strategy.learning import StrategyLearner
from headstart_server.strategy.model_versions import (
    ModelKind,
    ModelState,
    StrategyModelVersion,
    TrainedModel,
    list_models,
    write_model,
)
from headstart_server.strategy.policy.trajectories import read_trajectories
from headstart_server.strategy.rewards.attribution import BURN_IN, credit_decisions
from headstart_server.strategy.service import Arm, StrategyService
from headstart_server.strategy.tables import strategy_models

SPACE = nas_bench_201()
NAMESPACE = "default"
ARMS = [Arm("early"), Arm("late")]
# Short searches: the bandit stays in doubt, and tries all arms at every phase.
BUDGET = BURN_IN
PAST = 32

# What a result improves on the best so far, given the arm and the part of the budget that is spent.
Gain = Callable[[str, float], float]


def by_phase(arm: str, phase: float) -> float:
    return 1.0 if (arm == "early") == (phase < 0.5) else -1.0


def the_same(arm: str, phase: float) -> float:
    return 1.0


class Searches:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.knowledge = KnowledgeService(engine, ArchitectureIndex("http://127.0.0.1:1"))
        self.knowledge.listeners.append(credit_decisions)
        self.strategy = StrategyService(engine, decision_ttl_seconds=3600, draw_seed=count().__next__)
        self.learner = StrategyLearner(engine)
        self.generator = random.Random(0)
        run_transaction(engine, lambda c: self.knowledge.create_search_space(c, NAMESPACE, SPACE))

    def search(self, name: str, gain: Gain) -> list[Decision]:
        task = Task(name, "", "accuracy", True, {}, {}, "", 0.0)
        run_transaction(self.engine, lambda c: self.knowledge.create_task(c, NAMESPACE, task))
        best, decisions = 0.0, []
        for spent in range(BUDGET):
            decision = self.ask(name, float(spent))
            value = best + gain(decision.arm, spent / BUDGET)
            best = max(best, value)
            self.record(name, decision, value)
            decisions.append(decision)
        return decisions

    def ask(self, name: str, spent: float) -> Decision:
        [decision] = run_transaction(
            self.engine, lambda c: self.strategy.select(c, NAMESPACE, name, ARMS, 1, (spent, BUDGET))
        )
        return decision

    def record(self, name: str, decision: Decision, value: float) -> None:
        candidate = sample(SPACE, self.generator)
        new = NewExperiment(
            uuid4(),
            name,
            SPACE.search_space_id,
            candidate,
            self.knowledge.canonical(NAMESPACE, SPACE, candidate),
            Outcome(Status.COMPLETED, value),
            decision_id=decision.decision_id,
        )
        run_transaction(self.engine, lambda c: self.knowledge.record(c, NAMESPACE, [new]))

    def learn(self) -> StrategyModelVersion:
        [policy] = [each for each in self.learner.refresh(NAMESPACE) if each.kind is ModelKind.POLICY]
        return policy


@pytest.fixture
def searches(engine: Engine) -> Searches:
    return Searches(engine)


def test_recorded_searches_come_back_as_sequences_of_improvements(searches: Searches):
    searches.search("one", by_phase)
    with searches.engine.connect() as connection:
        [trajectory] = read_trajectories(connection, 1)
    assert len(trajectory.steps) == BUDGET
    assert [step.state.spent for step in trajectory.steps] == list(range(BUDGET))
    assert [step.state.observations for step in trajectory.steps] == list(range(BUDGET))
    for step in trajectory.steps:
        paid = by_phase(step.arms[step.taken].name, step.state.phase) > 0
        assert paid or step.improvement == 0.0
        assert 0.0 < step.probability <= 1.0
    assert 0.2 < sum(step.improvement / (1 - step.state.phase) for step in trajectory.steps) <= 1.0 + 1e-9


def test_policy_that_gains_on_unseen_tasks_serves_and_takes_what_pays_when(searches: Searches):
    for number in range(PAST):
        searches.search(f"past-{number}", by_phase)
    policy = searches.learn()
    assert policy.state is ModelState.SERVING
    assert policy.figures["improvement_policy"] > policy.figures["improvement_bandit"]
    # The prior has seen the phases too, and its guard comes first.
    assert {each.decided_by for each in searches.search("guarded", by_phase)} == {"prior"}
    with searches.engine.begin() as connection:
        connection.execute(delete(strategy_models).where(strategy_models.c.kind == ModelKind.PRIOR.value))
    paid = []
    for number in range(10):
        decisions = searches.search(f"new-{number}", by_phase)
        assert {each.decided_by for each in decisions} == {"policy"}
        paid += [by_phase(each.arm, spent / BUDGET) > 0 for spent, each in enumerate(decisions)]
    # Without knowing the phase a choice is right half of the time.
    assert sum(paid) > 0.62 * len(paid)


def test_policy_that_gains_nothing_is_rejected_and_one_that_served_steps_down(searches: Searches):
    for number in range(PAST):
        searches.search(f"past-{number}", the_same)
    served = TrainedModel(ModelKind.POLICY, {}, b"", PAST, 0, 0.0)
    with searches.engine.begin() as connection:
        write_model(connection, 1, served, ModelState.SERVING)
    assert searches.learn().state is ModelState.REJECTED
    with searches.engine.connect() as connection:
        states = {each.number: each.state for each in list_models(connection, 1) if each.kind is ModelKind.POLICY}
    assert states == {1: ModelState.RETIRED, 2: ModelState.REJECTED}
    assert "policy" not in {each.decided_by for each in searches.search("new", the_same)}
