"""Whoever runs the service sees its model versions, and lets an earlier one serve again."""

from __future__ import annotations

import random
import subprocess
import sys

import headstart
from headstart.spaces import nas_bench_201, sample

SPACE = nas_bench_201()


def command(service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headstart_server", *arguments],
        env=service._environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def record(client: headstart.Client, generator: random.Random, count: int) -> None:
    drawn = [sample(SPACE, generator) for _ in range(count)]
    client.record_many(
        headstart.Record(
            "cifar",
            SPACE.search_space_id,
            candidate,
            headstart.completed(float(sum(value == "nor_conv_3x3" for value in candidate.values.values()))),
        )
        for candidate in drawn
    )


def test_versions_are_listed_and_rolled_back(service):
    generator = random.Random(0)
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        assert "has no model yet" in command(service, "models", SPACE.search_space_id).stdout
        for count in (60, 40):
            record(client, generator, count)
            service.run_worker()
        listed = command(service, "models", SPACE.search_space_id).stdout.splitlines()
        assert [line.split()[:2] for line in listed] == [["2", "SERVING"], ["1", "RETIRED"]]
        assert "held out" in listed[0]
        told = command(service, "rollback", SPACE.search_space_id)
        assert told.stdout.strip() == f"default/{SPACE.search_space_id}/1 serves"
        assert client.get_predictor(SPACE.search_space_id).model_version.endswith("/1")
        figures = client.get_predictor(SPACE.search_space_id).validation[0]
        assert set(figures.calibration) == {0.5, 0.8, 0.9}
        unknown = command(service, "rollback", SPACE.search_space_id, "7")
        assert unknown.returncode == 2
        assert "no version 7" in unknown.stderr
