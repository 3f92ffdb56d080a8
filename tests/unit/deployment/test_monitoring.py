"""Dashboards and alert rules ask for metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from headstart_server.runtime.metrics import CATALOGUE, catalogue_names

DOCKER = Path(__file__).parents[3] / "docker"
# Labels that Prometheus and histograms add.
ADDED_LABELS = {"job", "instance", "le"}


def dashboard_queries() -> Iterator[tuple[str, str]]:
    for path in (DOCKER / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}", target["expr"]


def alert_queries() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((DOCKER / "prometheus" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


QUERIES = dict([*dashboard_queries(), *alert_queries()])


def labels_of(metric: str) -> set[str]:
    for declared in CATALOGUE:
        if any(metric.startswith(family.name) for family in declared.describe()):
            return set(declared._labelnames)
    raise AssertionError(metric)


@pytest.mark.parametrize("where", QUERIES)
def test_queries_name_metrics_of_the_catalogue(where: str) -> None:
    named = set(re.findall(r"\bheadstart_\w+", QUERIES[where]))
    assert named <= catalogue_names()
    assert named or re.search(r"\bup\{", QUERIES[where])


@pytest.mark.parametrize("where", QUERIES)
def test_queries_use_labels_that_the_metrics_have(where: str) -> None:
    query = QUERIES[where]
    grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(",")}
    matched = {match for braces in re.findall(r"\{([^}]*)\}", query) for match in re.findall(r"(\w+)\s*[=!]", braces)}
    known = ADDED_LABELS.union(*(labels_of(name) for name in re.findall(r"\bheadstart_\w+", query)))
    assert grouped | matched <= known


def test_every_metric_is_on_a_dashboard() -> None:
    asked = " ".join(query for _, query in dashboard_queries())
    missing = [
        family.name for metric in CATALOGUE for family in metric.describe() if not re.search(rf"\b{family.name}", asked)
    ]
    assert missing == []


def test_dashboards_use_the_provisioned_data_source() -> None:
    sources = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    known = {source["uid"] for source in sources}
    for path in (DOCKER / "grafana" / "dashboards").glob("*.json"):
        panels = json.loads(path.read_text())["panels"]
        assert {panel["datasource"]["uid"] for panel in panels if "datasource" in panel} <= known


def test_scraped_jobs_are_those_that_the_alerts_know() -> None:
    jobs = {
        job["job_name"] for job in yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    }
    alerted = set(re.findall(r'job="([^"]+)"', " ".join(QUERIES.values())))
    assert alerted <= jobs
