"""Trees kept as arrays say what the library's own trees say, and what they are asked only depends on their seed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from headstart_server.prediction.learners import tree_ensemble
from headstart_server.prediction.learners.tree_ensemble import TREES, TreeEnsemble

GENERATOR = np.random.default_rng(0)
FEATURES = GENERATOR.normal(size=(700, 12)).astype(np.float32)
TARGETS = np.stack([FEATURES[:, 0] + FEATURES[:, 1] ** 2, -FEATURES[:, 2]], axis=1)


@pytest.mark.parametrize("outputs", [1, 2])
def test_arrays_say_what_the_library_says(outputs: int) -> None:
    targets = TARGETS[:200, :outputs]
    trees = TreeEnsemble.grow(FEATURES[:200], targets, seed=3)
    forest = ExtraTreesRegressor(TREES, max_features=0.5, min_samples_leaf=2, random_state=3)
    forest.fit(FEATURES[:200], targets if outputs > 1 else targets[:, 0])
    told = trees.predict(FEATURES[200:])
    assert told.shape == (500, outputs)
    np.testing.assert_allclose(told, forest.predict(FEATURES[200:]).reshape(500, outputs), atol=1e-5)
    assert np.corrcoef(told[:, 0], TARGETS[200:, 0])[0, 1] > 0.8


def test_they_come_back_from_arrays_and_are_equal_for_equal_seeds() -> None:
    first, again, other = (TreeEnsemble.grow(FEATURES[:100], TARGETS[:100], seed) for seed in (1, 1, 2))
    read = TreeEnsemble.from_arrays(first.to_arrays())
    np.testing.assert_array_equal(read.predict(FEATURES), again.predict(FEATURES))
    assert np.abs(read.predict(FEATURES) - other.predict(FEATURES)).max() > 0.01
    assert read.predict(FEATURES[:0]).shape == (0, 2)


def test_many_results_of_many_tasks_do_not_swell_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_ensemble, "_MOST_NUMBERS", 20_000)
    assert TreeEnsemble.grow(FEATURES, TARGETS, 0).values.size <= 20_000
