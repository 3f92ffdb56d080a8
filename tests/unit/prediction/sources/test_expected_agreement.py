"""Expected agreement of sources with a task that has no results yet."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.prediction.sources.expected_agreement import HeldOut, expect_agreement

GENERATOR = np.random.default_rng(0)
UNKNOWN = float("nan")


def family(noises: list[float], count: int = 48) -> list[HeldOut]:
    """Tasks that measure one truth with noise of their own; noise of infinity: nothing of it."""
    truth = GENERATOR.normal(size=(len(noises), count))
    held_out = []
    for own in range(len(noises)):
        of_own = truth[own]
        scores = np.stack(
            [
                GENERATOR.normal(size=count) if np.isinf(noise) else of_own + noise * GENERATOR.normal(size=count)
                for noise in noises
            ],
            axis=1,
        )
        measured = GENERATOR.normal(size=count) if np.isinf(noises[own]) else of_own
        held_out.append(HeldOut(measured, scores))
    return held_out


def known(count: int, likeness: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    return np.full((count, count), likeness), np.full(count, likeness)


def test_tasks_that_predict_one_another_are_followed_boldly() -> None:
    expected = expect_agreement(family([0.3] * 6), *known(6))
    assert expected.taus.min() > 0.6
    assert expected.tau_of_mean >= expected.taus.max()
    prior = expected.prior()
    assert prior.alone == pytest.approx(0.1)
    assert prior.alone + prior.weights.sum() == pytest.approx(1.0)
    # The mean, the last column, counts more than all of them.
    assert prior.weights[-1] > prior.weights[:-1].sum()


def test_tasks_that_do_not_predict_one_another_are_not_followed() -> None:
    expected = expect_agreement(family([np.inf] * 6), *known(6))
    assert expected.taus.max() < 0.2
    assert expected.prior().alone > 0.8


def test_one_alike_among_unlike_ones_leads() -> None:
    """The fifteen others are as unlike one another as they are unlike the task, and that pair alone was never seen."""
    between, similarity = known(16, 0.05)
    similarity[0] = 1.0
    expected = expect_agreement(family([np.inf] * 16), between, similarity)
    assert expected.taus[0] > 0.6
    assert expected.taus[1:].max() < 0.2
    assert expected.weights[0] > 0.7


def test_without_any_knowledge_or_past_the_promise_stays_cautious() -> None:
    alone = expect_agreement(family([0.3])[:1], np.array([[UNKNOWN]]), np.array([UNKNOWN]))
    assert alone.taus == pytest.approx([0.4])
    assert alone.support == 0.0
    assert 0.4 < alone.prior().alone < 0.6


def test_pairs_of_unknown_likeness_tell_of_a_task_of_unknown_likeness() -> None:
    nothing = np.full((5, 5), UNKNOWN), np.full(5, UNKNOWN)
    assert expect_agreement(family([0.3] * 5), *nothing).taus.min() > 0.55
    assert expect_agreement(family([np.inf] * 5), *nothing).taus.max() < 0.25
    # They tell nothing of a pair that is known to be the same.
    same = expect_agreement(family([np.inf] * 5), nothing[0], np.ones(5))
    assert same.taus.min() > 0.4


def test_few_results_held_out_tell_less() -> None:
    few, many = (expect_agreement(family([np.inf] * 3, count), *known(3, 1.0)) for count in (4, 48))
    assert few.taus.mean() > many.taus.mean()
    assert few.support < many.support
