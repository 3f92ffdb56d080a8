"""The vector index follows the records, whatever dies, is lost or is rebuilt; and searches go on meanwhile."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import chromadb
import chromadb.config
import numpy as np
import pytest
from sqlalchemy import delete, event, func, select

from headstart.codec.spaces import candidate_to_proto
from headstart.spaces import Candidate, Categorical, Float, Parameter, SearchSpace, nas_bench_201, sample
from headstart.spaces.validation import InvalidInput
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart_server.api.handlers.architecture_search import search_architectures
from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.tables import architectures, outbox, vector_indexes
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index import indexer
from headstart_server.knowledge.vector_index import versions as vector_versions
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex, CollectionMissing, IndexUnavailable
from headstart_server.knowledge.vector_index.indexer import VectorKeeper
from headstart_server.prediction.registry.records import ModelArtefact
from headstart_server.prediction.registry.versions import STORED_VERSIONS, load_artefact, promote, write_version
from headstart_server.prediction.serving import recent_embeddings
from headstart_server.prediction.tables import model_versions
from headstart_server.roles.worker import Worker
from headstart_server.runtime import chroma_probe
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import NotFound, Unavailable
from headstart_server.runtime.settings import Settings
from tests.own_chroma import OwnChroma
from tests.waiting import wait_until

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[OwnChroma]:
    server = OwnChroma(tmp_path / "chroma")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def domains(settings: Settings) -> Iterator[Domains]:
    yield from _domains(settings)


def _domains(settings: Settings) -> Iterator[Domains]:
    domains = open_domains(settings)

    def create(connection):
        domains.knowledge.create_search_space(connection, "default", SPACE)
        for task_id in ("cifar", "other"):
            domains.knowledge.create_task(connection, "default", Task(task_id, "", "accuracy", True, {}, {}, "", 0.0))

    run_transaction(domains.engine, create)
    yield domains
    domains.close()


def new_experiments(domains: Domains, count: int, seed: int, task_id: str) -> list[NewExperiment]:
    """Of ``count`` different architectures."""
    generator = random.Random(seed)
    found: dict[str, NewExperiment] = {}
    while len(found) < count:
        candidate = sample(SPACE, generator)
        canonical = domains.knowledge.canonical("default", SPACE, candidate)
        outcome = Outcome(Status.COMPLETED, generator.random())
        found[canonical.fingerprint] = NewExperiment(uuid4(), task_id, SPACE_ID, candidate, canonical, outcome)
    return list(found.values())


def record(domains: Domains, count: int, seed: int = 0, task_id: str = "cifar") -> list[Candidate]:
    """Results of ``count`` different architectures."""
    records = new_experiments(domains, count, seed, task_id)
    run_transaction(domains.engine, lambda connection: domains.knowledge.record(connection, "default", records))
    return [new.candidate for new in records]


def search(domains: Domains, candidate: Candidate, count: int = 10, **fields) -> pb2.SearchArchitecturesResponse:
    proto = candidate_to_proto(candidate)
    return search_architectures(
        domains, pb2.SearchArchitecturesRequest(search_space_id=SPACE_ID, candidate=proto, count=count, **fields)
    )


def keeper_of(domains: Domains) -> VectorKeeper:
    return domains.knowledge.vector_keeper(domains.prediction.embed, domains.prediction.choose_embedding)


def drain(keeper: VectorKeeper) -> None:
    """All that a worker does for the index, training aside."""
    for _ in range(2):
        keeper.look_again()
        while keeper.deliver() or keeper.tend() or keeper.build():
            pass


def versions(domains: Domains) -> dict[str, str]:
    with domains.engine.connect() as connection:
        rows = connection.execute(select(vector_indexes.c.version, vector_indexes.c.state))
        return {row.version: row.state for row in rows}


def recorded_count(domains: Domains) -> int:
    with domains.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(architectures)).scalar_one())


def vectors(url: str) -> dict[str, dict[str, np.ndarray]]:
    """What Chroma holds: collections, fingerprints, embeddings."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = chromadb.HttpClient(host, int(port), settings=chromadb.config.Settings(anonymized_telemetry=False))
    found = {}
    for collection in client.list_collections():
        # Another test's server may watch the same Chroma.
        if collection.name == chroma_probe.COLLECTION:
            continue
        held = collection.get(include=["embeddings"])
        found[collection.name] = dict(zip(held["ids"], np.array(held["embeddings"]), strict=True))
    return found


