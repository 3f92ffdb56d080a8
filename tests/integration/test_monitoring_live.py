"""A real Prometheus watches a real service and worker, under a small search that touches every call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.monitoring.observed import Observed, observed
from benchmarks.monitoring.prometheus import Panel, panels
from headstart.v1 import knowledge_base_service_pb2, meta_learning_service_pb2
from headstart_server.runtime.observability.metrics import catalogue_names
from tests.prometheus_tools import require_prometheus

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def seen() -> Iterator[Observed]:
    require_prometheus()
    # One model suffices, and a second training would hold up the end.
    once = {"HEADSTART_TRAINING_GROWTH": "100"}
    with observed(seconds=8.0, pause=0.05, say=lambda _: None, changes=once) as seen:
        yield seen


def test_every_process_is_scraped(seen: Observed) -> None:
    assert seen.prometheus.targets_up() == {"headstart-server": 1, "headstart-worker": 1}


def test_the_workload_touches_every_call(seen: Observed) -> None:
    services = (
        meta_learning_service_pb2.DESCRIPTOR.services_by_name["MetaLearningService"],
        knowledge_base_service_pb2.DESCRIPTOR.services_by_name["KnowledgeBaseService"],
    )
    calls = {method.name for service in services for method in service.methods}
    answered = seen.prometheus.range('headstart_grpc_calls_total{code="OK"}', seen.start, seen.end)
    assert {series.labels["method"] for series in answered} == calls


@pytest.mark.parametrize("panel", panels("10s"), ids=lambda panel: panel.title)
def test_every_panel_shows_data_or_says_what_rare_event_it_needs(seen: Observed, panel: Panel) -> None:
    found = [series for query, _ in panel.queries for series in seen.prometheus.range(query, seen.start, seen.end, 2.0)]
    assert found or panel.rare


def test_nothing_of_the_catalogue_is_missing_but_what_comes_of_failures(seen: Observed) -> None:
    shown = {
        name
        for name in catalogue_names()
        # NaN counts: who has not asked the predictor host says so.
        if seen.prometheus.has_samples(name)
    }
    assert catalogue_names() - shown <= {"headstart_degraded_answers_total"}


def test_rules_are_evaluated_without_errors_and_no_grave_alert_fires(seen: Observed) -> None:
    rules = seen.prometheus.rules()
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert not firing & {"HeadstartServerDown", "HeadstartIndexOutOfReach", "HeadstartPredictorHostAway"}


def test_live_figures_are_those_of_a_search_that_learns(seen: Observed) -> None:
    """The made-up tasks are alike and their noise is small: predictions order results, intervals hold them."""
    assert value(seen, "headstart:predicted_order:tau1h") > 0.2
    assert value(seen, "headstart:interval_coverage:ratio1h") > 0.6
    # Arms of the portfolio have their names, and the client's own shares one.
    arms = {series.labels["arm"] for series in seen.prometheus.range("headstart_decisions_total", seen.start, seen.end)}
    assert arms == {"random", "local_search", "regularized_evolution", "other"}


def value(seen: Observed, name: str) -> float:
    """The last, the mean over bases."""
    found = seen.prometheus.range(name, seen.start, seen.end)
    return sum(series.points[-1][1] for series in found) / len(found)
