"""Bulk jobs: the same index from a Ray cluster as from here, a failed piece named, and the rest of it done later."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from urllib.parse import urlsplit

import chromadb
import chromadb.config
import pytest

import headstart
from headstart import Record
from headstart.spaces import nas_bench_201, sample

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id
PIECE = 20


def jobs(service, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headstart_server", "jobs", *arguments, "--piece-size", str(PIECE)],
        env={**service._environment(), "COLUMNS": "160", "RAY_ADDRESS": "local", **changes},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def record(service, count: int) -> None:
    generator = random.Random(0)
    with headstart.connect(service.address, timeout=30) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        drawn = [sample(SPACE, generator) for _ in range(count)]
        client.record_many(
            [Record("cifar", SPACE_ID, candidate, headstart.completed(generator.random())) for candidate in drawn]
        )


def chroma(service):
    address = urlsplit(service._environment()["HEADSTART_CHROMA_URL"])
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    return chromadb.HttpClient(host=address.hostname, port=address.port, settings=settings)


def held(service, build: int):
    """Configuration, and by id the vector and the metadata, of a version of the index."""
    collection = chroma(service).get_collection(f"default.{SPACE_ID}.structural-1.{build}", embedding_function=None)
    got = collection.get(include=["embeddings", "metadatas", "documents"])
    rows = zip(got["ids"], got["embeddings"].tolist(), got["metadatas"], got["documents"], strict=True)
    about = (collection.metadata, collection.configuration_json)
    return about, {key: (vector, metadata, document) for key, vector, metadata, document in rows}


@pytest.mark.timeout(600)
def test_ray_builds_exactly_the_index_that_is_built_here(service, engine) -> None:
    record(service, 90)
    here = jobs(service, "reindex")
    assert here.returncode == 0, here.stderr
    local = held(service, 1)
    cluster = jobs(service, "--engine", "ray", "--parallel", "2", "reindex")
    assert cluster.returncode == 0, cluster.stderr
    assert f"default.{SPACE_ID}.structural-1.2, architectures" in cluster.stderr
    on_ray = held(service, 2)
    assert len(local[1]) > 3 * PIECE
    assert on_ray == local
    with engine.begin() as connection:
        serving = connection.exec_driver_sql("SELECT version FROM vector_indexes WHERE state = 'SERVING'").scalar_one()
    assert serving == "structural-1.2"
    assert jobs(service, "--resume", "reindex").returncode == 2


@pytest.mark.timeout(600)
def test_failed_piece_is_named_the_others_are_kept_and_a_later_run_goes_on(service, engine) -> None:
    record(service, 90)
    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT id, canonical FROM architectures ORDER BY id").all()
        broken = rows[PIECE + 5]
        connection.exec_driver_sql("UPDATE architectures SET canonical = '{}' WHERE id = %s", (broken.id,))
    failed = jobs(service, "--parallel", "2", "reindex")
    assert failed.returncode == 1
    lines = [line for line in failed.stderr.splitlines() if line.startswith("FAILED")]
    assert len(lines) == 1
    first, last = rows[PIECE].id, rows[2 * PIECE - 1].id
    assert f"architectures {first} to {last}" in lines[0]
    kept = held(service, 1)[1]
    assert len(kept) == len(rows) - PIECE
    with engine.begin() as connection:
        (built_through,) = connection.exec_driver_sql("SELECT built_through FROM vector_indexes").one()
        assert built_through == rows[PIECE - 1].id
        connection.exec_driver_sql(
            "UPDATE architectures SET canonical = (SELECT canonical FROM architectures WHERE id = %s) WHERE id = %s",
            (rows[0].id, broken.id),
        )
    done = jobs(service, "--resume", "reindex")
    assert done.returncode == 0, done.stderr
    # The first piece is not done again.
    assert f"architectures 1 to {rows[PIECE - 1].id}" not in done.stderr
    assert len(held(service, 1)[1]) == len(rows)


@pytest.mark.timeout(600)
def test_all_search_spaces_are_trained_anew(service, engine) -> None:
    record(service, 60)
    done = jobs(service, "retrain")
    assert done.returncode == 0, done.stderr
    with headstart.connect(service.address, timeout=30) as client:
        assert client.get_predictor(SPACE_ID).model_version == f"default/{SPACE_ID}/1"
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM jobs WHERE kind = 'train'").scalar_one() == 0
    nothing = jobs(service, "--resume", "retrain")
    assert nothing.returncode == 2
    assert "nothing to train" in nothing.stderr
    assert os.linesep not in nothing.stderr.strip()


@pytest.mark.timeout(600)
def test_strategies_are_evaluated_on_a_cluster(service, engine) -> None:
    assert jobs(service, "evaluate-strategies").returncode == 2
    generator = random.Random(0)
    with headstart.connect(service.address, timeout=30) as client:
        client.create_search_space(SPACE)
        for number in range(10):
            task = f"search-{number}"
            client.create_task(headstart.Task(task, headstart.Objective("accuracy"), meta_features={"size": number}))
            for arm, accuracy in (("good", 0.9), ("bad", 0.1)):
                for _ in range(4):
                    (decision,) = client.select_strategy(task, [arm])
                    outcome = headstart.completed(accuracy + generator.uniform(0, 0.05))
                    client.record(task, SPACE_ID, sample(SPACE, generator), outcome, decision_id=decision.decision_id)
    done = jobs(service, "--engine", "ray", "evaluate-strategies")
    assert done.returncode == 0, done.stderr
    assert "default: prior 1, serving (arms 2, best " in done.stderr
    with engine.begin() as connection:
        models = connection.exec_driver_sql("SELECT kind FROM strategy_models WHERE state = 'SERVING'").scalars().all()
    assert "prior" in models
