"""A model version scores a candidate once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.serving.score_cache import Numbers, ScoreCache


def candidate(number: int) -> CanonicalCandidate:
    return CanonicalCandidate(None, (("number", number),), f"{number:032x}")


class Model:
    """Scores a candidate by its number, and ten times that; ``calls`` are the numbers of each call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def score(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        numbers = [int(each.fingerprint, 16) for each in candidates]
        self.calls.append(numbers)
        return np.array([[number, 10.0 * number] for number in numbers]).reshape(-1, 2)


def scored(cache: ScoreCache, model: Model, numbers: Sequence[int], version: str = "one") -> list[int]:
    scores = cache.scores(version, [candidate(number) for number in numbers], model.score)
    assert scores.shape == (len(numbers), 2)
    assert (scores[:, 1] == 10 * scores[:, 0]).all()
    return [int(score) for score in scores[:, 0]]


def test_only_what_is_missing_is_scored_and_answers_keep_their_order() -> None:
    cache, model = ScoreCache(100), Model()
    assert scored(cache, model, [3, 1, 2]) == [3, 1, 2]
    assert scored(cache, model, [2, 5, 3, 5]) == [2, 5, 3, 5]
    assert scored(cache, model, [5, 1]) == [5, 1]
    assert model.calls == [[3, 1, 2], [5]]


def test_versions_have_scores_of_their_own() -> None:
    cache, model = ScoreCache(100), Model()
    scored(cache, model, [1])
    scored(cache, model, [1], "another")
    assert model.calls == [[1], [1]]


def test_no_candidates_have_no_rows_but_the_heads_of_the_model() -> None:
    assert scored(ScoreCache(100), Model(), []) == []


def test_the_last_used_stay_in_the_cache() -> None:
    cache, model = ScoreCache(3), Model()
    scored(cache, model, [1, 2, 3])
    scored(cache, model, [1])
    scored(cache, model, [4, 1, 3])
    assert model.calls == [[1, 2, 3], [4]]
    scored(cache, model, [2])
    assert model.calls[2:] == [[2]]


def test_errors_are_not_cached() -> None:
    cache, model = ScoreCache(100), Model()
    broken = cache.scores("one", [candidate(1), candidate(2)], lambda missing: np.array([[np.nan, 10.0], [2.0, 20.0]]))
    assert np.isnan(broken[0, 0])
    assert scored(cache, model, [1, 2]) == [1, 2]
    assert model.calls == [[1]]


def test_what_a_caller_does_to_an_answer_is_its_own() -> None:
    cache, model = ScoreCache(100), Model()
    first = cache.scores("one", [candidate(1)], model.score)
    first[:] = 0.0
    cache.scores("one", [candidate(1)], model.score)[:] = 0.0
    assert scored(cache, model, [1]) == [1]
