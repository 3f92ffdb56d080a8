"""What a worker reads from the database for operators, now and then: the models that serve, and quotas nearly used up.

Each worker reads the same, so queries take the largest of them.
"""

from __future__ import annotations

import math
import time
from statistics import fmean

from headstart_server.access.quotas import count_near_quota
from headstart_server.assembly import Rooms
from headstart_server.prediction.registry import Serving, serving_versions
from headstart_server.runtime import metrics

_SECONDS_BETWEEN = 15.0
# Search spaces that are shown, those trained last.
_MOST_MODELS = 50
_NEAR = 0.9

_OF_MODELS = (
    metrics.MODEL_NUMBER,
    metrics.MODEL_AGE_SECONDS,
    metrics.MODEL_GROWTH,
    metrics.MODEL_KENDALL_TAU,
    metrics.MODEL_COVERAGE,
)


class Gauges:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._at = -math.inf
        self._shown: set[tuple[str, str]] = set()

    def look_again(self) -> None:
        """What was read is old."""
        self._at = -math.inf

    def read(self) -> bool:
        """Anew where the last time is long ago; False, since it is no work that another piece may follow from."""
        if time.monotonic() - self._at > _SECONDS_BETWEEN:
            self._at = time.monotonic()
            counts = {(name, space): count for name, space, count in self._rooms.knowledge.search_spaces_by_growth()}
            with self._rooms.engine.connect() as connection:
                versions = serving_versions(connection, _MOST_MODELS)
                metrics.NAMESPACES_NEAR_QUOTA.set(count_near_quota(connection, _NEAR))
            for version in versions:
                _show(version, counts.get((version.namespace, version.search_space_id), 0))
            shown = {(version.namespace, version.search_space_id) for version in versions}
            for gone in self._shown - shown:
                for gauge in _OF_MODELS:
                    gauge.remove(*gone)
            self._shown = shown
        return False


def _show(version: Serving, experiment_count: int) -> None:
    labels = (version.namespace, version.search_space_id)
    metrics.MODEL_NUMBER.labels(*labels).set(version.number)
    metrics.MODEL_AGE_SECONDS.labels(*labels).set(version.age_seconds)
    metrics.MODEL_GROWTH.labels(*labels).set(experiment_count / max(version.trained_through, 1))
    taus = [each.kendall_tau for each in version.figures if math.isfinite(each.kendall_tau)]
    coverages = [each.interval_coverage for each in version.figures if math.isfinite(each.interval_coverage)]
    # Without a task of enough results there is no figure.
    metrics.MODEL_KENDALL_TAU.labels(*labels).set(fmean(taus) if taus else math.nan)
    metrics.MODEL_COVERAGE.labels(*labels).set(fmean(coverages) if coverages else math.nan)
