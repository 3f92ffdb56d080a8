"""Promotion: a new model version serves only if it ranks recent results no worse than the version before.

Recent results are those of architectures that the old version was not trained on. Both versions rank them as the
service would, adapted to the task's other architectures. The comparison is fair to the old version, because the new
one scores each architecture by learners that were trained without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.graph.model import GraphModel, hashes_of
from headstart_server.prediction.registry.records import Comparison
from headstart_server.prediction.task.labels import Labels, TaskLabels, most_informative
from headstart_server.prediction.task.predictor import AdaptedPredictor, LabelledArchitectures, Queries

_LEAST_KNOWN = 5
_LEAST_RECENT = 10
_MOST_RECENT = 300
_MOST_TASKS = 16
_LEVEL = 0.9


def compare(
    before: GraphModel,
    after: GraphModel,
    tasks: Sequence[TaskLabels],
    architectures: Mapping[str, CanonicalCandidate],
) -> Comparison:
    """Compare two versions on the tasks with the most recent results.

    Recent results are those that ``before`` was trained without. Their count is 0 if there are too few to compare.
    """
    chosen = []
    for each in tasks:
        labels = most_informative(each.labels, each.task.maximize)
        recent = ~np.isin(hashes_of(labels.fingerprints), before.seen)
        compared = np.flatnonzero(recent & np.isfinite(labels.values))[-_MOST_RECENT:]
        known = np.flatnonzero(~recent)
        if len(compared) >= _LEAST_RECENT and np.isfinite(labels.values[known]).sum() >= _LEAST_KNOWN:
            chosen.append((each.task.maximize, labels, known, compared))
    chosen = sorted(chosen, key=lambda task: -len(task[3]))[:_MOST_TASKS]
    total = sum(len(compared) for *_, compared in chosen)
    taus = np.zeros(2)
    for maximize, labels, known, compared in chosen:
        for index, model in enumerate((before, after)):
            tau = _tau(model, maximize, labels, known, compared, architectures)
            taus[index] += tau * len(compared) / total
    return Comparison(total, float(taus[0]), float(taus[1]))


def _tau(
    model: GraphModel,
    maximize: bool,
    labels: Labels,
    known: NDArray[np.int64],
    compared: NDArray[np.int64],
    architectures: Mapping[str, CanonicalCandidate],
) -> float:
    candidates = [architectures[fingerprint] for fingerprint in labels.fingerprints]
    scores = model.score(candidates).unseen(candidates, model.seen)
    features = model.features.vectors(candidates)
    proxies = labels.proxies
    predictor = AdaptedPredictor(
        LabelledArchitectures(
            features[known],
            labels.values[known],
            maximize,
            scores[known],
            len(model.tree_tasks),
            None if proxies is None else proxies[known],
        )
    )
    queries = Queries(features[compared], scores[compared], None if proxies is None else proxies[compared])
    tau = float(kendalltau(predictor.predict(queries, _LEVEL).means, labels.values[compared]).statistic)
    return tau if np.isfinite(tau) else 0.0
