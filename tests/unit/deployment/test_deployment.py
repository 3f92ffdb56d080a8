"""Compose and Kubernetes files hold together, and speak of settings, commands and files that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from headstart_server.cli import app
from headstart_server.runtime.settings import Settings

TOP = Path(__file__).parents[3]
KUBERNETES = TOP / "docker" / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text())
OBJECTS: list[dict[str, Any]] = [
    item
    for name in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    for item in yaml.safe_load_all((KUBERNETES / name).read_text())
]
ROLES = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def pods() -> dict[str, dict[str, Any]]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]
        for item in OBJECTS
        if item["kind"] in ("Deployment", "Job", "StatefulSet")
    }


def headstart_containers() -> list[dict[str, Any]]:
    containers = [container for pod in pods().values() for container in pod["spec"]["containers"]]
    return [container for container in containers if container["image"] == "headstart-server"]


def test_settings_named_anywhere_exist() -> None:
    texts = [TOP / "docker-compose.yml", *(TOP / "docker").rglob("Dockerfile.*"), *KUBERNETES.glob("*.yaml")]
    named = {name for path in texts for name in re.findall(r"\bHEADSTART_([A-Z_]+)\b", path.read_text())}
    # The password of compose's own PostgreSQL is no setting of the service.
    assert {name.lower() for name in named} - {"database_password"} <= set(Settings.model_fields)


def test_compose_runs_roles_that_exist() -> None:
    services = COMPOSE["services"]
    run = {service["command"][0] for service in services.values() if service["image"] == "headstart-server"}
    assert {"migrate", "serve", "worker"} <= run <= ROLES


def test_compose_dependencies_volumes_and_files_exist() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (TOP / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        if "build" in service:
            assert (TOP / service["build"]["dockerfile"]).is_file()


def test_compose_publishes_on_the_loopback_only() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_carry_a_version() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [container["image"] for pod in pods().values() for container in pod["spec"]["containers"]]
    assert [image for image in images if image != "headstart-server" and not re.search(r":v?\d", image)] == []


def test_files_that_dockerfiles_copy_are_in_the_build_context() -> None:
    allowed = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for path in (TOP / "docker").glob("Dockerfile.*"):
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE):
            assert set(sources.split()) <= allowed
    assert [name for name in allowed if not (TOP / name).exists()] == []


def test_kubernetes_runs_roles_that_exist() -> None:
    run = {container["args"][0] for container in headstart_containers()}
    assert {"migrate", "serve", "worker"} <= run <= ROLES


def test_kubernetes_selectors_find_their_pods() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    for item in OBJECTS:
        selector = item["spec"].get("selector") if "spec" in item else None
        if selector is None:
            continue
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= found.items() for found in labels), item["metadata"]["name"]


def test_kubernetes_network_policies_find_their_pods() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    policies = [item for item in OBJECTS if item["kind"] == "NetworkPolicy"]
    assert policies
    for policy in policies:
        wanted = policy["spec"]["podSelector"]["matchLabels"]
        assert any(wanted.items() <= found.items() for found in labels)


@pytest.mark.parametrize("container", headstart_containers(), ids=lambda container: container["name"])
def test_kubernetes_roles_run_without_privileges(container: dict[str, Any]) -> None:
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_kubernetes_server_is_ready_when_its_health_service_says_so() -> None:
    server = next(container for container in headstart_containers() if container["name"] == "server")
    assert server["readinessProbe"]["grpc"]["port"] == 50051
    headless = next(item for item in OBJECTS if item["kind"] == "Service" and item["metadata"]["name"] == "headstart")
    assert headless["spec"]["clusterIP"] == "None"
