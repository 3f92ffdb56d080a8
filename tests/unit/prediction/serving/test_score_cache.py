"""What a model version says of a candidate is asked once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.serving.score_cache import Numbers, ScoreCache


def candidate(number: int) -> CanonicalCandidate:
    return CanonicalCandidate(None, (("number", number),), f"{number:032x}")


class Model:
    """Says a candidate's number, and ten times that; ``asked`` about these, a list for each call."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def score(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        numbers = [int(each.fingerprint, 16) for each in candidates]
        self.asked.append(numbers)
        return np.array([[number, 10.0 * number] for number in numbers]).reshape(-1, 2)


def ask(kept: ScoreCache, model: Model, numbers: Sequence[int], version: str = "one") -> list[int]:
    scores = kept.of(version, [candidate(number) for number in numbers], model.score)
    assert scores.shape == (len(numbers), 2)
    assert (scores[:, 1] == 10 * scores[:, 0]).all()
    return [int(score) for score in scores[:, 0]]


def test_only_what_is_missing_is_scored_and_answers_keep_their_order() -> None:
    kept, model = ScoreCache(100), Model()
    assert ask(kept, model, [3, 1, 2]) == [3, 1, 2]
    assert ask(kept, model, [2, 5, 3, 5]) == [2, 5, 3, 5]
    assert ask(kept, model, [5, 1]) == [5, 1]
    assert model.asked == [[3, 1, 2], [5]]


def test_versions_are_told_apart() -> None:
    kept, model = ScoreCache(100), Model()
    ask(kept, model, [1])
    ask(kept, model, [1], "another")
    assert model.asked == [[1], [1]]


def test_no_candidates_have_no_rows_but_the_heads_of_the_model() -> None:
    assert ask(ScoreCache(100), Model(), []) == []


def test_those_asked_for_last_are_kept() -> None:
    kept, model = ScoreCache(3), Model()
    ask(kept, model, [1, 2, 3])
    ask(kept, model, [1])
    ask(kept, model, [4, 1, 3])
    assert model.asked == [[1, 2, 3], [4]]
    ask(kept, model, [2])
    assert model.asked[2:] == [[2]]


def test_what_went_wrong_is_asked_again() -> None:
    kept, model = ScoreCache(100), Model()
    broken = kept.of("one", [candidate(1), candidate(2)], lambda asked: np.array([[np.nan, 10.0], [2.0, 20.0]]))
    assert np.isnan(broken[0, 0])
    assert ask(kept, model, [1, 2]) == [1, 2]
    assert model.asked == [[1]]


def test_what_a_caller_does_to_an_answer_is_its_own() -> None:
    kept, model = ScoreCache(100), Model()
    first = kept.of("one", [candidate(1)], model.score)
    first[:] = 0.0
    kept.of("one", [candidate(1)], model.score)[:] = 0.0
    assert ask(kept, model, [1]) == [1]
