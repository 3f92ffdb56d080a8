from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.similarity.weights import Pair, learn
from headstart_server.knowledge.task_map.clustering import cluster, groups, positions
from headstart_server.knowledge.tasks import Task


def task(name: str, words: dict[str, str] | None = None, **numbers: float) -> Task:
    return Task(name, "", "accuracy", True, words or {}, numbers, "", 0.0)


def blocks(sizes: list[int], inside: float = 0.2, between: float = 0.8, seed: int = 0) -> np.ndarray:
    """Distances of tasks in blocks, with some noise."""
    generator = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(sizes)), sizes)
    distances = np.where(label[:, None] == label, inside, between) + generator.uniform(-0.05, 0.05, (len(label),) * 2)
    distances = (distances + distances.T) / 2
    np.fill_diagonal(distances, 0.0)
    return distances


@pytest.mark.parametrize("sizes", [[3, 3], [5, 4, 1], [8, 2, 6, 3]])
def test_blocks_of_like_tasks_are_found_whatever_their_number(sizes):
    found = cluster(blocks(sizes))
    assert sorted(np.bincount(found.labels).tolist()) == sorted(sizes)
    starts = np.cumsum([0, *sizes])
    assert all(len(set(found.labels[a:b].tolist())) == 1 for a, b in pairwise(starts))
    assert all(found.labels[medoid] == label for label, medoid in enumerate(found.medoids))


def test_tasks_equally_unlike_are_one_cluster_without_silhouette():
    found = cluster(blocks([1] * 7, between=0.6))
    assert len(found.medoids) == 1
    assert found.silhouettes is None


def test_one_and_two_tasks():
    assert cluster(np.zeros((1, 1))).labels.tolist() == [0]
    assert len(cluster(np.array([[0.0, 0.2], [0.2, 0.0]])).medoids) == 1
    assert len(cluster(np.array([[0.0, 0.9], [0.9, 0.0]])).medoids) == 2


def test_identical_tasks_are_one_cluster():
    assert len(cluster(np.zeros((6, 6))).medoids) == 1


def named(tasks: list[Task], sizes: list[int]) -> list[tuple[str, str]]:
    distances = blocks(sizes)
    made = groups(tasks, distances, cluster(distances), MetaFeatures.of(tasks))
    return [(group.name, group.description) for group in made]


def test_clusters_are_named_by_words_that_others_lack_and_the_largest_comes_first():
    tasks = [task(f"c{i}", {"modality": "image", "domain": "cells"}) for i in range(4)]
    tasks += [task(f"s{i}", {"modality": "image", "domain": "streets"}) for i in range(3)]
    (first, description), (second, _) = named(tasks, [4, 3])
    assert (first, second) == ("cells", "streets")
    assert "domain: cells (4 of 4, elsewhere 0%)" in description
    assert "image" not in first + second


def test_clusters_without_words_are_named_by_numbers_and_else_by_the_medoid():
    by_numbers = [task(f"a{i}", rows=10.0 + i) for i in range(3)] + [task(f"b{i}", rows=1e6 + i) for i in range(3)]
    assert sorted(name for name, _ in named(by_numbers, [3, 3])) == ["high rows", "low rows"]
    nameless = named([task(f"t{i}") for i in range(6)], [3, 3])
    assert all(name.startswith("like t") for name, _ in nameless)
    assert len({name for name, _ in nameless}) == 2


def test_map_keeps_distances_and_lies_as_the_one_before():
    generator = np.random.default_rng(3)
    points = generator.normal(size=(12, 2)) * [3.0, 1.0]
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    first = positions(distances, {})
    np.testing.assert_allclose(np.linalg.norm(first[:, None] - first, axis=2), distances, atol=1e-9)
    turned = first @ np.array([[0.0, -1.0], [1.0, 0.0]]) + [5.0, -2.0]
    again = positions(distances, {place: tuple(turned[place]) for place in range(10)})
    np.testing.assert_allclose(again, turned, atol=1e-9)


def pairs(tasks: list[Task], agreement: np.ndarray, strength: float) -> list[Pair]:
    return [
        Pair(one, other, float(agreement[one, other]), strength)
        for one in range(len(tasks))
        for other in range(one + 1, len(tasks))
    ]


def test_number_and_word_that_predict_agreement_get_the_weight():
    generator = np.random.default_rng(5)
    telling, noise, domain = generator.normal(size=40), generator.normal(size=40), generator.integers(0, 2, 40)
    colour = generator.integers(0, 2, 40)
    tasks = [
        task(f"t{i}", {"domain": str(domain[i]), "colour": str(colour[i])}, telling=telling[i], noise=noise[i])
        for i in range(40)
    ]
    agreement = np.exp(-np.abs(telling[:, None] - telling)) + 0.4 * (domain[:, None] == domain) - 0.5
    learned = learn(tasks, pairs(tasks, agreement, 60.0))
    assert learned.numbers["telling"] > 5 * learned.numbers["noise"]
    assert learned.words["domain"] > 5 * learned.words["colour"]
    assert learned.pair_count == 780


def test_few_pairs_and_mere_noise_leave_all_weights_about_equal():
    generator = np.random.default_rng(6)
    three = [task(f"t{i}", a=float(i), b=float(-i)) for i in range(3)]
    assert learn(three, pairs(three, np.eye(3), 60.0)).numbers == {}
    tasks = [task(f"t{i}", a=generator.normal(), b=generator.normal()) for i in range(6)]
    noise = generator.normal(size=(6, 6))
    assert all(0.5 < weight < 2 for weight in learn(tasks, pairs(tasks, noise, 60.0)).numbers.values())


def test_number_missing_in_most_tasks_takes_no_share_of_the_others():
    tasks = [task(f"t{i}", a=float(i % 5)) for i in range(9)] + [task("only", a=1.0, rare=3.0)]
    found = MetaFeatures.of(tasks).closeness(tasks[0], tasks[1:])
    assert all(told is not None and told[1] == 1 for told in found)


def test_numbers_are_as_far_apart_as_the_middle_half_of_all_tasks_is_wide():
    tasks = [task(f"t{i}", classes=float(i)) for i in range(11)]
    ((closeness, count, told),) = MetaFeatures.of(tasks).closeness(tasks[0], [tasks[10]])  # type: ignore[misc]
    assert (closeness, count, told) == (pytest.approx(np.exp(-2.0)), 1, ("classes",))