def test_recorded_architectures_are_found_with_their_distance_and_embedding(domains: Domains) -> None:
    candidates = record(domains, 40)
    drain(keeper_of(domains))
    answer = search(domains, candidates[3])
    assert not answer.degraded
    assert answer.embedding_version == "structural-1"
    assert len(answer.matches) == 10
    assert answer.matches[0].distance == 0.0
    assert [match.distance for match in answer.matches] == sorted(match.distance for match in answer.matches)
    assert answer.matches[0].results[0].task_id == "cifar"


def test_space_without_architectures_has_no_nearest_and_lacks_nothing(domains: Domains) -> None:
    answer = search(domains, sample(SPACE, random.Random(1)))
    assert not answer.matches
    assert not answer.degraded


def test_first_version_of_a_space_with_a_past_serves_only_when_all_of_it_is_in(domains: Domains) -> None:
    """After an upgrade: architectures that were delivered once to an index that this version does not know."""
    old = record(domains, 40)
    with domains.engine.begin() as connection:
        connection.execute(delete(outbox))
    late = record(domains, 5, seed=1)
    keeper = keeper_of(domains)
    keeper.deliver()
    assert list(versions(domains).values()) == ["BUILDING"]
    answer = search(domains, late[0], count=45)
    assert answer.degraded
    assert len(answer.matches) == recorded_count(domains)
    drain(keeper)
    assert list(versions(domains).values()) == ["SERVING"]
    wait_until(lambda: not search(domains, old[0]).degraded, what="looking up the version that serves")
    assert search(domains, old[0]).matches[0].distance == 0.0


def test_index_that_is_behind_is_not_asked_until_it_has_caught_up(domains: Domains) -> None:
    record(domains, 40)
    keeper = keeper_of(domains)
    drain(keeper)
    late = record(domains, 5, seed=1)
    wait_until(lambda: search(domains, late[0]).degraded, what="noticing that architectures wait")
    answer = search(domains, late[0])
    assert answer.matches[0].distance == 0.0
    drain(keeper)
    assert not search(domains, late[0]).degraded


def test_redelivered_rows_change_nothing(domains: Domains, chroma_url: str, monkeypatch) -> None:
    record(domains, 30)
    keeper = keeper_of(domains)
    drain(keeper)
    before = vectors(chroma_url)
    record(domains, 10, seed=1)

    def killed(*_):
        raise KeyboardInterrupt

    # After Chroma has them, before the rows are gone: what was delivered is delivered again.
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("headstart_server.knowledge.vector_index.outbox._take_back", killed)
        keeper.deliver()
    assert domains.knowledge.outbox_depth() > 0
    drain(keeper)
    after = vectors(chroma_url)
    assert domains.knowledge.outbox_depth() == 0
    assert after.keys() == before.keys()
    (name,) = after
    assert len(after[name]) == recorded_count(domains)
    for fingerprint, embedding in before[name].items():
        assert np.array_equal(after[name][fingerprint], embedding)


def test_deleted_task_takes_its_own_architectures_out_of_the_index(domains: Domains, chroma_url: str) -> None:
    kept = record(domains, 20, task_id="other")
    gone = record(domains, 60, seed=1)
    keeper = keeper_of(domains)
    drain(keeper)
    run_transaction(domains.engine, lambda connection: domains.knowledge.delete_task(connection, "default", "cifar"))
    drain(keeper)
    fingerprints = {domains.knowledge.canonical("default", SPACE, candidate).fingerprint for candidate in kept}
    (held,) = vectors(chroma_url).values()
    assert held.keys() == fingerprints
    answer = search(domains, gone[5])
    assert not answer.degraded
    assert {match.fingerprint for match in answer.matches} <= fingerprints


def test_architecture_recorded_again_while_it_is_removed_stays(domains: Domains, chroma_url: str) -> None:
    candidates = record(domains, 5)
    keeper = keeper_of(domains)
    drain(keeper)
    run_transaction(domains.engine, lambda connection: domains.knowledge.delete_task(connection, "default", "cifar"))
    with domains.engine.begin() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() == 5
    create = Task("cifar", "", "accuracy", True, {}, {}, "", 0.0)
    run_transaction(domains.engine, lambda connection: domains.knowledge.create_task(connection, "default", create))
    record(domains, 5)
    drain(keeper)
    (held,) = vectors(chroma_url).values()
    assert len(held) == 5
    assert search(domains, candidates[0]).matches[0].distance == 0.0


