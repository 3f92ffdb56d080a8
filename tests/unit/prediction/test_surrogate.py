"""What other tasks teach a search: without a model, from what they recorded."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.prediction.search_process import SearchProcess
from headstart_server.prediction.source_heads import WeightedHeads, agreement, agreements
from headstart_server.prediction.surrogate import Surrogate, own_share

GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.normal(size=(400, 12))
TRUTH = FEATURES[:, 0] + 0.5 * np.sin(2 * FEATURES[:, 1])
FRIEND = TRUTH + 0.3 * GENERATOR.normal(size=400)


def tau(one: np.ndarray, other: np.ndarray) -> float:
    signs = np.sign(one[:, None] - one) * np.sign(other[:, None] - other)
    return float(signs.sum() / (len(one) * (len(one) - 1)))


def surrogate(count: int, told: np.ndarray) -> Surrogate:
    process = SearchProcess(FEATURES[:count], told[:count], TRUTH[:count])
    alone = SearchProcess(FEATURES[:count], np.zeros((count, 0)), TRUTH[:count])
    return Surrogate(process, alone, count, 0.0, {}, lambda places: FEATURES[places], lambda places: told[places])  # type: ignore[arg-type,call-overload,return-value]


def test_others_are_joined_by_a_share_that_only_falls_and_not_heard_where_they_say_nothing() -> None:
    told = FRIEND[:, None].copy()
    told[200] = np.nan
    judging = surrogate(20, told)
    asked = np.arange(200, 260)
    judged = judging.judge(asked)  # type: ignore[arg-type]
    assert judged.informed is not None
    assert judged.informed.means[0] == judged.alone.means[0]
    _, _, led, _ = judging.process.predict(FEATURES[asked], np.nan_to_num(told[asked]))
    mean = judging.alone.predict(FEATURES[asked], np.zeros((60, 0)))[0]
    own = own_share(20)
    assert judged.informed.means[1:] == pytest.approx((own * mean + (1 - own) * led)[1:])
    assert tau(judged.informed.means[1:], TRUTH[201:260]) > tau(judged.alone.means[1:], TRUTH[201:260])


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
