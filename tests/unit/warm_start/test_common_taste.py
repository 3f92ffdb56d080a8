"""How much past tasks agree on what is good decides how much of the first proposals is theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from headstart_server.prediction.service import SourceScores
from headstart_server.warm_start.common_taste import common_taste, portfolio_size
from headstart_server.warm_start.service import _first_explorations

NAMES = {task_id: tuple(f"{task_id}-{place}" for place in range(20)) for task_id in ("a", "b", "c")}


class Measured:
    """Stands for a task whose results are 19, 18, ..., 0 in the order of its sample."""

    def normal_scores_of(self, names: Sequence[str]) -> np.ndarray:
        return -np.array([float(name.split("-")[1]) for name in names])


def told(quality: float, seed: int = 0) -> SourceScores:
    """Every task says of the others' results what they measured, or with ``quality`` 0 anything."""
    generator = np.random.default_rng(seed)
    truth = -np.tile(np.arange(20.0), 3)[:, None]
    noise = generator.normal(0.0, 6.0, (60, 3))
    return SourceScores(tuple(NAMES), quality * truth + (1 - quality) * noise, "")


def taste(scores: SourceScores | None, tasks: Sequence[str] = tuple(NAMES)) -> float:
    return common_taste(scores, {each: NAMES[each] for each in tasks}, dict.fromkeys(tasks, Measured()))  # type: ignore[arg-type]


def test_agreement_is_that_of_each_task_with_what_the_others_measured() -> None:
    assert taste(told(1.0)) == pytest.approx(1.0)
    assert taste(told(0.5)) > taste(told(0.2)) > 0.1
    assert np.mean([taste(told(0.0, seed)) for seed in range(20)]) < 0.1


def test_tasks_that_contradict_each_other_agree_in_nothing() -> None:
    assert taste(told(-1.0)) == 0.0


def test_what_a_task_says_of_itself_is_no_agreement() -> None:
    scores = told(0.0).scores.copy()
    for column in range(3):
        scores[20 * column : 20 * (column + 1), column] = -np.arange(20.0)
    assert taste(SourceScores(tuple(NAMES), scores, "")) < 0.3


def test_a_single_task_leaves_it_open() -> None:
    assert taste(None) == taste(told(1.0), ["a"]) == 0.25


def test_portfolio_comes_first_and_the_rest_of_eight_is_random() -> None:
    assert [portfolio_size(agreement, 8) for agreement in (0.0, 0.08, 0.25, 1.0)] == [0, 1, 4, 8]
    assert [_first_explorations(tried, 1, 3) for tried in range(10)] == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert _first_explorations(0, 20, 3) == 5
    assert _first_explorations(0, 4, 0) == 4
