"""A Prometheus of its own, with the rules and scrape jobs of docker/prometheus, and the panels of docker/grafana."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.service import free_port

DOCKER = Path(__file__).parents[2] / "docker"
START_SECONDS = 30.0
NEEDED = "prometheus and promtool are needed: on Debian and Ubuntu, install the package prometheus"


@dataclass(frozen=True)
class Panel:
    """``rare``: why it is empty as a rule; empty where it is not. ``queries`` are (expression, legend)."""

    dashboard: str
    title: str
    unit: str
    rare: str
    signed: bool
    queries: tuple[tuple[str, str], ...]


def panels(rate_interval: str) -> list[Panel]:
    """Those of all dashboards, with Grafana's $__rate_interval filled in."""
    declared = yaml.safe_load((DOCKER / "grafana" / "panels.yml").read_text())
    return [
        Panel(
            dashboard["title"],
            panel["title"],
            panel["unit"],
            panel.get("rare", ""),
            panel.get("signed", False),
            tuple(
                (each["expr"].replace("$__rate_interval", rate_interval), each["legend"]) for each in panel["queries"]
            ),
        )
        for dashboard in declared
        for panel in dashboard["panels"]
    ]


@dataclass(frozen=True)
class Series:
    """``points`` are (seconds since the epoch, value), only finite ones."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class Prometheus:
    def __init__(self, url: str) -> None:
        self._url = url

    def range(self, expression: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """The series of an expression that have a point in that time (seconds since the epoch)."""
        asked = {"query": expression, "start": start, "end": end, "step": step}
        found = self._ask(f"query_range?{urllib.parse.urlencode(asked)}")["result"]
        series = [Series(each["metric"], _finite(each["values"])) for each in found]
        return [each for each in series if each.points]

    def has_samples(self, metric: str) -> bool:
        """Of whatever value."""
        return bool(self._ask(f"query?{urllib.parse.urlencode({'query': metric})}")["result"])

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def targets_up(self) -> dict[str, int]:
        """How many of each job's processes answer."""
        found: dict[str, int] = {}
        for target in self._ask("targets")["activeTargets"]:
            found[target["labels"]["job"]] = found.get(target["labels"]["job"], 0) + (target["health"] == "up")
        return found

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]


@contextmanager
def watching(directory: Path, targets: Mapping[str, Sequence[str]], seconds: int = 1) -> Iterator[Prometheus]:
    """Scrapes HOST:PORT addresses by the name of their job, and evaluates all rules, every so many seconds.

    Raises RuntimeError where there is no Prometheus, or it does not start.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise RuntimeError(NEEDED)
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(targets, seconds)))
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'series'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--log.level=warn",
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_until_ready(process, url, log)
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait()


def _config(targets: Mapping[str, Sequence[str]], seconds: int) -> dict[str, Any]:
    """The committed one with other addresses, none for a job that is not named, and other intervals."""
    declared: dict[str, Any] = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    declared["global"] = {"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"}
    declared["rule_files"] = [str(DOCKER / "prometheus" / name) for name in declared["rule_files"]]
    declared["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": list(targets.get(job["job_name"], ()))}]}
        for job in declared["scrape_configs"]
    ]
    return declared


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"Prometheus did not start:\n{log.read_text()[-2000:]}")


def _finite(values: Sequence[Sequence[Any]]) -> tuple[tuple[float, float], ...]:
    points = ((float(when), float(value)) for when, value in values)
    return tuple((when, value) for when, value in points if math.isfinite(value))
