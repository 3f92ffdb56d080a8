"""Compose, Dockerfiles and Kubernetes' files speak of settings, commands, ports and files that exist, and agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import typer.main
import yaml

from headstart_server.cli.app import app
from headstart_server.runtime.settings import Settings, split_address
from tests.unit.deployment.dockerfiles import DOCKERFILES, environment, stages
from tests.unit.deployment.kustomize import KUBERNETES, OVERLAYS, containers, render

TOP = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((TOP / "docker" / "prometheus" / "prometheus.yml").read_text())
ROLES = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
VERSION = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
RENDERED = {overlay: render(KUBERNETES / "overlays" / overlay) for overlay in OVERLAYS}
PORTS = {split_address(Settings().grpc_address)[1], split_address(Settings().metrics_address)[1]}


def ours(image: str) -> bool:
    return image.startswith("headstart-")


def test_settings_named_anywhere_exist() -> None:
    texts = [TOP / "docker-compose.yml", *DOCKERFILES, *KUBERNETES.rglob("*.yaml"), TOP / "docs" / "deployment.md"]
    named = {name for path in texts for name in re.findall(r"\bHEADSTART_([A-Z_]+)\b", path.read_text())}
    # The password of compose's own PostgreSQL is no setting of the service.
    assert {name.lower() for name in named} - {"database_password"} <= set(Settings.model_fields)


def test_settings_have_values_that_the_service_takes() -> None:
    given = [environment(stages(path)[-1]) for path in DOCKERFILES]
    given += [service.get("environment", {}) for service in COMPOSE["services"].values()]
    for manifest in [manifest for manifests in RENDERED.values() for manifest in manifests]:
        given.append(manifest.get("data", {}))
        given += [
            {item["name"]: item["value"] for item in container.get("env", ()) if "value" in item}
            for container in containers(manifest)
        ]
    checked = 0
    for variables in given:
        # What compose takes from its own environment is seen with the value that it has by default.
        values = {
            name.removeprefix("HEADSTART_").lower(): re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
            for name, value in variables.items()
            if name.startswith("HEADSTART_")
        }
        checked += len(values)
        Settings(**values)
    assert checked > 20


def test_roles_that_run_exist() -> None:
    compose = {each["command"][0] for each in COMPOSE["services"].values() if ours(each["image"])}
    assert {"migrate", "serve", "predictor", "worker"} <= compose <= ROLES
    for overlay, manifests in RENDERED.items():
        run = [each["args"][0] for manifest in manifests for each in containers(manifest) if ours(each["image"])]
        assert {"migrate", "serve", "worker"} | ({"predictor"} if overlay == "production" else set()) <= set(run)
        assert set(run) <= ROLES


def test_images_carry_a_version_and_ours_carry_this_one() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [
        each["image"] for manifests in RENDERED.values() for manifest in manifests for each in containers(manifest)
    ]
    assert [image for image in images if not re.search(r":v?\d", image)] == []
    built = {f"{path.suffix[1:]}" for path in DOCKERFILES}
    for image in filter(ours, images):
        name, _, tag = image.partition(":")
        assert name.removeprefix("headstart-") in built
        assert tag == VERSION


def test_files_that_dockerfiles_copy_are_in_the_build_context() -> None:
    allowed = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for path in DOCKERFILES:
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE):
            assert set(sources.split()) <= allowed
    assert [name for name in allowed if not (TOP / name).exists()] == []


def test_prometheus_finds_every_role_of_compose_by_its_name_and_port() -> None:
    """Also in Kubernetes the jobs have these names: they are the labels that the monitor takes them from."""
    sought = {
        config["job_name"]: {(name, place["port"]) for place in config["dns_sd_configs"] for name in place["names"]}
        for config in PROMETHEUS["scrape_configs"]
    }
    metrics_port = split_address(Settings().metrics_address)[1]
    long_running = [
        name for name, each in COMPOSE["services"].items() if ours(each["image"]) and each["command"] != ["migrate"]
    ]
    assert {pair for pairs in sought.values() for pair in pairs} == {(name, metrics_port) for name in long_running}
    jobs = {
        manifest["metadata"]["labels"]["app.kubernetes.io/name"]
        for manifest in RENDERED["production"]
        if manifest["kind"] == "Service" and "headstart/metrics" in manifest["metadata"]["labels"]
    }
    assert jobs == set(sought)


def test_alerts_name_jobs_that_prometheus_has() -> None:
    named = re.findall(r'\bjob="([^"]+)"', (TOP / "docker" / "prometheus" / "alerts.yml").read_text())
    assert named
    assert set(named) <= {config["job_name"] for config in PROMETHEUS["scrape_configs"]}


def test_instructions_name_overlays_and_files_that_exist() -> None:
    texts = [TOP / "docs" / "deployment.md", TOP / "docs" / "operations.md", TOP / "README.md"]
    written = "\n".join(path.read_text() for path in texts)
    applied = set(re.findall(r"kubectl apply -k (\S+)", written))
    assert {f"docker/kubernetes/overlays/{overlay}" for overlay in OVERLAYS} <= {path.rstrip("`).") for path in applied}
    for path in re.findall(r"\bdocker/[\w./-]*\w", written):
        assert (TOP / path).exists(), path
