"""Metrics that a worker reads from the database: queue of the vector index, serving models, quotas.

A thread of its own reads them, because a training may take long. All workers read the same, so queries take the
largest.
"""

from __future__ import annotations

import logging
import math
import threading
from statistics import fmean

from headstart_server.access.quotas import count_near_quota
from headstart_server.assembly import Domains
from headstart_server.knowledge.vector_index.failures import set_aside
from headstart_server.prediction.registry.versions import ServingVersion, serving_versions
from headstart_server.runtime.observability import metrics

_SECONDS_BETWEEN = 5.0
# Number of search spaces shown, those trained last.
_MOST_MODELS = 50
_NEAR = 0.9

_OF_MODELS = (
    metrics.MODEL_NUMBER,
    metrics.MODEL_AGE_SECONDS,
    metrics.MODEL_GROWTH,
    metrics.MODEL_KENDALL_TAU,
    metrics.MODEL_COVERAGE,
)


logger = logging.getLogger(__name__)


class Gauges:
    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self._shown: set[tuple[str, str]] = set()

    def keep(self, stop: threading.Event) -> None:
        """Read them at intervals until ``stop``; errors are logged."""
        while True:
            try:
                self.read()
            except Exception:
                logger.exception("the gauges could not be read, trying again soon")
            if stop.wait(_SECONDS_BETWEEN):
                return

    def read(self) -> None:
        knowledge = self._domains.knowledge
        metrics.OUTBOX_DEPTH.set(knowledge.outbox_depth())
        metrics.OUTBOX_LAG_SECONDS.set(knowledge.outbox_lag_seconds())
        counts = {(name, space): count for name, space, count in knowledge.search_spaces_by_growth()}
        with self._domains.engine.connect() as connection:
            versions = serving_versions(connection, _MOST_MODELS)
            metrics.INDEX_SPACES_SET_ASIDE.set(len(set_aside(connection)))
            metrics.NAMESPACES_NEAR_QUOTA.set(count_near_quota(connection, _NEAR))
        for version in versions:
            _show(version, counts.get((version.namespace, version.search_space_id), 0))
        shown = {(version.namespace, version.search_space_id) for version in versions}
        for gone in self._shown - shown:
            for gauge in _OF_MODELS:
                gauge.remove(*gone)
        self._shown = shown


def _show(version: ServingVersion, experiment_count: int) -> None:
    labels = (version.namespace, version.search_space_id)
    metrics.MODEL_NUMBER.labels(*labels).set(version.number)
    metrics.MODEL_AGE_SECONDS.labels(*labels).set(version.age_seconds)
    metrics.MODEL_GROWTH.labels(*labels).set(experiment_count / max(version.trained_through, 1))
    taus = [each.kendall_tau for each in version.validation if math.isfinite(each.kendall_tau)]
    coverages = [each.interval_coverage for each in version.validation if math.isfinite(each.interval_coverage)]
    # Without a task with enough results there is no figure.
    metrics.MODEL_KENDALL_TAU.labels(*labels).set(fmean(taus) if taus else math.nan)
    metrics.MODEL_COVERAGE.labels(*labels).set(fmean(coverages) if coverages else math.nan)
