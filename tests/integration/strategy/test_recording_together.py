"""A transaction of many records leaves what one transaction after the other leaves: answers, summaries, rewards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select

from headstart.spaces import Candidate, Float, Parameter, SearchSpace, nas_bench_201, sample
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tables import namespaces, task_summaries, tasks
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import AlreadyExists, NotFound
from headstart_server.strategy.rewards.attribution import BURN_IN, credit_decisions, read_credits
from headstart_server.strategy.service import Arm, StrategyService
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

GRAPHS = nas_bench_201()
RATES = SearchSpace("rates", (Parameter("rate", Float(0.0, 1.0)),))
ARMS = [Arm("random"), Arm("evolution")]
NAMES = ("up", "down")
# So many decisions a task.
DECISIONS = 6


class History:
    """A namespace with two tasks, two spaces, and decisions; the same in every namespace but for their ids."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self.engine, self.namespace = engine, namespace
        self.knowledge = KnowledgeService(engine, ArchitectureIndex("http://127.0.0.1:1"))
        self.knowledge.listeners.append(credit_decisions)
        strategy = StrategyService(engine, decision_ttl_seconds=3600, draw_seed=lambda: 5)
        run_transaction(engine, self._create)
        self.decisions = {
            name: run_transaction(
                engine, lambda c, name=name: strategy.select(c, namespace, name, ARMS, DECISIONS, (0.0, 100.0))
            )
            for name in NAMES
        }

    def _create(self, connection):
        for space in (GRAPHS, RATES):
            self.knowledge.create_search_space(connection, self.namespace, space)
        for name in NAMES:
            task = Task(name, "", "metric", name == "up", {}, {}, "epoch", 100.0)
            self.knowledge.create_task(connection, self.namespace, task)

    def records(self, count: int, seed: int) -> Iterator[NewExperiment]:
        """Ties, repeated candidates and request ids, failures, partial trainings, decisions of all kinds."""
        generator = random.Random(seed)
        pool = [sample(GRAPHS, generator) for _ in range(5)]
        sent: list[NewExperiment] = []
        for _ in range(count):
            if sent and generator.random() < 0.1:
                yield generator.choice(sent)
                continue
            name = generator.choice(NAMES)
            space, candidate = GRAPHS, generator.choice(pool)
            if generator.random() < 0.3:
                space, candidate = RATES, Candidate({"rate": generator.choice((0.1, 0.5))})
            status = generator.choices((Status.COMPLETED, Status.FAILED, Status.STOPPED), (8, 1, 1))[0]
            value = round(generator.random(), 1) if status is Status.COMPLETED else None
            named = [
                None,
                UUID(int=1),
                *(d.decision_id for d in self.decisions[name] * 2),
                self.decisions["up"][0].decision_id,
            ]
            new = NewExperiment(
                UUID(int=generator.getrandbits(128)),
                name,
                space.search_space_id,
                candidate,
                self.knowledge.canonical(self.namespace, space, candidate),
                Outcome(status, value, fidelity=generator.choice((None, 1.0, 100.0))),
                generator.choice(named),
            )
            sent.append(new)
            yield new

    def record(self, records):
        def keep(connection):
            answers = self.knowledge.record_each(connection, self.namespace, records)
            return list(zip(answers, read_credits(connection, self.namespace, records), strict=True))

        return run_transaction(self.engine, keep)

    def state(self) -> list[object]:
        """Summaries, what was credited to each decision in their order, and to each arm."""
        with self.engine.connect() as connection:
            numbers = {row.name: row.id for row in self._tasks(connection)}
            rows_read: list[object] = []
            for name in NAMES:
                columns = task_summaries.c
                rows = connection.execute(select(task_summaries).where(columns.task_id == numbers[name]))
                rows_read.append(sorted(tuple(row)[2:] for row in rows))
                decided = strategy_decisions.c
                for decision in self.decisions[name]:
                    row = connection.execute(
                        select(decided.arm, decided.experiment_count, decided.reward_sum).where(
                            decided.id == decision.decision_id
                        )
                    ).one()
                    rows_read.append((row.arm, row.experiment_count, pytest.approx(row.reward_sum, abs=1e-12)))
                arms = connection.execute(
                    select(strategy_arms).where(strategy_arms.c.task_id == numbers[name]).order_by(strategy_arms.c.arm)
                )
                rows_read += [
                    (row.arm, row.tuned, *(pytest.approx(each, abs=1e-9) for each in row[3:])) for row in arms
                ]
            return rows_read

    def _tasks(self, connection):
        return connection.execute(select(tasks).join(namespaces).where(namespaces.c.name == self.namespace))


@pytest.mark.parametrize("seed", range(2))
def test_records_of_one_transaction_are_answered_and_rewarded_as_if_one_came_after_the_other(engine, seed):
    apart, together = History(engine, "apart"), History(engine, "together")
    first, second = list(apart.records(60, seed)), list(together.records(60, seed))
    in_turn = [answer for new in first for answer in apart.record([new])]
    at_once = together.record(second[:20]) + together.record(second[20:])
    assert at_once == in_turn
    assert together.state() == apart.state()
    completed = sum(new.outcome.status is Status.COMPLETED for new in first)
    # Else nothing would count in what is believed of arms, and nothing would be discounted.
    assert completed > 3 * BURN_IN


def test_what_is_wrong_with_one_record_is_its_own_answer(engine):
    history = History(engine, "default")
    good, other, reused = (next(history.records(1, seed)) for seed in (1, 2, 3))
    reused = NewExperiment(
        good.request_id, good.task_id, reused.search_space_id, reused.candidate, reused.canonical, reused.outcome
    )
    lost = NewExperiment(uuid4(), "nowhere", other.search_space_id, other.candidate, other.canonical, other.outcome)
    answers = run_transaction(
        engine, lambda c: history.knowledge.record_each(c, "default", [lost, good, reused, other])
    )
    assert isinstance(answers[0], NotFound)
    assert isinstance(answers[2], AlreadyExists)
    assert [answers[i].already_known for i in (1, 3)] == [False, False]


def test_who_does_not_wait_leaves_out_what_another_holds_and_records_the_rest(engine):
    history = History(engine, "default")
    records = list(history.records(40, 4))
    ups = [new for new in records if new.task_id == "up" and new.search_space_id == GRAPHS.search_space_id]
    down = next(new for new in records if new.task_id == "down")
    history.record([ups[0], down])
    with engine.begin() as holding:
        history.knowledge.record(holding, "default", [ups[1]])
        free = run_transaction(
            engine, lambda c: history.knowledge.record_each(c, "default", [ups[2], down, ups[0]], wait=False)
        )
    assert [free[0], free[2]] == [None, None]
    assert free[1].already_known