def test_chroma_that_lost_its_directory_is_filled_again(settings: Settings, chroma: OwnChroma) -> None:
    for domains in _domains(settings.model_copy(update={"chroma_url": chroma.url})):
        candidates = record(domains, 40)
        keeper = keeper_of(domains)
        drain(keeper)
        before = search(domains, candidates[0])
        chroma.stop()
        assert search(domains, candidates[0]).degraded
        with pytest.raises(IndexUnavailable):
            drain(keeper)
        chroma.empty()
        chroma.start()
        drain(keeper)
        answer = search(domains, candidates[0])
        assert not answer.degraded
        distances = [match.distance for match in before.matches]
        assert [match.distance for match in answer.matches] == pytest.approx(distances, abs=1e-4)
        assert list(versions(domains).values()).count("SERVING") == 1


def test_what_is_recorded_while_chroma_is_down_comes_later(settings: Settings, chroma: OwnChroma) -> None:
    for domains in _domains(settings.model_copy(update={"chroma_url": chroma.url})):
        record(domains, 20)
        worker = Worker(domains)
        worker.drain()
        chroma.stop()
        late = record(domains, 110, seed=1)
        # The index keeps no other work from its turn: there are enough results for a model now.
        with pytest.raises(IndexUnavailable):
            worker.step()
        assert domains.prediction.predictor("default", SPACE_ID).number == 1
        answer = search(domains, late[0])
        assert answer.degraded
        assert answer.matches[0].distance == 0.0
        chroma.start()
        worker.drain()
        answer = search(domains, late[0])
        assert not answer.degraded
        assert answer.embedding_version == f"default/{SPACE_ID}/1"
        assert domains.knowledge.outbox_depth() == 0


def test_collection_made_anew_under_its_name_is_found(chroma_url: str) -> None:
    mine, other = ArchitectureIndex(chroma_url), ArchitectureIndex(chroma_url)
    mine.create("default.space.structural-1.1")
    mine.upsert("default.space.structural-1.1", ["a"], np.zeros((1, 3), np.float32))
    other.create("default.space.structural-1.1")
    assert mine.size("default.space.structural-1.1") == 0
    other.drop("default.space.structural-1.1")
    with pytest.raises(CollectionMissing):
        mine.size("default.space.structural-1.1")


def test_watch_tells_whether_chroma_is_there(settings: Settings, chroma: OwnChroma) -> None:
    for domains in _domains(settings.model_copy(update={"chroma_url": chroma.url})):
        assert domains.knowledge.vectors.watch()
        chroma.stop()
        assert not domains.knowledge.vectors.watch()
        assert not domains.knowledge.vectors.reachable
        chroma.start()
        assert domains.knowledge.vectors.watch()


def test_build_goes_on_where_a_killed_worker_stopped(domains: Domains, monkeypatch) -> None:
    record(domains, 60)
    keeper = keeper_of(domains)
    drain(keeper)
    monkeypatch.setattr(indexer, "_SLICE", 20)
    (begun,) = keeper.rebuild_all()
    assert keeper.build().added == 20
    asked = []

    def dying(namespace, space_id, embedding, canonicals):
        asked.append(len(canonicals))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        domains.knowledge.vector_keeper(dying, domains.prediction.choose_embedding).build()
    other = keeper_of(domains)
    added = []
    while not (built := other.build()).done:
        added.append(built.added)
    assert asked == [20]
    assert added == [20, 20]
    assert versions(domains)[begun.version] == "SERVING"


def test_two_workers_do_not_build_the_same_slice(domains: Domains, monkeypatch) -> None:
    record(domains, 60)
    keeper = keeper_of(domains)
    drain(keeper)
    keeper.rebuild_all()
    inside, go_on = threading.Event(), threading.Event()

    def slow(*question):
        inside.set()
        go_on.wait(20)
        return domains.prediction.embed(*question)

    holder = domains.knowledge.vector_keeper(slow, domains.prediction.choose_embedding)
    thread = threading.Thread(target=holder.build)
    thread.start()
    assert inside.wait(20)
    assert keeper.build() is None
    go_on.set()
    thread.join(20)
    assert keeper.build().done


