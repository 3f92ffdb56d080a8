"""The Dockerfiles pass the linter, make small images without privileges, and run commands that exist."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from headstart_server.runtime.settings import Settings, split_address
from tests.unit.deployment.dockerfiles import DOCKERFILES, TOP, environment, health_command, of, stages

SERVERS = [path for path in DOCKERFILES if path.suffix != ".client"]
each_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.suffix[1:])
each_server = pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.suffix[1:])


def run(*command: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # The package that is tested, wherever it lies; of the environment nothing else.
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return subprocess.run(
        command, env=kept | variables, cwd=directory, capture_output=True, text=True, check=False, timeout=60
    )


def script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


@each_dockerfile
def test_the_linter_finds_nothing(path: Path) -> None:
    done = subprocess.run([script("hadolint"), "--no-color", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp && pip install x\n")
    done = subprocess.run([script("hadolint"), tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 1


@each_dockerfile
def test_the_final_stage_runs_as_a_user_by_number_and_takes_the_built_environment_only(path: Path) -> None:
    build, final = stages(path)
    # Kubernetes' runAsNonRoot cannot judge a name.
    assert [item.value for item in of(final, "USER")] == ["10001"]
    assert [item.value for item in of(final, "COPY")] == ["--from=build /opt/headstart /opt/headstart"]
    assert "pip install" not in " ".join(item.value for item in of(final, "RUN"))
    assert final[0].value == build[0].value.removesuffix(" AS build")


@each_server
def test_no_installer_stays_in_images_of_the_service(path: Path) -> None:
    build, final = stages(path)
    assert "venv --without-pip /opt/headstart" in " ".join(item.value for item in of(build, "RUN"))
    assert "pip uninstall --yes --root-user-action=ignore setuptools wheel pip" in of(final, "RUN")[0].value


@each_server
def test_only_tmp_is_written_to(path: Path) -> None:
    variables = environment(stages(path)[-1])
    assert variables["HOME"] == "/tmp"
    assert variables["DGLDEFAULTDIR"].startswith("/tmp/")
    assert of(stages(path)[-1], "VOLUME") == []


@each_server
def test_ports_are_those_that_the_settings_open(path: Path) -> None:
    final = stages(path)[-1]
    variables = environment(final)
    ports = [split_address(variables[f"HEADSTART_{name}_ADDRESS"])[1] for name in ("GRPC", "METRICS")]
    assert [item.value for item in of(final, "EXPOSE")] == [f"{ports[0]} {ports[1]}"]
    assert ports == [split_address(Settings().grpc_address)[1], split_address(Settings().metrics_address)[1]]


def test_images_of_the_service_differ_by_torch_device_and_role() -> None:
    (server, server_final), (predictor, predictor_final) = (
        stages(TOP / "docker" / f"Dockerfile.{name}")
        for name in (
            "server",
            "predictor",
        )
    )
    assert [item for item in server if item.name != "ARG"] == [item for item in predictor if item.name != "ARG"]
    (argument,) = of(server, "ARG")
    # The package index's own torch is that for CUDA.
    assert argument.variables()["PIP_OPTIONS"].startswith("--extra-index-url ")
    assert [item.variables() for item in of(predictor, "ARG")] == [{"PIP_OPTIONS": ""}]
    added = dict(environment(predictor_final).items() - environment(server_final).items())
    assert added.pop("HEADSTART_DEVICE") == "cuda"
    assert all(name.startswith("NVIDIA_") for name in added)
    assert {item.name for item in server_final if item not in predictor_final} == {"ENV", "CMD"}


@each_server
def test_requirements_are_those_of_the_project(path: Path, tmp_path: Path) -> None:
    """The part of the build stage that is Python, run as the shell runs it."""
    first, second = of(stages(path)[0], "RUN")
    command = first.value.split("&&")[0]
    assert command.strip().startswith("python -c ")
    (tmp_path / "pyproject.toml").write_text((TOP / "pyproject.toml").read_text())
    search = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = run("sh", "-ec", command, directory=tmp_path, PATH=search)
    assert done.returncode == 0, done.stderr
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    written = (tmp_path / "requirements.txt").read_text().splitlines()
    extras = project["optional-dependencies"]
    assert written == project["dependencies"] + extras["server"] + extras["otel"]
    for line in (first.value, second.value):
        for part in line.split("&&"):
            assert_python_command(shlex.split(part.split(">")[0]), tmp_path)


def assert_python_command(words: list[str], directory: Path) -> None:
    """A module that is run exists and takes the options that it is given."""
    assert words[0] == "python"
    if words[1] != "-m":
        return
    module = words[2]
    help_of = {"pip": ["install", "--help"], "venv": ["--help"]}[module]
    text = run(sys.executable, "-m", module, *help_of, directory=directory).stdout
    for option in words[3:]:
        if option.startswith("-"):
            assert option in text


@each_server
def test_the_health_check_says_that_nobody_serves(path: Path, tmp_path: Path) -> None:
    """The real command with the image's own variables, on a port that nobody holds."""
    final = stages(path)[-1]
    program, *arguments = health_command(final) or []
    variables = {name: value for name, value in environment(final).items() if name.startswith("HEADSTART_")}
    assert variables["HEADSTART_GRPC_ADDRESS"] == "0.0.0.0:50051"
    variables["HEADSTART_GRPC_ADDRESS"] = "0.0.0.0:1"
    done = run(script(program), *arguments, directory=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (1, "UNAVAILABLE\n")


@each_dockerfile
def test_the_images_command_starts(path: Path, tmp_path: Path) -> None:
    final = stages(path)[-1]
    (entry,) = (item.words() for item in of(final, "ENTRYPOINT"))
    command = [word for item in of(final, "CMD") for word in item.words()]
    done = run(script(entry[0]), *entry[1:], *command, "--help", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
