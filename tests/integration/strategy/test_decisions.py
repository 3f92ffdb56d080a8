"""SelectStrategy's rows: decisions, rewards computed from recorded experiments, pending pulls."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select

from headstart.spaces import Candidate, Float, Integer, Parameter, nas_bench_201, sample
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import NotFound
from headstart_server.strategy.decisions import Decision
from headstart_server.strategy.rewards.attribution import BURN_IN, DISCOUNT, credit_decisions
from headstart_server.strategy.rewards.rewards import chance_to_beat
from headstart_server.strategy.service import Arm, StrategyService
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

SPACE = nas_bench_201()
NAMESPACE = "default"
ARMS = [
    Arm("random"),
    Arm("evolution", (Parameter("population", Integer(10, 100)), Parameter("rate", Float(0.1, 1.0)))),
]


class Search:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.knowledge = KnowledgeService(engine, ArchitectureIndex("http://127.0.0.1:1"))
        self.knowledge.listeners.append(credit_decisions)
        self.strategy = StrategyService(engine, decision_ttl_seconds=3600)
        self.generator = random.Random(0)

        def create(connection):
            self.knowledge.create_search_space(connection, NAMESPACE, SPACE)
            for name, maximize in (("up", True), ("down", False)):
                task = Task(name, "", "metric", maximize, {}, {}, "epoch", 100.0)
                self.knowledge.create_task(connection, NAMESPACE, task)

        run_transaction(engine, create)

    def select(self, slots: int = 1, task: str = "up") -> list[Decision]:
        return run_transaction(
            self.engine, lambda c: self.strategy.select(c, NAMESPACE, task, ARMS, slots, (0.0, 100.0))
        )

    def record(
        self,
        value: float | None,
        decision: UUID | None,
        task: str = "up",
        status: Status = Status.COMPLETED,
        fidelity: float | None = None,
    ) -> None:
        candidate: Candidate = sample(SPACE, self.generator)
        new = NewExperiment(
            uuid4(),
            task,
            SPACE.search_space_id,
            candidate,
            self.knowledge.canonical(NAMESPACE, SPACE, candidate),
            Outcome(status, value, fidelity=fidelity),
            decision,
        )
        run_transaction(self.engine, lambda c: self.knowledge.record(c, NAMESPACE, [new, new]))

    def reward(self, decision: Decision) -> float | None:
        with self.engine.connect() as connection:
            row = connection.execute(
                select(strategy_decisions).where(strategy_decisions.c.id == decision.decision_id)
            ).one()
        return row.reward_sum / row.experiment_count if row.experiment_count else None


@pytest.fixture
def search(engine: Engine) -> Search:
    return Search(engine)


def test_first_reward_is_neutral_and_later_ones_grow_with_the_share_beaten(search):
    first, second, third, fourth = (search.select()[0] for _ in range(4))
    for decision, value in ((first, 0.5), (second, 0.9), (third, 0.7), (fourth, 0.5)):
        search.record(value, decision.decision_id)
    expected = [chance_to_beat(0, 0), chance_to_beat(1, 1), chance_to_beat(1, 2), chance_to_beat(0.5, 3)]
    assert [search.reward(d) for d in (first, second, third, fourth)] == pytest.approx(expected)
    assert search.reward(first) == pytest.approx(1 / 3)


def test_minimized_tasks_reward_low_values(search):
    one, two = search.select(2, "down")
    search.record(0.5, one.decision_id, "down")
    search.record(0.1, two.decision_id, "down")
    assert search.reward(two) == pytest.approx(chance_to_beat(1, 1))


def test_partial_training_is_no_baseline_and_earns_the_neutral_reward(search):
    partial, full = search.select(2)
    search.record(0.99, partial.decision_id, fidelity=1.0)
    search.record(0.5, None)
    search.record(0.9, full.decision_id)
    assert search.reward(partial) == pytest.approx(1 / 3)
    assert search.reward(full) == pytest.approx(chance_to_beat(1, 1))


def test_chance_to_beat_eight_others_is_how_often_that_happens():
    generator = random.Random(0)
    hits = trials = 0
    for _ in range(200_000):
        values = [generator.random() for _ in range(20)]
        if sum(value < values[0] for value in values[1:12]) == 10:
            trials += 1
            hits += all(value < values[0] for value in values[12:])
    assert hits / trials == pytest.approx(chance_to_beat(10, 11, 8), abs=0.02)


def test_failed_run_gets_no_reward_but_counts_as_pull(search):
    decision = search.select()[0]
    search.record(None, decision.decision_id, status=Status.FAILED)
    assert search.reward(decision) == 0.0
    with search.engine.connect() as connection:
        assert connection.execute(select(strategy_arms.c.pulls)).scalar_one() == 1


def test_first_results_do_not_count_in_what_is_believed_of_arms(search):
    decisions = search.select(BURN_IN + 4)
    for number, decision in enumerate(decisions):
        search.record(float(number), decision.decision_id)
    with search.engine.connect() as connection:
        rows = connection.execute(select(strategy_arms)).all()
    assert sum(row.pulls for row in rows) == BURN_IN + 4
    discounted = [sum(DISCOUNT**age for age in range(count)) for count in range(5)]
    assert sum(row.weight for row in rows) == pytest.approx(
        sum(discounted[sum(d.arm == r.arm and d.tuned == r.tuned for d in decisions[BURN_IN:])] for r in rows)
    )


def test_later_rewards_of_an_arm_count_more(search):
    for number in range(BURN_IN):
        search.record(float(number), None)
    [decision] = search.select()
    values = (100.0, -1.0, 101.0)
    for value in values:
        search.record(value, decision.decision_id)
    rewards = [chance_to_beat(8, 8), chance_to_beat(0, 9), chance_to_beat(10, 10)]
    with search.engine.connect() as connection:
        row = connection.execute(select(strategy_arms)).one()
    assert row.total_reward == pytest.approx(sum(rewards))
    assert row.reward_sum == pytest.approx(sum(r * DISCOUNT**age for r, age in zip(rewards, (2, 1, 0), strict=True)))


def test_unknown_decision_and_decision_of_another_task_earn_nothing_but_the_experiment_is_kept(search):
    other = search.select(task="down")[0]
    search.record(0.5, other.decision_id, "up")
    search.record(0.5, uuid4(), "up")
    assert search.reward(other) is None
    assert search.knowledge.observations(NAMESPACE, "up", SPACE.search_space_id).count == 2


def test_sixteen_workers_at_once_get_a_spread_of_arms(search):
    with ThreadPoolExecutor(8) as threads:
        decisions = [selected[0] for selected in threads.map(lambda _: search.select(), range(16))]
    counts = Counter((decision.arm, decision.tuned) for decision in decisions)
    assert set(counts) == {("random", False), ("evolution", False), ("evolution", True)}
    assert max(counts.values()) <= 12
    assert len({decision.decision_id for decision in decisions}) == 16


def test_settings_are_drawn_from_the_declared_ranges(search):
    for decision in search.select(20):
        assert bool(decision.hyperparameters) == decision.tuned
        if decision.tuned:
            assert decision.arm == "evolution"
            assert 10 <= decision.hyperparameters["population"] <= 100
            assert 0.1 <= decision.hyperparameters["rate"] <= 1.0


def test_an_arm_with_ranges_is_tried_with_its_defaults_too(search):
    taken = Counter((decision.arm, decision.tuned) for decision in search.select(60))
    assert set(taken) == {("random", False), ("evolution", False), ("evolution", True)}


def test_unknown_task_is_not_found(search):
    with pytest.raises(NotFound, match="nowhere"):
        search.select(task="nowhere")