def test_two_workers_at_once_leave_every_architecture_in_the_index(
    domains: Domains, settings: Settings, chroma_url: str, monkeypatch
) -> None:
    monkeypatch.setattr(indexer, "_SLICE", 30)
    monkeypatch.setattr(indexer, "_DELIVERED", 20)
    others = [open_domains(settings) for _ in range(2)]
    failures: list[BaseException] = []
    stop = threading.Event()

    def work(keeper: VectorKeeper) -> None:
        try:
            while not stop.is_set():
                # Chroma has moments between a collection's end and its next beginning; a worker comes again.
                with suppress(IndexUnavailable):
                    keeper.look_again()
                    keeper.deliver()
                    keeper.tend()
                    keeper.build()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(keeper_of(each),)) for each in others]
    for thread in threads:
        thread.start()
    for seed in range(6):
        record(domains, 40, seed=seed)
        if seed == 3:
            keeper_of(domains).rebuild_all()
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not failures
    drain(keeper_of(domains))
    with domains.engine.connect() as connection:
        recorded = set(connection.execute(select(architectures.c.fingerprint)).scalars())
    serving = [version for version, state in versions(domains).items() if state == "SERVING"]
    assert len(serving) == 1
    assert vectors(chroma_url)[f"default.{SPACE_ID}.{serving[0]}"].keys() == recorded
    for each in others:
        each.close()


def test_searches_neither_fail_nor_degrade_while_a_new_version_takes_over(
    domains: Domains, chroma_url: str, monkeypatch
) -> None:
    candidates = record(domains, 60)
    keeper = keeper_of(domains)
    drain(keeper)
    monkeypatch.setattr(indexer, "_SLICE", 15)
    monkeypatch.setattr(indexer, "_RETIRED_SECONDS", 0.0)
    answers: list[pb2.SearchArchitecturesResponse | Exception] = []
    stop = threading.Event()

    def ask() -> None:
        generator = random.Random(0)
        while not stop.is_set():
            try:
                answers.append(search(domains, generator.choice(candidates)))
            except Exception as error:
                answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(4):
        before = len(answers)
        keeper.rebuild_all()
        drain(keeper)
        wait_until(lambda before=before: len(answers) > before + 5, what="searches between swaps")
    stop.set()
    thread.join(20)
    assert len(answers) > 20
    for answer in answers:
        assert isinstance(answer, pb2.SearchArchitecturesResponse)
        assert not answer.degraded
        assert answer.matches[0].distance == 0.0
    drain(keeper)
    assert len(vectors(chroma_url)) == 1
    assert list(versions(domains).values()) == ["SERVING"]


def test_architecture_committed_behind_the_building_of_a_version_is_in_it(
    domains: Domains, chroma_url: str, monkeypatch
) -> None:
    """Its number is lower than those built already: only the outbox can bring it."""
    record(domains, 30)
    keeper = keeper_of(domains)
    drain(keeper)
    monkeypatch.setattr(indexer, "_SLICE", 10)
    (begun,) = keeper.rebuild_all()
    with domains.engine.begin() as connection:
        records = new_experiments(domains, 20, seed=5, task_id="other")
        domains.knowledge.record(connection, "default", records[:15])
        later = [replace(each, task_id="cifar") for each in records[15:]]
        run_transaction(domains.engine, lambda other: domains.knowledge.record(other, "default", later))
        while keeper.build().added == 10:
            pass
    while keeper.deliver():
        pass
    while not keeper.build().done:
        pass
    assert len(vectors(chroma_url)[begun.collection]) == recorded_count(domains)


def artefact() -> ModelArtefact:
    return ModelArtefact(b"", "none", 0, 0, 0.0, ())


def model(domains: Domains, trained_through: int):
    version = run_transaction(
        domains.engine,
        lambda connection: write_version(connection, "default", SPACE_ID, artefact(), trained_through),
    )
    run_transaction(domains.engine, lambda connection: promote(connection, version))
    return version


