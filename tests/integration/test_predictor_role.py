"""A predictor host answers what a server would have answered itself, and its loss degrades an answer, no more."""

from __future__ import annotations

import random
import time

import pytest

import headstart
from headstart.spaces import nas_bench_201, sample

SPACE = nas_bench_201()


def test_remote_scores_equal_local_ones_and_their_loss_is_survived(service, tmp_path):
    generator = random.Random(0)
    drawn = [sample(SPACE, generator) for _ in range(200)]
    others = [sample(SPACE, generator) for _ in range(50)]
    values = [sum(value == "nor_conv_3x3" for value in candidate.values.values()) for candidate in drawn]
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        client.record_many(
            headstart.Record("cifar", SPACE.search_space_id, candidate, headstart.completed(float(value)))
            for candidate, value in zip(drawn, values, strict=True)
        )
        service.run_worker()
        local = client.predict("cifar", SPACE.search_space_id, [*drawn[:50], *others])

    service_type = type(service)
    host = service_type(service.settings, tmp_path / "predictor.log", role="predictor").start()
    front_settings = service.settings.model_copy(update={"predictor_target": host.address})
    front = service_type(front_settings, tmp_path / "front.log").start()
    try:
        with headstart.connect(front.address) as client:
            remote = client.predict("cifar", SPACE.search_space_id, drawn[:50])
            assert remote.model_version == local.model_version
            assert not remote.degraded
            assert client.get_predictor(SPACE.search_space_id).device == f"cpu at {host.address}"
            for ours, theirs in zip(local.predictions[:50], remote.predictions, strict=True):
                assert theirs.estimate.mean == pytest.approx(ours.estimate.mean, abs=1e-4)
            host.kill()
            # What it has said already holds without it.
            kept = client.predict("cifar", SPACE.search_space_id, drawn[:50])
            assert kept.predictions == remote.predictions
            assert not kept.degraded
            alone = client.predict("cifar", SPACE.search_space_id, others)
            assert alone.degraded
            assert alone.model_version == local.model_version
            for ours, theirs in zip(local.predictions[50:], alone.predictions, strict=True):
                assert theirs.estimate.mean == pytest.approx(ours.estimate.mean, abs=1e-4)
            assert "since the host is away" in client.get_predictor(SPACE.search_space_id).device
            again = service_type(
                service.settings.model_copy(update={"grpc_address": host.address}),
                tmp_path / "again.log",
                role="predictor",
            ).start()
            # Whoever asks, of known candidates too, finds out.
            back = [client.predict("cifar", SPACE.search_space_id, others)]
            end = time.monotonic() + 20
            while back[-1].degraded and time.monotonic() < end:
                time.sleep(0.2)
                back.append(client.predict("cifar", SPACE.search_space_id, others))
            assert not back[-1].degraded
            again.kill()
    finally:
        front.kill()
        host.kill()
