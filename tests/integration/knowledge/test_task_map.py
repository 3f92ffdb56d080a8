"""What is known of tasks as a whole: profiles, weights, clusters and a map, made by the worker and told over gRPC."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import grpc
import pytest
from sqlalchemy import select, update

import headstart
from headstart.spaces import Candidate, Graph, Node, nas_bench_201, sample
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.v1.knowledge_base_service_pb2_grpc import KnowledgeBaseServiceStub
from headstart.values import SimilarityKind, TaskCluster
from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.tables import task_embeddings
from headstart_server.roles.worker import Worker

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id
CONVOLUTIONS = {"none": -1.0, "skip_connect": 0.2, "nor_conv_1x1": 0.5, "nor_conv_3x3": 1.0, "avg_pool_3x3": 0.0}
POOLING = {"none": -1.0, "skip_connect": 0.5, "nor_conv_1x1": 0.1, "nor_conv_3x3": -0.5, "avg_pool_3x3": 1.0}


def worth(candidate: Candidate, taste: dict[str, float]) -> float:
    return sum(taste[str(candidate.values[f"op{i}"])] * (1 + 0.1 * i) for i in range(6))


def records(task_id: str, taste: dict[str, float], count: int, seed: int) -> Iterator[headstart.Record]:
    generator = random.Random(seed)
    for _ in range(count):
        candidate = sample(SPACE, generator)
        value = worth(candidate, taste) + generator.gauss(0, 0.2)
        yield headstart.Record(task_id, SPACE_ID, candidate, headstart.completed(value))


def declare(client: headstart.Client, task_id: str, domain: str, rows: float) -> None:
    task = headstart.Task(
        task_id,
        headstart.Objective("accuracy"),
        descriptor={"modality": "image", "domain": domain},
        meta_features={"rows": rows},
    )
    client.create_task(task)


@pytest.fixture
def client(service) -> Iterator[headstart.Client]:
    """Of a service with three tasks that like convolutions and three that like pooling; no two tried the same."""
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        for number in range(3):
            declare(client, f"photo-{number}", "photographs", 1000.0 + number)
            client.record_many(records(f"photo-{number}", CONVOLUTIONS, 12, seed=number))
            declare(client, f"scan-{number}", "scans", 1010.0 + number)
            client.record_many(records(f"scan-{number}", POOLING, 12, seed=10 + number))
        yield client


@pytest.fixture
def domains(service) -> Iterator[Domains]:
    domains = open_domains(service.settings)
    yield domains
    domains.close()


def together(clusters: list[TaskCluster]) -> set[frozenset[str]]:
    return {frozenset(cluster.task_ids) for cluster in clusters}


def test_tasks_that_behave_alike_are_together_and_named_by_what_they_share(client, domains):
    Worker(domains).drain()
    clusters = list(client.list_task_clusters())
    photos, scans = (frozenset(f"{kind}-{n}" for n in range(3)) for kind in ("photo", "scan"))
    assert together(clusters) == {photos, scans}
    names = {cluster.task_ids[0][:4]: cluster.name for cluster in clusters}
    assert names == {"phot": "photographs", "scan": "scans"}
    for cluster in clusters:
        assert cluster.medoid_task_id in cluster.task_ids
        assert cluster.silhouette is not None
        assert 0.1 < cluster.silhouette <= 1
        assert len(cluster.positions) == 3
        assert "3 of 3" in cluster.description
    near, far = map_distances(clusters)
    assert near < far / 2


def map_distances(clusters: list[TaskCluster]) -> tuple[float, float]:
    """On the map: the mean distance inside clusters, and the mean one between them."""
    placed = [(index, p) for index, cluster in enumerate(clusters) for p in cluster.positions]
    pairs = [(a, b) for i, a in enumerate(placed) for b in placed[:i]]
    inside = [math.dist((a.x, a.y), (b.x, b.y)) for (i, a), (j, b) in pairs if i == j]
    between = [math.dist((a.x, a.y), (b.x, b.y)) for (i, a), (j, b) in pairs if i != j]
    return sum(inside) / len(inside), sum(between) / len(between)


def test_profile_tells_tasks_apart_that_share_no_architecture(client, domains):
    """Few results each, and few of them in common: their words and numbers are made equal, so behaviour decides."""
    for kind in ("photo", "scan"):
        for number in range(3):
            task = headstart.Task(f"{kind}-{number}", headstart.Objective("accuracy"))
            client.update_task(task)
    client.record_many(records("photo-0", CONVOLUTIONS, 40, seed=50))
    client.record_many(records("photo-1", CONVOLUTIONS, 40, seed=51))
    client.record_many(records("scan-1", POOLING, 40, seed=52))
    domains.task_profiler.refresh("default", SPACE_ID)
    found = {task.task_id: task for task in client.search_tasks("photo-0", search_space_id=SPACE_ID)}
    profiles = {
        task_id: next(b for b in task.basis if b.kind is SimilarityKind.PERFORMANCE_PROFILE)
        for task_id, task in found.items()
    }
    assert profiles["photo-1"].value > 0.5
    assert profiles["scan-1"].value < 0
    assert profiles["photo-1"].details[0] == SPACE_ID
    assert found["photo-1"].weight > found["scan-1"].weight


def test_every_kind_of_evidence_is_told_with_its_details(client, domains):
    Worker(domains).drain()
    for task_id in ("photo-0", "photo-1"):
        client.record_many(records(task_id, CONVOLUTIONS, 30, seed=99))
    basis = {b.kind: b for b in client.search_tasks("photo-0", count=1)[0].basis}
    assert set(basis) == set(SimilarityKind)
    assert "domain: photographs" in basis[SimilarityKind.DESCRIPTOR].details
    assert basis[SimilarityKind.META_FEATURES].details == ("rows: 1000 and 1001",)
    assert SPACE_ID in basis[SimilarityKind.MEASURED_AGREEMENT].details
    assert basis[SimilarityKind.MEASURED_AGREEMENT].count >= 20


def test_profile_is_made_again_when_a_task_has_grown_by_a_fifth(client, domains):
    def counts() -> dict[int, int]:
        with domains.engine.connect() as connection:
            rows = connection.execute(select(task_embeddings.c.task_id, task_embeddings.c.experiment_count))
            return {row.task_id: row.experiment_count for row in rows}

    assert domains.task_profiler.stale_spaces() == [("default", SPACE_ID)]
    assert domains.task_profiler.refresh("default", SPACE_ID) == 6
    assert domains.task_profiler.stale_spaces() == []
    client.record_many(records("photo-0", CONVOLUTIONS, 2, seed=7))
    assert domains.task_profiler.stale_spaces() == []
    client.record_many(records("photo-0", CONVOLUTIONS, 2, seed=8))
    assert domains.task_profiler.refresh("default", SPACE_ID) == 1
    assert sorted(counts().values()) == [12, 12, 12, 12, 12, 16]


def test_profiles_follow_the_probes_so_that_tasks_stay_comparable(service, domains):
    """In a space of explicit graphs the probes are those recorded first: until there are enough, each result adds."""

    def chains(task_id: str, lengths: range) -> list[headstart.Record]:
        return [
            headstart.Record(task_id, "open", Candidate(graph=chain(length)), headstart.completed(float(length)))
            for length in lengths
        ]

    def chain(length: int) -> Graph:
        nodes = (Node("input"), *(Node("conv") for _ in range(length)), Node("output"))
        return Graph(nodes, tuple((node, node + 1) for node in range(length + 1)))

    def versions() -> set[str]:
        with domains.engine.connect() as connection:
            return set(connection.execute(select(task_embeddings.c.version)).scalars())

    with headstart.connect(service.address) as client:
        client.create_search_space(headstart.SearchSpace("open", explicit_graphs=True))
        for task_id, lengths in (("early", range(12)), ("late", range(12, 24))):
            client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
            client.record_many(chains(task_id, lengths))
            domains.task_profiler.refresh("default", "open")
            assert len(versions()) == 1
        assert domains.task_profiler.stale_spaces() == []
        (like,) = client.search_tasks("early", search_space_id="open")
        assert SimilarityKind.PERFORMANCE_PROFILE in {basis.kind for basis in like.basis}
    for of_an_older_server in ("probes-1/0000", "probes-0/0000"):
        with domains.engine.begin() as connection:
            row = select(task_embeddings.c.task_id).limit(1)
            if of_an_older_server.startswith("probes-0"):
                row = select(task_embeddings.c.task_id)
            connection.execute(
                update(task_embeddings).where(task_embeddings.c.task_id.in_(row)).values(version=of_an_older_server)
            )
        assert domains.task_profiler.stale_spaces() == [("default", "open")]
        domains.task_profiler.refresh("default", "open")
        assert domains.task_profiler.stale_spaces() == []
        assert len(versions()) == 1


def test_deleted_task_vanishes_from_its_cluster_at_once_and_the_map_is_made_again(client, domains):
    domains.task_map.refresh("default")
    assert domains.task_map.stale_namespaces() == []
    client.delete_task("photo-0")
    assert "photo-0" not in {task for cluster in client.list_task_clusters() for task in cluster.task_ids}
    made = {cluster.update_time for cluster in client.list_task_clusters()}
    Worker(domains).drain()
    again = list(client.list_task_clusters())
    assert sum(len(cluster.task_ids) for cluster in again) == 5
    assert made.isdisjoint({cluster.update_time for cluster in again})


def test_map_keeps_its_place_when_a_task_is_added(client, domains):
    def placed() -> dict[str, tuple[float, float]]:
        found = list(client.list_task_clusters())
        return {t: (p.x, p.y) for c in found for t, p in zip(c.task_ids, c.positions, strict=True)}

    domains.task_map.refresh("default")
    before = placed()
    declare(client, "photo-3", "photographs", 1003.0)
    domains.task_map.refresh("default")
    after = placed()
    size = max(math.dist(one, other) for one in before.values() for other in before.values())
    moved = [math.dist(before[task], after[task]) for task in before]
    assert max(moved) < 0.3 * size


def test_namespace_without_tasks_has_no_clusters_and_one_task_is_one(service, domains):
    with headstart.connect(service.address) as client:
        Worker(domains).drain()
        assert list(client.list_task_clusters()) == []
        client.create_task(headstart.Task("alone", headstart.Objective("accuracy")))
        Worker(domains).drain()
        (cluster,) = client.list_task_clusters()
        assert (cluster.task_ids, cluster.medoid_task_id, cluster.silhouette) == (("alone",), "alone", None)
        assert cluster.name == "like alone"
        client.delete_task("alone")
        assert list(client.list_task_clusters()) == []
        Worker(domains).drain()
        assert domains.task_map.stale_namespaces() == []


def test_clusters_come_in_pages_and_a_token_of_another_list_is_refused(client, domains, service):
    domains.task_map.refresh("default")
    assert together(list(client.list_task_clusters(page_size=1))) == together(list(client.list_task_clusters()))
    with grpc.insecure_channel(service.address) as channel:
        stub = KnowledgeBaseServiceStub(channel)
        first = stub.ListTaskClusters(pb2.ListTaskClustersRequest(page_size=1))
        second = stub.ListTaskClusters(pb2.ListTaskClustersRequest(page_token=first.next_page_token))
        assert {first.clusters[0].name}.isdisjoint({cluster.name for cluster in second.clusters})
        foreign = stub.ListTasks(pb2.ListTasksRequest(page_size=1)).next_page_token
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListTaskClusters(pb2.ListTaskClustersRequest(page_token=foreign))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_explanation_names_tasks_numbers_and_what_comes_first(client):
    declare(client, "new", "photographs", 1500.0)
    client.record_many(records("new", CONVOLUTIONS, 5, seed=77))
    answer = client.explain_task("new", SPACE_ID)
    assert answer.gate is not None
    assert len(answer.suggestions) == 5
    assert answer.similar_tasks[0].task_id.startswith("photo-")
    first = answer.suggestions[0]
    assert first.prediction is not None
    for told in (
        "new has 5 completed architectures",
        "6 other tasks tried",
        f"{answer.similar_tasks[0].task_id} counts {answer.similar_tasks[0].weight:.2f}",
        "domain: photographs",
        first.reason,
        f"{first.prediction.mean:.6g}",
    ):
        assert told in answer.explanation, (told, answer.explanation)
    # Nothing was set aside: the next warm start makes the same suggestions.
    next_ones = client.warm_start("new", SPACE_ID, 5, exploration_share=0.0).suggestions
    assert [s.fingerprint for s in next_ones] == [s.fingerprint for s in answer.suggestions]


def test_explanation_of_an_untouched_task_names_where_the_first_candidate_was_seen(client):
    declare(client, "new", "photographs", 1500.0)
    answer = client.explain_task("new", SPACE_ID)
    first = max(answer.suggestions[0].sources, key=lambda source: source.quantile)
    for told in ("new has no completed experiment", first.task_id, f"{first.objective_value:.6g}"):
        assert told in answer.explanation, (told, answer.explanation)


def test_explanation_of_a_task_without_a_past_says_so(service):
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("first", headstart.Objective("accuracy")))
        answer = client.explain_task("first", SPACE_ID)
        assert answer.suggestions == ()
        assert "no completed experiment" in answer.explanation
        assert "nothing to transfer" in answer.explanation