def test_index_follows_models_when_the_space_has_doubled_and_keeps_theirs(domains: Domains) -> None:
    record(domains, 20)
    dimensions = 3

    def embed(namespace, space_id, embedding, canonicals):
        if embedding != "structural-1":
            with domains.engine.connect() as connection:
                load_artefact(connection, f"{namespace}/{space_id}/{embedding.removeprefix('graph-')}")
        return np.zeros((len(canonicals), dimensions), np.float32)

    keeper = domains.knowledge.vector_keeper(embed, domains.prediction.choose_embedding)
    drain(keeper)
    assert versions(domains) == {"structural-1.1": "SERVING"}
    first = model(domains, 100)
    drain(keeper)
    assert versions(domains)["graph-1.2"] == "SERVING"
    for trained_through in (120, 144, 172, 199):
        model(domains, trained_through)
        drain(keeper)
    assert versions(domains)["graph-1.2"] == "SERVING"
    # More versions than the registry keeps, before the index could follow.
    for _ in range(STORED_VERSIONS):
        last = model(domains, 200)
    with domains.engine.connect() as connection:
        load_artefact(connection, first.name)
        with pytest.raises(NotFound):
            load_artefact(connection, f"default/{SPACE_ID}/2")
    drain(keeper)
    assert versions(domains)[f"graph-{last.number}.3"] == "SERVING"


def test_model_that_cannot_be_read_degrades_the_search(domains: Domains) -> None:
    candidates = record(domains, 20)
    model(domains, 100)
    with pytest.raises(Unavailable, match="cannot be read"):
        drain(keeper_of(domains))
    answer = search(domains, candidates[0])
    assert answer.degraded
    assert answer.matches[0].distance == 0.0


def test_embedding_that_nobody_knows_any_more_makes_way_for_another(domains: Domains) -> None:
    candidates = record(domains, 20)
    version = model(domains, 100)
    constant = domains.knowledge.vector_keeper(
        lambda namespace, space_id, embedding, canonicals: np.zeros((len(canonicals), 3), np.float32),
        domains.prediction.choose_embedding,
    )
    drain(constant)
    assert search(domains, candidates[0]).degraded
    with domains.engine.begin() as connection:
        connection.execute(delete(model_versions).where(model_versions.c.number == version.number))
    record(domains, 5, seed=1)
    drain(keeper_of(domains))
    answer = search(domains, candidates[0])
    assert not answer.degraded
    assert answer.embedding_version == "structural-1"


def test_model_that_the_host_does_not_know_is_waited_for(domains: Domains) -> None:
    record(domains, 20)
    model(domains, 100)

    def unknown(*_):
        raise NotFound("the predictor host does not know the model version", "MODEL_VERSION_NOT_FOUND")

    keeper = domains.knowledge.vector_keeper(unknown, domains.prediction.choose_embedding)
    for _ in range(2):
        with pytest.raises(NotFound):
            drain(keeper)
    assert domains.knowledge.outbox_depth() == 20
    known = domains.knowledge.vector_keeper(
        lambda namespace, space_id, embedding, canonicals: np.zeros((len(canonicals), 3), np.float32),
        domains.prediction.choose_embedding,
    )
    drain(known)
    assert domains.knowledge.outbox_depth() == 0


def test_model_host_out_of_reach_degrades_the_search(domains: Domains, monkeypatch) -> None:
    candidates = record(domains, 20)
    drain(keeper_of(domains))

    def unreachable(*_):
        raise Unavailable("the predictor host is out of reach", "PREDICTOR_UNAVAILABLE")

    monkeypatch.setattr(domains.prediction, "embed", unreachable)
    answer = search(domains, candidates[0])
    assert answer.degraded
    assert answer.embedding_version == "structural-1"
    assert answer.matches[0].distance == 0.0


def test_without_the_index_the_architectures_recorded_last_are_compared(domains: Domains, monkeypatch) -> None:
    monkeypatch.setattr(recent_embeddings, "MOST_ARCHITECTURES", 25)
    monkeypatch.setattr(recent_embeddings, "_LEAST_ARCHITECTURES", 25)
    old = record(domains, 30)
    assert search(domains, old[-1], count=100).degraded
    assert len(search(domains, old[-1], count=100).matches) == 25
    new = record(domains, 10, seed=4)
    assert search(domains, new[0]).matches[0].distance == 0.0


@pytest.mark.parametrize("degraded", [False, True])
def test_search_reads_no_table_whole(domains: Domains, degraded: bool) -> None:
    candidates = record(domains, 40)
    if not degraded:
        drain(keeper_of(domains))
    statements: list[tuple[str, object]] = []

    def note(connection, cursor, statement, parameters, context, executemany):
        statements.append((statement, parameters))

    event.listen(domains.engine, "before_cursor_execute", note)
    assert search(domains, candidates[0]).degraded == degraded
    event.remove(domains.engine, "before_cursor_execute", note)
    assert len(statements) >= 3
    with domains.engine.connect() as connection:
        # With so few rows reading all would be right; without that choice the plans show whether an index serves.
        connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in statements:
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            assert not re.search(r"Seq Scan on (experiments|architectures|outbox)", plan), plan


