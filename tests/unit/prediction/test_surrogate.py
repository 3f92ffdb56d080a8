"""What other tasks teach a search: without a model, from what they recorded."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.prediction.adaptation import SOURCE_PROCESSES, AdaptedPredictor, Known
from headstart_server.prediction.source_heads import WeightedHeads, agreement, agreements

GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.normal(size=(400, 12))
TRUTH = FEATURES[:, 0] + 0.5 * np.sin(2 * FEATURES[:, 1])
FRIEND = TRUTH + 0.3 * GENERATOR.normal(size=400)
FOE = GENERATOR.normal(size=400)


def predictor(count: int, scores: np.ndarray | None) -> AdaptedPredictor:
    own = None if scores is None else scores[:count]
    return AdaptedPredictor(Known(FEATURES[:count], TRUTH[:count], True, own, heads_of=SOURCE_PROCESSES))


def tau(one: np.ndarray, other: np.ndarray) -> float:
    signs = np.sign(one[:, None] - one) * np.sign(other[:, None] - other)
    return float(signs.sum() / (len(one) * (len(one) - 1)))


def test_a_friend_makes_few_results_tell_more() -> None:
    alone, informed = predictor(15, None), predictor(15, FRIEND[:, None])
    unseen = slice(200, 400)
    without = tau(alone.standings(FEATURES[unseen], None)[0], TRUTH[unseen])
    with_friend = tau(informed.standings(FEATURES[unseen], FRIEND[unseen, None])[0], TRUTH[unseen])
    assert with_friend > without + 0.15
    assert informed.left_out_agreement > alone.left_out_agreement


def test_a_misleading_source_earns_next_to_no_weight() -> None:
    informed = predictor(60, np.stack([FRIEND, FOE, -TRUTH], axis=1))
    friend, foe, opposite = informed.agreement
    assert friend > 0.5
    assert foe < 0.15
    assert opposite == 0.0
    assert SOURCE_PROCESSES in informed.weights


def test_standings_are_calibrated_and_do_not_see_the_result() -> None:
    informed = predictor(60, FRIEND[:, None])
    means, deviations = informed.standings(FEATURES[200:], FRIEND[200:, None])
    # On normal scores of the sixty: the truth carried there by its rank among them.
    ranks = np.searchsorted(np.sort(TRUTH[:60]), TRUTH[200:]) / 60
    inside = (ranks > 0.02) & (ranks < 0.98)
    from scipy.special import ndtri

    errors = (ndtri(ranks[inside]) - means[inside]) / deviations[inside]
    assert 0.5 < np.abs(errors).mean() / 0.8 < 1.5
    assert informed.best_standing == pytest.approx(predictor(60, None).best_standing)


def test_what_is_tested_on_a_result_has_weights_that_have_not_seen_it() -> None:
    generator = np.random.default_rng(5)
    gaps = []
    for _ in range(60):
        targets, noise = generator.normal(size=16), generator.normal(size=(16, 12))
        heads = WeightedHeads(noise, targets)
        gaps.append((tau(heads.combine(noise), targets), tau(heads.left_out, targets)))
    chosen, honest = np.mean(gaps, axis=0)
    # A dozen heads that know nothing: some agree by chance, and seem to know something unless each result is left out.
    assert chosen > 0.2
    assert abs(honest) < 0.1


def test_agreement_without_each_result_is_that_of_the_others() -> None:
    generator = np.random.default_rng(6)
    targets, scores = generator.normal(size=12).round(1), generator.normal(size=(12, 3)).round(1)
    scores[:, 0] += targets
    _, without = agreements(scores, targets)
    for place in range(12):
        others = np.arange(12) != place
        assert without[place] == pytest.approx(agreement(scores[others], targets[others]))
