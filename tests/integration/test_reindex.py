"""``headstart-server reindex``: anew from PostgreSQL while the old version serves, here or by a worker."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

import headstart
from headstart import Record
from headstart.spaces import nas_bench_201, sample

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id


def reindex(service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headstart_server", "reindex", *arguments],
        env={**service._environment(), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.timeout(240)
def test_index_is_built_anew_here_or_by_a_worker(service) -> None:
    generator = random.Random(0)
    candidates = [sample(SPACE, generator) for _ in range(60)]
    with headstart.connect(service.address, timeout=30) as client:
        nothing = reindex(service)
        assert nothing.returncode == 2
        assert nothing.stderr.startswith("headstart-server: There are no recorded architectures")
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        client.record_many(
            [Record("cifar", SPACE_ID, candidate, headstart.completed(generator.random())) for candidate in candidates]
        )
        # Never indexed so far: reindexing is all it takes.
        here = reindex(service, "--now")
        assert here.returncode == 0, here.stderr
        assert f"default.{SPACE_ID}.structural-1.1: begun" in here.stderr
        service.run_worker()
        before = client.search_architectures(SPACE_ID, candidates[0])
        assert not before.degraded
        left = reindex(service, "--space", SPACE_ID)
        assert left.returncode == 0, left.stderr
        assert "Workers build it" in left.stderr
        assert not client.search_architectures(SPACE_ID, candidates[0]).degraded
        service.run_worker()
        after = client.search_architectures(SPACE_ID, candidates[0])
        assert not after.degraded
        assert [match.fingerprint for match in after.matches] == [match.fingerprint for match in before.matches]
        assert reindex(service, "--space", "unknown").returncode == 2
