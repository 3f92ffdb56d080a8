"""Rankings, agreement and labels equal their definitions, with replicates, failures and ties."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import kendalltau, rankdata

from headstart_server.knowledge.observations.interning import Fingerprints
from headstart_server.knowledge.observations.observations import Observations, observations_of
from headstart_server.knowledge.similarity.tasks import measured_agreement
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.task.labels import labels_of
from tests.transferred import ranked as ranked_list


def history(name: str, names: Fingerprints, generator: random.Random, maximize: bool) -> Observations:
    """Of 120 runs on 60 architectures: some repeated, some failed, some cut short, values that tie."""
    fingerprints = [f"a{generator.randrange(60)}" for _ in range(120)]
    values = np.array([math.nan if generator.random() < 0.1 else generator.randrange(25) / 5 for _ in fingerprints])
    cut_short = np.array([generator.random() < 0.15 for _ in fingerprints])
    task = Task(name, "", "accuracy", maximize, {}, {}, "", 0.0)
    return observations_of(task, "space", names, fingerprints, values, np.isfinite(values) & ~cut_short)


def runs(observations: Observations) -> list[tuple[str, float, bool]]:
    return list(
        zip(observations.fingerprints, observations.values.tolist(), observations.completed.tolist(), strict=True)
    )


def means(observations: Observations) -> dict[str, float]:
    sign = 1.0 if observations.task.maximize else -1.0
    by_fingerprint: dict[str, list[float]] = {}
    for fingerprint, value, completed in runs(observations):
        if completed:
            by_fingerprint.setdefault(fingerprint, []).append(sign * value)
    return {fingerprint: sum(values) / len(values) for fingerprint, values in by_fingerprint.items()}


def ranked_results(observations: Observations) -> dict[str, tuple[float, int, float]]:
    """Normal score, sequence number and quantile of the best result of each architecture above the median."""
    sign = 1.0 if observations.task.maximize else -1.0
    best: dict[str, int] = {}
    for index, (fingerprint, value, completed) in enumerate(runs(observations)):
        if completed and (fingerprint not in best or sign * value > sign * observations.values[best[fingerprint]]):
            best[fingerprint] = index
    ranks = rankdata([sign * observations.values[index] for index in best.values()])
    scores = ndtri((ranks - 0.375) / (len(ranks) + 0.25))
    return {
        fingerprint: (score, index + 1, (rank - 1) / (len(ranks) - 1))
        for (fingerprint, index), score, rank in zip(best.items(), scores.tolist(), ranks.tolist(), strict=True)
        if score > 0
    }


@pytest.fixture(params=range(8))
def histories(request: pytest.FixtureRequest) -> list[Observations]:
    generator, names = random.Random(request.param), Fingerprints()
    return [history(f"task-{number}", names, generator, maximize=number % 2 == 0) for number in range(5)]


def test_ranking_is_the_weighted_sum_of_normal_scores_with_all_its_evidence(histories):
    weights = {f"task-{number}": 0.3 + 0.2 * (number % 3) for number in range(5)}
    by_task = {each.task.task_id: ranked_results(each) for each in histories}
    scores: dict[str, float] = {}
    for task_id, weight in weights.items():
        for fingerprint, (score, _, _) in by_task[task_id].items():
            scores[fingerprint] = scores.get(fingerprint, 0.0) + weight * score
    expected = sorted(scores, key=lambda fingerprint: (-scores[fingerprint], fingerprint))
    ranked = ranked_list(histories, weights)
    assert [result.fingerprint for result in ranked] == expected
    for result in ranked:
        assert result.score == scores[result.fingerprint]
        evidence = {each.task_id: (each.sequence, each.quantile) for each in result.evidence}
        assert evidence == {
            task_id: (seen[result.fingerprint][1], pytest.approx(seen[result.fingerprint][2]))
            for task_id, seen in by_task.items()
            if result.fingerprint in seen
        }


def test_agreement_is_kendalls_tau_of_the_means_on_both(histories):
    target, *sources = histories
    own = means(target)
    for source in sources:
        theirs = means(source)
        shared = [fingerprint for fingerprint in own if fingerprint in theirs]
        measured = measured_agreement(target, source)
        assert measured is not None
        assert measured.count == len(shared)
        assert measured.value == pytest.approx(
            kendalltau([own[f] for f in shared], [theirs[f] for f in shared]).statistic
        )


def test_labels_are_means_in_the_order_of_the_last_record_and_failures_are_kept(histories):
    for observations in histories:
        totals: dict[str, list[float]] = {}
        for fingerprint, value, completed in runs(observations):
            if completed or math.isnan(value):
                seen = totals.pop(fingerprint, [])
                totals[fingerprint] = [*seen, value] if completed else seen
        labels = labels_of(observations)
        assert labels.fingerprints == tuple(totals)
        expected = [sum(values) / len(values) if values else math.nan for values in totals.values()]
        np.testing.assert_allclose(labels.values, expected)