@pytest.mark.parametrize("measure", ["OP_DISTRIBUTION", "GRAPH_EDIT_DISTANCE"])
def test_other_measures_order_the_nearest_anew(domains: Domains, measure: str) -> None:
    candidates = record(domains, 40)
    drain(keeper_of(domains))
    value = pb2.ArchitectureMeasure.Value(f"ARCHITECTURE_MEASURE_{measure}")
    answer = search(domains, candidates[7], measure=value)
    assert not answer.degraded
    distances = [match.distance for match in answer.matches]
    assert distances[0] == 0.0
    assert distances == sorted(distances)
    assert distances != [match.distance for match in search(domains, candidates[7]).matches]
    if measure == "GRAPH_EDIT_DISTANCE":
        assert all(distance == int(distance) for distance in distances)


@pytest.mark.parametrize("measure", ["OP_DISTRIBUTION", "GRAPH_EDIT_DISTANCE"])
def test_measure_of_graphs_is_refused_where_there_are_none(domains: Domains, measure: str) -> None:
    space = SearchSpace("rates", parameters=(Parameter("rate", Float(0.0, 1.0)),))
    run_transaction(
        domains.engine, lambda connection: domains.knowledge.create_search_space(connection, "default", space)
    )
    request = pb2.SearchArchitecturesRequest(
        search_space_id="rates",
        candidate=candidate_to_proto(Candidate({"rate": 0.5})),
        measure=pb2.ArchitectureMeasure.Value(f"ARCHITECTURE_MEASURE_{measure}"),
    )
    with pytest.raises(InvalidInput) as raised:
        search_architectures(domains, request)
    assert [violation.field for violation in raised.value.violations] == ["measure"]


def test_index_made_before_choices_had_an_order_is_built_anew_beside_it(domains: Domains) -> None:
    """Of a space with such choices; that of another stays what it was."""
    space = SearchSpace("sizes", parameters=(Parameter("size", Categorical((8, 16, 32, 64))),))
    candidates = [Candidate({"size": size}) for size in (8, 16, 32, 64)]
    canonicals = [domains.knowledge.canonical("default", space, candidate) for candidate in candidates]
    records = [
        NewExperiment(uuid4(), "cifar", "sizes", candidate, canonical, Outcome(Status.COMPLETED, 0.5))
        for candidate, canonical in zip(candidates, canonicals, strict=True)
    ]

    def past(connection):
        domains.knowledge.create_search_space(connection, "default", space)
        domains.knowledge.record(connection, "default", records)

    run_transaction(domains.engine, past)
    # A place for each choice.
    drain(domains.knowledge.vector_keeper(lambda *asked: np.eye(4, dtype=np.float32), lambda *_: "structural-1"))
    record(domains, 5)
    request = pb2.SearchArchitecturesRequest(
        search_space_id="sizes", candidate=candidate_to_proto(candidates[0]), count=4
    )
    before = search_architectures(domains, request)
    assert (before.embedding_version, before.degraded) == ("structural-2", True)
    drain(keeper_of(domains))
    with domains.engine.connect() as connection:
        serving = [index.collection for index in vector_versions.serving_versions(connection)]
    assert sorted(serving) == [f"default.{SPACE_ID}.structural-1.1", "default.sizes.structural-2.2"]
    after = search_architectures(domains, request)
    assert (after.embedding_version, after.degraded) == ("structural-2", False)
    assert [match.distance for match in after.matches] == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-6)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 10.5, float("nan"), float("inf")])
def test_time_limit_is_more_than_nothing_and_at_most_ten_seconds(domains: Domains, seconds: float) -> None:
    with pytest.raises(InvalidInput) as raised:
        search(domains, sample(SPACE, random.Random(0)), time_limit_seconds=seconds)
    assert [violation.field for violation in raised.value.violations] == ["time_limit_seconds"]


def test_unknown_measure_is_refused(domains: Domains) -> None:
    with pytest.raises(InvalidInput) as raised:
        search(domains, sample(SPACE, random.Random(0)), measure=99)
    assert [violation.field for violation in raised.value.violations] == ["measure"]
