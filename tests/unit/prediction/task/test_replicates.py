"""What repeated results tell: the same as by comparing each result with each, without the matrix of all of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from headstart_server.prediction.learners.normal_scores import Scale
from headstart_server.prediction.task.replicates import NO_REPLICATES, ReplicateNoise, Replicates

NOISE = 0.3


def repeated(architectures: int, each: int) -> tuple[Replicates, Scale]:
    """``each`` results of every second architecture."""
    generator = np.random.default_rng(0)
    places = np.repeat(np.arange(0, architectures, 2), each)
    quality = generator.normal(size=architectures)
    values = quality[places] + generator.normal(size=len(places)) * (0.1 + 0.1 * (quality[places] > 0))
    return Replicates(places, values), Scale.of(quality, True)


def by_pairs(replicates: Replicates, scale: Scale, asked: np.ndarray) -> np.ndarray:
    """Every result's distance from the others of its architecture, near ones weighing more."""
    scores = scale.to_scores(replicates.values)
    total, weight = np.full(len(asked), 3 * NOISE**2), np.full(len(asked), 3.0)
    for place in np.unique(replicates.indices):
        own = scores[replicates.indices == place]
        for score in own:
            apart = (score - own.mean()) * np.sqrt(len(own) / (len(own) - 1))
            near = np.exp(-0.5 * np.square((asked - own.mean()) / 0.25))
            total += near * apart**2
            weight += near
    return np.sqrt(total / weight)


@pytest.mark.parametrize(("architectures", "each"), [(8, 2), (60, 5)])
def test_noise_is_that_of_near_results(architectures: int, each: int) -> None:
    replicates, scale = repeated(architectures, each)
    asked = np.linspace(-2.5, 2.5, 21)
    found = ReplicateNoise(replicates, scale, NOISE, architectures).noise_at(asked)
    np.testing.assert_allclose(found, by_pairs(replicates, scale, asked), rtol=1e-9)


def test_without_repetitions_noise_is_what_was_assumed() -> None:
    _, scale = repeated(10, 2)
    np.testing.assert_allclose(ReplicateNoise(NO_REPLICATES, scale, NOISE, 10).noise_at(np.zeros(3)), NOISE)


def test_many_results_of_many_architectures_take_no_gigabytes() -> None:
    replicates, scale = repeated(1_000, 14)
    tracemalloc.start()
    ReplicateNoise(replicates, scale, NOISE, 1_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Of 7,000 results by 7,000 it would be 400 megabytes a matrix.
    assert most < 50e6
