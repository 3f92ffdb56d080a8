"""docker-compose.yml is one by the Compose specification, and its parts fit."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.unit.deployment.dockerfiles import TOP

TEXT = (TOP / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("headstart-")}


def parsed(compose: dict[str, Any]) -> PyCompose:
    """Raises ValueError. YAML's merge keys are resolved before, as Compose does it."""
    return PyCompose.from_yaml(yaml.safe_dump(compose))


def test_the_file_follows_the_specification() -> None:
    assert set(parsed(COMPOSE).service_names()) == set(SERVICES)


@pytest.mark.parametrize(
    ("written", "instead"),
    [("read_only", "readonly"), ("service_healthy", "service_well"), ("interval: 2s", "interval: soon")],
)
def test_a_slip_would_be_found(written: str, instead: str) -> None:
    with pytest.raises(ValueError):
        parsed(yaml.safe_load(TEXT.replace(written, instead)))


def test_dependencies_volumes_and_files_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (TOP / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        if "build" in service:
            assert (TOP / service["build"]["dockerfile"]).is_file()


def test_every_image_of_ours_is_built_by_one_service() -> None:
    built = [service["image"] for service in OURS.values() if "build" in service]
    assert sorted(built) == sorted({service["image"] for service in OURS.values()})


def test_tables_are_there_before_any_role_starts() -> None:
    assert SERVICES["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    for name in OURS.keys() - {"migrate"}:
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_ports_are_published_on_the_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    for port in published:
        host = port["host_ip"] if isinstance(port, dict) else port.split(":")[0]
        assert host == "127.0.0.1"


def test_there_are_ports_for_more_replicas_than_there_are() -> None:
    (port,) = SERVICES["server"]["ports"]
    first, last = map(int, port["published"].split("-"))
    assert 2 == SERVICES["server"]["deploy"]["replicas"] <= last - first + 1


def test_our_processes_are_confined() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_roles_that_serve_calls_keep_the_health_check_of_the_image() -> None:
    unchecked = {name for name, service in OURS.items() if service.get("healthcheck") == {"disable": True}}
    assert unchecked == {name for name, service in OURS.items() if service["command"][0] in ("migrate", "worker")}


def test_the_gpu_is_asked_for_in_its_profile_only() -> None:
    asking = {name for name, service in SERVICES.items() if "resources" in service.get("deploy", {})}
    assert asking == {name for name, service in SERVICES.items() if service.get("profiles") == ["gpu"]} != set()


def test_servers_ask_the_predictor() -> None:
    target = SERVICES["server"]["environment"]["HEADSTART_PREDICTOR_TARGET"]
    assert target == "${HEADSTART_PREDICTOR_TARGET:-predictor:50051}"
    assert [name for name, service in OURS.items() if "HEADSTART_PREDICTOR_TARGET" in service["environment"]] == [
        "server"
    ]


def test_a_password_of_any_characters_is_no_part_of_a_url() -> None:
    for service in OURS.values():
        environment = service["environment"]
        assert "PASSWORD" not in environment["HEADSTART_DATABASE_URL"]
        assert environment["PGPASSWORD"] == SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"]
