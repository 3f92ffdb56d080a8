"""A member of the ensemble is one file: whatever defines a learner in the folder of members takes part."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from headstart_server.prediction.learners import members
from headstart_server.prediction.learners.members import Learner, learners
from headstart_server.prediction.task.predictions import predictions_of
from headstart_server.prediction.task.predictor import AdaptedPredictor, LabelledArchitectures, Queries

BEFORE = [
    "graph_network",
    "tree_ensemble",
    "gaussian_process",
    "k_nearest",
    "proxies",
    "gaussian_process_with_proxies",
]

NEW = '''
"""Member "ridge": a linear model of the features."""

import numpy as np

from headstart_server.prediction.learners.gaussian_process import LeaveOneOut
from headstart_server.prediction.learners.members.learner import Learner


class _Fitted:
    hyperparameters = None
    noise_deviation = None

    def __init__(self, features, targets):
        self.inverse = np.linalg.inv(features.T @ features + 1e-3 * np.eye(features.shape[1]))
        self.coefficients = self.inverse @ features.T @ targets
        influence = np.einsum("ij,jk,ik->i", features, self.inverse, features)
        self.residuals = (targets - features @ self.coefficients) / (1 - influence)
        self.own = LeaveOneOut(targets - self.residuals, np.full(len(targets), self.residuals.std() + 1e-6))

    def leave_one_out(self):
        return self.own

    def predict(self, columns):
        means = columns.features @ self.coefficients
        return means, np.full(len(means), self.residuals.std() + 1e-6)


class Ridge(Learner):
    name = "ridge"

    def fit(self, training):
        return _Fitted(training.columns.features, training.targets)
'''


@pytest.fixture
def ridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file more in the folder of members."""
    (tmp_path / "ridge_of_a_test.py").write_text(NEW)
    monkeypatch.setattr(members, "__path__", [*members.__path__, str(tmp_path)])
    members.load()
    yield
    del Learner.registered["ridge"], sys.modules[f"{members.__name__}.ridge_of_a_test"]


def linear_task() -> tuple[LabelledArchitectures, Queries]:
    features = np.random.default_rng(0).normal(size=(60, 3))
    values = features @ np.array([1.0, -2.0, 0.5])
    return LabelledArchitectures(features[:40], values[:40], True), Queries(features[40:])


def test_members_stand_in_the_order_of_their_ranks() -> None:
    assert [learner.name for learner in learners()] == BEFORE


def test_a_new_file_is_a_new_member(ridge: None) -> None:
    known, queries = linear_task()
    predictor = AdaptedPredictor(known)
    assert list(predictor.weights) == ["gaussian_process", "k_nearest", "ridge"]
    assert predictor.weights["ridge"] > 0.3, "the task is linear"
    for prediction in predictions_of(predictor.predict(queries, 0.9)):
        assert "ridge" in [member.member for member in prediction.members]


def test_a_member_that_cannot_be_fitted_is_left_out(ridge: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(training: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(Learner.registered["ridge"], "fit", fail)
    assert list(AdaptedPredictor(linear_task()[0]).weights) == ["gaussian_process", "k_nearest"]
