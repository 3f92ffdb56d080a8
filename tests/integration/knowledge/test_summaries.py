"""Summaries and incumbents are kept as results come in; here they are held against a count of all results."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from headstart.spaces import Candidate
from headstart.values import ExperimentOrder
from headstart_server.knowledge.experiments.listing import ExperimentQuery
from headstart_server.knowledge.outcomes import Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tables import experiments, tasks
from headstart_server.knowledge.tasks import TaskSummary
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import AlreadyExists
from tests.integration.knowledge.hands import NAMESPACE, SPACE, Recorder, candidates

TASKS = {"cifar": True, "loss": False}


def an_outcome(generator: random.Random) -> Outcome:
    """Few distinct values, so that there are ties; some failed, stopped, or of a shortened training."""
    value = generator.randrange(4) / 4
    return generator.choice(
        [
            Outcome(Status.COMPLETED, value),
            Outcome(Status.COMPLETED, value, fidelity=200.0),
            Outcome(Status.COMPLETED, value, fidelity=250.0),
            Outcome(Status.COMPLETED, generator.choice([-9.0, 9.0]), fidelity=199.0),
            Outcome(Status.FAILED, generator.choice([None, math.nan, math.inf, -math.inf])),
            Outcome(Status.STOPPED, generator.choice([-9.0, 9.0]), fidelity=200.0),
        ]
    )


def recomputed(engine: Engine, task_id: str) -> tuple[int, int, int | None, float | None]:
    """Count, completed, and sequence and value of the incumbent: the earliest of the best full trainings."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(experiments).join(tasks, tasks.c.id == experiments.c.task_id).where(tasks.c.name == task_id)
        ).all()
    full = [
        (row.objective_value if TASKS[task_id] else -row.objective_value, -row.sequence)
        for row in rows
        if row.status == Status.COMPLETED.value and (row.fidelity is None or row.fidelity >= 200.0)
    ]
    if not full:
        return len(rows), 0, None, None
    value, sequence = max(full)
    return len(rows), len(full), -sequence, value if TASKS[task_id] else -value


def told(summary: TaskSummary) -> tuple[int, int, int | None, float | None]:
    best = summary.incumbent
    where, value = (None, None) if best is None else (best.sequence, best.objective_value)
    return summary.experiment_count, summary.completed_count, where, value


@pytest.mark.parametrize("seed", range(5))
def test_summaries_equal_a_count_of_all_after_any_history(
    recorder: Recorder, knowledge: KnowledgeService, engine: Engine, seed: int
) -> None:
    """Three recorders at once, in chunks over both tasks, with repeats within and between chunks, and refusals."""
    generator = random.Random(seed)
    pool: list[Candidate] = candidates(15)
    records = [
        recorder.new(generator.choice(pool), an_outcome(generator), generator.choice(list(TASKS)), UUID(int=number))
        for number in range(120)
    ]
    sent = records + generator.choices(records, k=60)
    generator.shuffle(sent)
    chunks = []
    while sent:
        size = generator.randint(1, 12)
        chunks.append(sent[:size])
        sent = sent[size:]

    def send(numbered: tuple[int, list]) -> None:
        number, chunk = numbered
        if number % 7 == 0:
            other = recorder.new(pool[0], Outcome(Status.COMPLETED, 99.0), chunk[0].task_id, chunk[0].request_id)
            try:
                recorder.record(chunk[0], other, recorder.new(pool[1], Outcome(Status.COMPLETED, 99.0)))
            except AlreadyExists:
                pass
            else:
                raise AssertionError("another content under the same request id was taken")
        if number % 2:
            recorder.record(*chunk)
        else:
            run_transaction(engine, lambda connection: knowledge.record_all(connection, NAMESPACE, chunk))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(send, enumerate(chunks)))
    counts = []
    for task_id in TASKS:
        (summary,) = knowledge.stored_task(NAMESPACE, task_id).summaries
        assert summary.search_space_id == SPACE.search_space_id
        assert told(summary) == recomputed(engine, task_id)
        counts.append(summary.experiment_count)
        numbers = sorted(
            listed.experiment.sequence
            for listed in knowledge.list_experiments(
                NAMESPACE, ExperimentQuery(task_id, SPACE.search_space_id, ExperimentOrder.RECORDING)
            )
        )
        assert numbers == list(range(1, summary.experiment_count + 1))
    assert sum(counts) == 120
