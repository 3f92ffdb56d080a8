"""Dashboards and rules ask for metrics that exist, by labels that they have, and every metric is asked for."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from headstart.search.portfolio import default_strategies
from headstart_server.runtime.observability.metrics import ARMS, CATALOGUE, arm_label, catalogue_names
from headstart_server.runtime.settings import load_settings, split_address

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
# Labels that Prometheus and histograms add.
ADDED_LABELS = {"job", "instance", "le"}


def dashboards() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", DOCKER / "grafana" / "dashboards.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dashboard_queries() -> Iterator[tuple[str, str]]:
    for path in (DOCKER / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}, {target['legendFormat']}", target["expr"]


def rules(file: str) -> list[dict[str, object]]:
    groups = yaml.safe_load((DOCKER / "prometheus" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = {rule["record"]: rule["expr"] for rule in rules("recording.yml")}
ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
READERS = {**dict(dashboard_queries()), **{f"alert {name}": rule["expr"] for name, rule in ALERTS.items()}}
QUERIES = {**READERS, **{f"rule {name}": query for name, query in RECORDED.items()}}


def labels_of(metric: str) -> set[str]:
    if metric in RECORDED:
        return {label for named in metrics_in(RECORDED[metric]) for label in labels_of(named)}
    for declared in CATALOGUE:
        if any(is_of(family.name, metric) for family in declared.describe()):
            return set(declared._labelnames)
    raise AssertionError(metric)


def is_of(family: str, metric: str) -> bool:
    return re.fullmatch(rf"{family}(_total|_bucket|_sum|_count)?", metric) is not None


def metrics_in(query: str) -> set[str]:
    return set(re.findall(r"\bheadstart[_:][\w:]+", query))


@pytest.mark.parametrize("where", QUERIES)
def test_queries_name_metrics_of_the_catalogue(where: str) -> None:
    named = metrics_in(QUERIES[where])
    assert named <= catalogue_names() | RECORDED.keys()
    assert named or re.search(r"\bup\{", QUERIES[where])


@pytest.mark.parametrize("where", QUERIES)
def test_queries_use_labels_that_the_metrics_have(where: str) -> None:
    query = QUERIES[where]
    grouped = {label.strip() for labels in re.findall(r"\b(?:by|on) \(([^)]+)\)", query) for label in labels.split(",")}
    matched = {match for braces in re.findall(r"\{([^}]*)\}", query) for match in re.findall(r"(\w+)\s*[=!]", braces)}
    known = ADDED_LABELS.union(*(labels_of(name) for name in metrics_in(query)))
    assert grouped | matched <= known


def test_every_metric_and_recorded_series_has_a_reader() -> None:
    asked = set().union(*map(metrics_in, READERS.values()))
    assert RECORDED.keys() <= asked
    asked |= set().union(*(metrics_in(RECORDED[name]) for name in RECORDED))
    missing = [
        family.name
        for metric in CATALOGUE
        for family in metric.describe()
        if not any(is_of(family.name, name) for name in asked)
    ]
    assert missing == []


def test_dashboards_are_those_that_the_panels_give() -> None:
    folder = DOCKER / "grafana" / "dashboards"
    assert {path.name: path.read_text() for path in folder.iterdir()} == dashboards().rendered(), "run make dashboards"


def test_dashboards_use_the_provisioned_data_source() -> None:
    sources = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    known = {source["uid"] for source in sources}
    for path in (DOCKER / "grafana" / "dashboards").glob("*.json"):
        assert {panel["datasource"]["uid"] for panel in json.loads(path.read_text())["panels"]} <= known


def test_scraped_jobs_are_those_that_the_alerts_know() -> None:
    alerted = set(re.findall(r'job="([^"]+)"', " ".join(QUERIES.values())))
    assert alerted <= set(scraped("prometheus.yml"))
    # Where `up` runs there is no predictor host.
    assert alerted - {"headstart-predictor"} <= set(scraped("up.yml"))


def scraped(file: str) -> dict[str, Any]:
    told = yaml.safe_load((DOCKER / "prometheus" / file).read_text())
    return {job["job_name"]: job for job in told["scrape_configs"]}


def test_the_parts_of_up_are_scraped_where_they_show_their_metrics() -> None:
    host, port = split_address(load_settings().metrics_address)
    places = [job["static_configs"][0]["targets"] for job in scraped("up.yml").values()]
    assert places == [[f"{host}:{port}"], [f"{host}:{port + 1}"]]


def test_every_alert_leads_to_a_part_of_the_runbook_that_says_what_it_means_and_what_to_do() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    parts = dict(re.findall(r"^### (Headstart\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(parts) == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"docs/monitoring.md#{name.lower()}"
        for said in ("**Means**", "**Look at**", "**Do**"):
            assert said in parts[name], (name, said)


def test_the_document_names_the_panels_that_need_a_rare_event() -> None:
    declared = yaml.safe_load((DOCKER / "grafana" / "panels.yml").read_text())
    rare = {panel["title"] for dashboard in declared for panel in dashboard["panels"] if "rare" in panel}
    text = (ROOT / "docs" / "monitoring.md").read_text()
    assert rare == set(re.findall(r"^- \*(.+)\*: empty where", text, re.MULTILINE))


def test_arms_that_the_client_has_keep_their_names_and_all_others_share_one() -> None:
    def nobody(*_: object) -> None:
        raise AssertionError

    assert set(default_strategies(predict=nobody, suggest=nobody)) == ARMS
    assert arm_label("random") == "random"
    assert {arm_label(f"arm-{number}") for number in range(100)} == {"other"}
