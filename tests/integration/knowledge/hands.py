"""Recording by hand: tasks, candidates, and somebody who records them."""

from __future__ import annotations

import random
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from headstart.spaces import Candidate, canonicalize, nas_bench_201, sample
from headstart_server.knowledge.experiments.recording import Recorded
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.runtime.database.engine import run_transaction

SPACE = nas_bench_201()
NAMESPACE = "default"


def a_task(name: str, maximize: bool = True) -> Task:
    return Task(name, "", "accuracy", maximize, {"domain": "image"}, {"classes": 10.0}, "epoch", 200.0)


class Recorder:
    def __init__(self, engine: Engine, knowledge: KnowledgeService) -> None:
        self.engine, self.knowledge = engine, knowledge

    def new(
        self, candidate: Candidate, outcome: Outcome, task: str = "cifar", request_id: UUID | None = None
    ) -> NewExperiment:
        canonical = self.knowledge.canonical(NAMESPACE, SPACE, candidate)
        return NewExperiment(request_id or uuid4(), task, SPACE.search_space_id, candidate, canonical, outcome)

    def record(self, *records: NewExperiment) -> list[Recorded]:
        return run_transaction(self.engine, lambda c: self.knowledge.record(c, NAMESPACE, records))


def candidates(count: int, seed: int = 0) -> list[Candidate]:
    """With distinct fingerprints."""
    generator = random.Random(seed)
    found: dict[str, Candidate] = {}
    while len(found) < count:
        candidate = sample(SPACE, generator)
        found.setdefault(canonicalize(SPACE, candidate).fingerprint, candidate)
    return list(found.values())


def completed(value: float) -> Outcome:
    return Outcome(Status.COMPLETED, value)


def waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
        )
        return bool(found.scalar_one())
