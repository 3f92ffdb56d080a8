"""The worker's promises: the vector index mends itself, and nothing that vanishes meanwhile stops it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import chromadb
import pytest
from sqlalchemy import event

from headstart.codec.spaces import candidate_to_proto
from headstart.spaces import CanonicalCandidate, nas_bench_201, sample
from headstart.v1.knowledge_base_service_pb2 import SearchArchitecturesRequest, SearchArchitecturesResponse
from headstart_server.api.handlers import pagination
from headstart_server.api.handlers.architecture_search import search_architectures
from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex, IndexUnavailable
from headstart_server.knowledge.vector_index.search import VectorSearch
from headstart_server.roles import worker as worker_role
from headstart_server.roles.operator_metrics import Gauges
from headstart_server.roles.worker import Worker
from headstart_server.runtime import chroma_probe
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.database.jobs import Job
from headstart_server.runtime.settings import Settings

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id
COUNT = 30


@pytest.fixture
def domains(settings: Settings) -> Iterator[Domains]:
    """With one task that has COUNT results."""
    domains = open_domains(settings)

    def create(connection):
        domains.knowledge.create_search_space(connection, "default", SPACE)
        domains.knowledge.create_task(connection, "default", Task("cifar", "", "accuracy", True, {}, {}, "", 0.0))

    run_transaction(domains.engine, create)
    generator = random.Random(0)
    records = []
    for _ in range(COUNT):
        candidate = sample(SPACE, generator)
        canonical = domains.knowledge.canonical("default", SPACE, candidate)
        outcome = Outcome(Status.COMPLETED, generator.random())
        records.append(NewExperiment(uuid4(), "cifar", SPACE_ID, candidate, canonical, outcome))
    run_transaction(domains.engine, lambda connection: domains.knowledge.record(connection, "default", records))
    yield domains
    domains.engine.dispose()


def search(domains: Domains, canonical: CanonicalCandidate) -> SearchArchitecturesResponse:
    (candidate,) = (
        found.candidate
        for found in domains.knowledge.architectures("default", SPACE_ID).values()
        if found.fingerprint == canonical.fingerprint
    )
    request = SearchArchitecturesRequest(search_space_id=SPACE_ID, candidate=candidate_to_proto(candidate), count=20)
    return search_architectures(domains, request)


def nearest(domains: Domains, chroma_url: str, canonical: CanonicalCandidate) -> list[tuple[str, float]] | None:
    """From the vector index alone, as a server that has just started sees it."""
    vectors = VectorSearch(domains.engine, ArchitectureIndex(chroma_url))
    try:
        index = vectors.serving("default", SPACE_ID)
        assert index is not None
        embedding = domains.prediction.embed("default", SPACE_ID, index.embedding, [canonical])[0]
        return vectors.nearest(index, embedding, 5)
    except IndexUnavailable:
        return None


@pytest.mark.parametrize("lost", ["all", "half"])
def test_index_that_lost_something_is_not_asked_and_mends_itself(domains: Domains, chroma_url: str, lost: str) -> None:
    canonical = next(iter(domains.knowledge.architectures("default", SPACE_ID).values())).canonical
    worker = Worker(domains)
    worker.drain()
    before = nearest(domains, chroma_url, canonical)
    assert before is not None
    assert before[0] == (canonical.fingerprint, 0.0)

    client = chromadb.HttpClient(*chroma_url.removeprefix("http://").split(":"))
    (collection,) = [each for each in client.list_collections() if each.name != chroma_probe.COLLECTION]
    if lost == "all":
        client.delete_collection(collection.name)
    else:
        collection.delete(collection.get()["ids"][::2])
    assert nearest(domains, chroma_url, canonical) is None
    without = search(domains, canonical)
    assert without.degraded
    assert without.matches[0].fingerprint == canonical.fingerprint

    worker.drain()
    after = nearest(domains, chroma_url, canonical)
    assert after is not None
    assert after[0] == before[0]
    assert [distance for _, distance in after] == pytest.approx([distance for _, distance in before], abs=1e-4)
    assert domains.knowledge.outbox_depth() == 0
    assert not search(domains, canonical).degraded


def test_nearest_architectures_are_as_many_as_a_message_takes(domains: Domains, monkeypatch) -> None:
    canonical = next(iter(domains.knowledge.architectures("default", SPACE_ID).values())).canonical
    whole = search(domains, canonical)
    assert len(whole.matches) == 20
    monkeypatch.setattr(pagination, "_PAGE_BYTES", sum(match.ByteSize() for match in whole.matches[:7]))
    assert list(search(domains, canonical).matches) == list(whole.matches[:7])


def test_space_whose_only_task_was_deleted_is_not_trained(domains: Domains) -> None:
    run_transaction(domains.engine, lambda connection: domains.knowledge.delete_task(connection, "default", "cifar"))
    Worker(domains)._train_space(Job("train", "default", SPACE_ID))
    assert not Worker(domains)._train()


def test_index_and_profiles_follow_while_a_model_is_trained(domains: Domains, monkeypatch) -> None:
    training, enough = threading.Event(), threading.Event()

    def train(namespace: str, space_id: str) -> None:
        training.set()
        assert enough.wait(60)

    monkeypatch.setattr(domains.prediction, "spaces_to_train", list)
    monkeypatch.setattr(domains.prediction, "train", train)
    delivered: list[bool] = []

    def look() -> None:
        assert training.wait(60)
        end = time.monotonic() + 30

        def behind() -> bool:
            return bool(domains.knowledge.outbox_depth() or domains.task_profiler.stale_spaces())

        while behind() and time.monotonic() < end:
            time.sleep(0.1)
        delivered.append(not behind())
        enough.set()
        os.kill(os.getpid(), signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    looking = threading.Thread(target=look)
    looking.start()
    try:
        worker_role._work_until_stopped(Worker(domains), Gauges(domains), 0.1)
    finally:
        enough.set()
        looking.join(60)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert delivered == [True]


def test_idle_worker_asks_little_of_the_database(domains: Domains, monkeypatch) -> None:
    """However many spaces there are: their growth is looked at now and then, in two statements."""

    def create(connection):
        for number in range(20):
            space = replace(SPACE, search_space_id=f"space-{number}")
            domains.knowledge.create_search_space(connection, "default", space)
            candidate = sample(space, random.Random(number))
            canonical = domains.knowledge.canonical("default", space, candidate)
            outcome = Outcome(Status.COMPLETED, 0.5)
            one = NewExperiment(uuid4(), "cifar", space.search_space_id, candidate, canonical, outcome)
            domains.knowledge.record(connection, "default", [one])

    run_transaction(domains.engine, create)
    role = Worker(domains)
    role.drain()
    role.train()
    statements: list[str] = []
    listening = (domains.engine, "before_cursor_execute", lambda *about: statements.append(about[2]))
    event.listen(*listening)
    role.train()
    assert not any("task_summaries" in statement for statement in statements)
    monkeypatch.setattr(worker_role, "_SECONDS_BETWEEN_GROWTH", 0.0)
    statements.clear()
    role.train()
    event.remove(*listening)
    assert sum("model_versions" in statement or "task_summaries" in statement for statement in statements) == 2
