"""Landmarkers: how well simple, different models do tells what kind of problem it is.

Pfahringer et al., "Meta-learning by landmarking various learning algorithms", 2000. Scores are means over three
folds of balanced accuracy, or of R squared, in which a failure counts as -1.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from headstart.metafeatures.description import Findings
from headstart.metafeatures.sampling import Numbers

FOLDS = 3


def land(
    findings: Findings, inputs: Numbers, target: NDArray[Any], is_classification: bool, seed: int, only: str = ""
) -> None:
    """Score the models on standardized inputs without missing cells; ``only`` one of them under a name of its own."""
    models = _classifiers(seed) if is_classification else _regressors(seed)
    if only:
        models = {only: models["landmark_linear"]}
    reason = ""
    if is_classification:
        # Classes with fewer members than folds cannot be in each.
        classes, counts = np.unique(target, return_counts=True)
        enough = np.isin(target, classes[counts >= FOLDS])
        inputs, target = inputs[enough], target[enough]
        if len(np.unique(target)) < 2:
            reason = f"fewer than two classes have {FOLDS} instances or more"
    elif len(target) < 2 * FOLDS or np.ptp(target) == 0:
        reason = "there are too few different targets"
    if inputs.shape[1] == 0:
        reason = "there are no features"
    for name, model in models.items():
        findings.add(name, None if reason else _score(model, inputs, target, is_classification, seed), reason)


def _classifiers(seed: int) -> dict[str, Any]:
    return {
        "landmark_one_nn": KNeighborsClassifier(1),
        "landmark_stump": DecisionTreeClassifier(max_depth=1, random_state=seed),
        "landmark_naive_bayes": GaussianNB(),
        "landmark_linear": LogisticRegression(max_iter=100, tol=1e-2),
    }


def _regressors(seed: int) -> dict[str, Any]:
    return {
        "landmark_one_nn": KNeighborsRegressor(1),
        "landmark_stump": DecisionTreeRegressor(max_depth=1, random_state=seed),
        "landmark_linear": Ridge(),
    }


def _score(model: Any, inputs: Numbers, target: NDArray[Any], is_classification: bool, seed: int) -> float:
    folds = (StratifiedKFold if is_classification else KFold)(FOLDS, shuffle=True, random_state=seed)
    scoring = "balanced_accuracy" if is_classification else "r2"
    with warnings.catch_warnings():
        # That a cheap model has not converged, or a fold lacks a class, is part of the picture.
        warnings.simplefilter("ignore")
        scores = cross_val_score(model, inputs, target, cv=folds, scoring=scoring, error_score=-1.0)
    return float(np.mean(np.maximum(scores, -1.0)))
