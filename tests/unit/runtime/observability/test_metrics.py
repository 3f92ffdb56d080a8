"""The catalogue holds every metric, under the names that the metrics page shows."""

from __future__ import annotations

import re
import socket
import urllib.request

import pytest
from prometheus_client.metrics import MetricWrapperBase

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.observability import metrics


def test_every_metric_of_the_module_is_in_the_catalogue() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    assert set(declared) == set(metrics.CATALOGUE)


def test_metrics_page_shows_names_of_the_catalogue_only() -> None:
    metrics.GRPC_CALLS.labels("WarmStart", "OK").inc()
    port = metrics.serve_metrics("127.0.0.1:0")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        page = answer.read().decode()
    shown = {name for name in re.findall(r"^(headstart_\w+)", page, re.MULTILINE) if not name.endswith("_created")}
    assert "headstart_grpc_calls_total" in shown
    assert shown <= metrics.catalogue_names()


def test_taken_metrics_port_is_one_line_naming_the_setting() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(StartupError, match="HEADSTART_METRICS_ADDRESS"):
            metrics.serve_metrics(f"127.0.0.1:{holder.getsockname()[1]}")
