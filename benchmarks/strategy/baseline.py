"""What the selection is compared with: a random forest for each algorithm, which predicts its loss from the features.

As in ASlib's reference experiments (Bischl et al., 2016): median imputation, regression, the lowest prediction wins. It
is run on the losses as they are, and on their logarithms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.strategy.scenarios import Numbers, Scenario

FORMS = ("loss", "logarithm")
_TREES = 100


def selected(scenario: Scenario, fold: int, form: str, seed: int) -> NDArray[np.int64]:
    """The algorithm for each task of a fold, by forests grown on all other folds. ``form`` is one of FORMS."""
    from sklearn.ensemble import RandomForestRegressor

    known = scenario.folds != fold
    middle = np.nan_to_num(np.nanmedian(scenario.features[known], axis=0))
    features = np.where(np.isnan(scenario.features), middle, scenario.features)
    losses = scenario.losses if form == "loss" else _logarithms(scenario.losses)
    predicted = []
    for algorithm in range(losses.shape[1]):
        forest = RandomForestRegressor(_TREES, max_features=1 / 3, random_state=seed, n_jobs=1)
        forest.fit(features[known], losses[known, algorithm])
        predicted.append(forest.predict(features[~known]))
    return np.stack(predicted, axis=1).argmin(axis=1)


def _logarithms(losses: Numbers) -> Numbers:
    """Of the loss above the smallest of all, with a hundredth of the losses below the unit."""
    above = losses - losses.min()
    logarithms: Numbers = np.log(above + np.quantile(above[above > 0], 0.01))
    return logarithms
