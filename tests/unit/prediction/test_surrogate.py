"""What other tasks teach a search: without a model, from what they recorded."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.prediction.adaptation import SOURCE_PROCESSES, AdaptedPredictor, Known

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
