"""Promotion: a new model version serves only if it ranks recent results no worse than the version before.

Both versions are used as the service uses them, adapted to the architectures that the old version knew. They rank the
architectures of each task that it did not know: those are new to the old version, and the new version scores each by
learners that were trained without it.
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
    """Compare on the tasks with most results that ``before`` was trained without; the count is 0 if there are too
    few.
    """
    chosen = []
    for each in tasks:
        labels = most_informative(each.labels, each.task.maximize)
        recent = ~np.isin(hashes_of(labels.fingerprints), before.seen)
        judged = np.flatnonzero(recent & np.isfinite(labels.values))[-_MOST_RECENT:]
        known = np.flatnonzero(~recent)
        if len(judged) >= _LEAST_RECENT and np.isfinite(labels.values[known]).sum() >= _LEAST_KNOWN:
            chosen.append((each.task.maximize, labels, known, judged))
    chosen = sorted(chosen, key=lambda one: -len(one[3]))[:_MOST_TASKS]
    total = sum(len(judged) for *_, judged in chosen)
    taus = np.zeros(2)
    for maximize, labels, known, judged in chosen:
        for index, model in enumerate((before, after)):
            tau = _tau(model, maximize, labels, known, judged, architectures)
            taus[index] += tau * len(judged) / total
    return Comparison(total, float(taus[0]), float(taus[1]))


def _tau(
    model: GraphModel,
    maximize: bool,
    labels: Labels,
    known: NDArray[np.int64],
    judged: NDArray[np.int64],
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
    queries = Queries(features[judged], scores[judged], None if proxies is None else proxies[judged])
    tau = float(kendalltau(predictor.predict(queries, _LEVEL).means, labels.values[judged]).statistic)
    return tau if np.isfinite(tau) else 0.0
