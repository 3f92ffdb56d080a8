"""Rules and panels as Prometheus itself reads them, and the most important alerts on made-up series."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.monitoring.prometheus import panels
from tests.prometheus_tools import require_prometheus

FOLDER = Path(__file__).parents[2] / "docker" / "prometheus"


@pytest.fixture(autouse=True)
def tools() -> None:
    require_prometheus()


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_configuration_and_rules_are_valid() -> None:
    promtool("check", "config", FOLDER / "prometheus.yml")
    promtool("check", "rules", FOLDER / "recording.yml", FOLDER / "alerts.yml")


def test_every_expression_of_a_panel_is_one(tmp_path: Path) -> None:
    queries = [query for panel in panels("1m") for query, _ in panel.queries]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", file).stdout


# By alert: series of an hour by the minute, and when it is to fire. What is told by increases begins at 0.
_HOUR = "0+{}x60"
_MODEL = "namespace='default', search_space='cells'"
FIRES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "HeadstartServerDown": ({"up{job='headstart-server', instance='a'}": "0x60"}, {}),
    "HeadstartWorkerDown": ({"up{job='headstart-worker', instance='a'}": "0x60"}, {}),
    "HeadstartCallsFail": (
        {
            "headstart_grpc_calls_total{method='WarmStart', code='OK'}": _HOUR.format(90),
            "headstart_grpc_calls_total{method='WarmStart', code='INTERNAL'}": _HOUR.format(10),
        },
        {},
    ),
    "HeadstartCallsAreSlow": (
        {
            "headstart_grpc_call_seconds_bucket{method='WarmStart', le='1.0'}": _HOUR.format(80),
            "headstart_grpc_call_seconds_bucket{method='WarmStart', le='2.5'}": _HOUR.format(100),
            "headstart_grpc_call_seconds_bucket{method='WarmStart', le='+Inf'}": _HOUR.format(100),
        },
        {"method": "WarmStart"},
    ),
    "HeadstartIndexOutOfReach": (
        {"headstart_vector_index_up{instance='a'}": "1x60", "headstart_vector_index_up{instance='b'}": "0x60"},
        {},
    ),
    "HeadstartIndexFallsBehind": ({"headstart_outbox_lag_seconds": "0+60x60"}, {}),
    "HeadstartSpacesSetAside": ({"headstart_index_spaces_set_aside": "1x60"}, {}),
    "HeadstartRecordsWait": (
        {
            "headstart_record_queue_seconds_bucket{le='0.5'}": _HOUR.format(80),
            "headstart_record_queue_seconds_bucket{le='1.0'}": _HOUR.format(100),
            "headstart_record_queue_seconds_bucket{le='+Inf'}": _HOUR.format(100),
        },
        {},
    ),
    "HeadstartConnectionsUsedUp": (
        {
            "headstart_database_connections_in_use{job='headstart-server', instance='a'}": "20x60",
            "headstart_database_connections{job='headstart-server', instance='a'}": "20x60",
        },
        {"job": "headstart-server", "instance": "a"},
    ),
    "HeadstartTrainingFails": ({"headstart_training_failures_total": "0x30 1x30"}, {}),
    "HeadstartModelUnreadable": ({"headstart_model_load_failures_total": "0x30 1x30"}, {}),
    "HeadstartTrainingLagsBehind": (
        {f"headstart_model_growth_ratio{{{_MODEL}}}": "3x60"},
        {"namespace": "default", "search_space": "cells"},
    ),
    "HeadstartPredictionsMisorder": (
        {
            "headstart_predicted_pairs_total{basis='model', order='right'}": _HOUR.format(4),
            "headstart_predicted_pairs_total{basis='model', order='wrong'}": _HOUR.format(6),
        },
        {"basis": "model"},
    ),
    "HeadstartIntervalsTooNarrow": (
        {
            "headstart_predicted_results_total{basis='model'}": _HOUR.format(10),
            "headstart_predicted_results_promised_total{basis='model'}": _HOUR.format(9),
            "headstart_predicted_results_inside_total{basis='model'}": _HOUR.format(6),
        },
        {"basis": "model"},
    ),
    "HeadstartTransferHarms": (
        {
            "headstart_suggestions_against_random_total{origin='TRANSFERRED', outcome='better'}": _HOUR.format(3),
            "headstart_suggestions_against_random_total{origin='TRANSFERRED', outcome='worse'}": _HOUR.format(7),
            "headstart_suggestions_against_random_total{origin='EXPLORATION', outcome='worse'}": _HOUR.format(1),
        },
        {"origin": "TRANSFERRED"},
    ),
}
# By alert: the same in a healthy service, on which it must be silent.
SILENT: dict[str, dict[str, str]] = {
    "HeadstartServerDown": {"up{job='headstart-server', instance='a'}": "1x60"},
    "HeadstartWorkerDown": {"up{job='headstart-worker', instance='a'}": "1x60"},
    "HeadstartCallsFail": {
        "headstart_grpc_calls_total{method='WarmStart', code='OK'}": _HOUR.format(50),
        "headstart_grpc_calls_total{method='WarmStart', code='INVALID_ARGUMENT'}": _HOUR.format(50),
    },
    "HeadstartIndexOutOfReach": {
        "headstart_vector_index_up{instance='a'}": "1x60",
        # A process that has not asked.
        "headstart_vector_index_up{instance='b'}": " ".join(["NaN"] * 60),
    },
    "HeadstartPredictorHostAway": {"headstart_predictor_host_up{instance='a'}": " ".join(["NaN"] * 60)},
    "HeadstartPredictionsMisorder": {
        # Too few to tell.
        "headstart_predicted_pairs_total{basis='model', order='right'}": _HOUR.format(0.5),
        "headstart_predicted_pairs_total{basis='model', order='wrong'}": _HOUR.format(0.5),
    },
    "HeadstartIntervalsTooNarrow": {
        "headstart_predicted_results_total{basis='model'}": _HOUR.format(10),
        "headstart_predicted_results_promised_total{basis='model'}": _HOUR.format(9),
        "headstart_predicted_results_inside_total{basis='model'}": _HOUR.format(8.5),
    },
    "HeadstartTransferHarms": {
        "headstart_suggestions_against_random_total{origin='TRANSFERRED', outcome='better'}": _HOUR.format(6),
        "headstart_suggestions_against_random_total{origin='TRANSFERRED', outcome='worse'}": _HOUR.format(4),
        "headstart_suggestions_against_random_total{origin='EXPLORATION', outcome='worse'}": _HOUR.format(1),
    },
}


def test_alerts_fire_on_what_they_are_for_and_not_on_what_is_well(tmp_path: Path) -> None:
    alerts = {
        rule["alert"]: rule
        for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
        for rule in group["rules"]
    }
    cases = [case(alerts[name], series, labels) for name, (series, labels) in FIRES.items()]
    cases += [case(alerts[name], series, None) for name, series in SILENT.items()]
    # Texts are not what is claimed here, and promtool compares them: the alerts go without.
    bare = [{key: value for key, value in rule.items() if key != "annotations"} for rule in alerts.values()]
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [{"name": "bare", "rules": bare}]}))
    file = tmp_path / "tests.yml"
    files = [str(FOLDER / "recording.yml"), str(tmp_path / "alerts.yml")]
    order = ["headstart-service", "headstart-learning", "headstart-capacity", "bare"]
    file.write_text(
        yaml.safe_dump(
            {"rule_files": files, "group_eval_order": order, "evaluation_interval": "1m", "tests": cases},
            sort_keys=False,
        )
    )
    promtool("test", "rules", file)


def case(alert: dict[str, Any], series: dict[str, str], labels: dict[str, str] | None) -> dict[str, Any]:
    """At the end of the series' hour the alert fires with these labels, or not at all where they are None."""
    fired = [] if labels is None else [{"exp_labels": {**labels, **alert["labels"]}}]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "59m", "alertname": alert["alert"], "exp_alerts": fired}],
    }
