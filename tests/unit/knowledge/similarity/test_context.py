"""How alike tasks are by what is known without their results."""

from __future__ import annotations

import math

import pytest

from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.tasks import Task


def task(name: str, metric: str = "accuracy", maximize: bool = True, **words: str) -> Task:
    return Task(name, "", metric, maximize, words, {}, "", 0.0)


TARGET = task("target", domain="image", data="digits")


def test_the_same_words_are_alike_and_nothing_is_known_without_any() -> None:
    same, half, silent = SimilarityContext().likeness(
        TARGET, [task("a", domain="image", data="digits"), task("b", domain="image", data="faces"), task("c")], "space"
    )
    assert same == pytest.approx(1.0)
    assert half == pytest.approx(0.5)
    assert math.isnan(silent)


def test_another_metric_is_less_alike_and_the_opposite_direction_is_not() -> None:
    loss, wrong = SimilarityContext().likeness(
        TARGET,
        [
            task("loss", "loss", False, domain="image", data="digits"),
            task("wrong", "accuracy", False, domain="image", data="digits"),
        ],
        "space",
    )
    assert loss == pytest.approx(0.25)
    assert wrong == 0.0
