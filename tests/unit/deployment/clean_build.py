"""Does without an engine what the Dockerfiles say: `make deployment-check` (some minutes; it needs the package index).

The build stage's COPY and RUN lines run in a directory that stands for the image's root, with nothing in the
environment. Then the final stage's user, with its ENV, runs the image's commands against a real PostgreSQL. Not run are
the final stage's RUN lines, which install Debian packages and make the user, and what the base image brings. Started by
root, it runs the commands as the image's user, who must be able to reach the Python that --python names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from headstart_server.runtime.local.child import running_postgres
from headstart_server.runtime.local.databases import EmbeddedPostgres
from tests.unit.deployment.dockerfiles import DOCKERFILES, TOP, Instruction, environment, health_command, of, stages

USER = 10001
# Directories of the image that are made anew below the stand-in for its root.
MOVED = ("/source", "/opt/headstart")


class Image:
    def __init__(self, dockerfile: Path, root: Path, python: str, pip_options: str) -> None:
        self.build, self.final = stages(dockerfile)
        self.root = root
        self._pip_options = pip_options
        self._base_python = python
        self._python = root / "python"

    def run_build_stage(self) -> None:
        # What the base image has: a Python with pip, of which nothing else is used.
        subprocess.run([self._base_python, "-m", "venv", self._python], check=True)
        variables = {"PATH": f"{self._python / 'bin'}:/usr/bin:/bin", "PIP_OPTIONS": self._pip_options}
        variables |= environment(self.build)
        directory = self.root
        for instruction in self.build:
            if instruction.name == "WORKDIR":
                directory = Path(self.moved(instruction.value))
                directory.mkdir(parents=True)
            elif instruction.name == "COPY":
                copy(instruction, directory)
            elif instruction.name == "RUN":
                subprocess.run(["sh", "-ec", self.moved(instruction.value)], cwd=directory, env=variables, check=True)

    def run(self, *command: str, **further: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._variables(**further),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            **self._as(),
        )

    def start(self, *command: str, **further: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=self._variables(**further), **self._as())

    def moved(self, text: str) -> str:
        for path in MOVED:
            text = text.replace(path, f"{self.root}{path}")
        return text

    def _variables(self, **further: str) -> dict[str, str]:
        base = "/usr/bin:/bin"
        return {
            name: self.moved(value).replace("$PATH", base) for name, value in environment(self.final).items()
        } | further

    def _as(self) -> dict[str, object]:
        """Nothing but /tmp can be written by the image's user. Only root can become another user."""
        identity = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": "/", **identity}


def copy(instruction: Instruction, directory: Path) -> None:
    *sources, target = instruction.value.split()
    for source in sources:
        if (TOP / source).is_dir():
            shutil.copytree(TOP / source, directory / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(TOP / source, directory / target)


def expect(done: subprocess.CompletedProcess[str], code: int, words: str = "") -> None:
    output = done.stdout + done.stderr
    if done.returncode != code or words not in output:
        sys.exit(f"{done.args}: exit code {done.returncode}, expected {code} and {words!r}:\n{output}")
    print(f"  {' '.join(Path(word).name for word in done.args)}: {output.strip().splitlines()[-1] if output else code}")


def check_server(image: Image, directory: Path) -> None:
    program = image.moved("/opt/headstart/bin/headstart-server")
    python = image.moved("/opt/headstart/bin/python")
    expect(image.run(python, "-m", "pip", "--version"), 1, "No module named pip")
    module = "headstart_server.prediction.graph.message_passing"
    kernels = f"from {module} import load_kernels as k; print(type(k('dgl')).__name__)"
    expect(image.run(python, "-c", kernels), 0, "DglKernels")
    (command,) = (item.words() for item in of(image.final, "CMD"))
    check = [program, *(health_command(image.final) or [])[1:]]
    address = {"HEADSTART_GRPC_ADDRESS": "0.0.0.0:50971", "HEADSTART_METRICS_ADDRESS": "127.0.0.1:9971"}
    expect(image.run(*check, **address), 1, "UNAVAILABLE")
    server = EmbeddedPostgres(directory / "postgresql")
    server.prepare()
    with running_postgres(server, directory / "postgresql.log"):
        server.ensure_database()
        # The socket lies in it, and the image's user must pass; PostgreSQL looks at the mode when it starts only.
        server.directory.chmod(0o711)
        settings = {"HEADSTART_DATABASE_URL": server.url(), "HEADSTART_INSECURE": "true", "HEADSTART_DEVICE": "cpu"}
        settings |= address
        expect(image.run(program, *command, **settings), 2, "headstart-server migrate")
        expect(image.run(program, "migrate", **settings), 0, "schema revision")
        print(f"  {Path(program).name} {command[0]} ...")
        role = image.start(program, *command, **settings)
        try:
            until = time.monotonic() + 120
            while (done := image.run(*check, **settings)).returncode and time.monotonic() < until:
                time.sleep(0.5)
            expect(done, 0, "SERVING")
        finally:
            role.terminate()
            role.wait(30)
        expect(image.run(program, "worker", "--once", **settings), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="what stands for the base image's")
    parser.add_argument("--pip-options", default="", help="in the place of the build argument PIP_OPTIONS")
    given = parser.parse_args()
    for dockerfile in DOCKERFILES:
        with tempfile.TemporaryDirectory(prefix="headstart-image-") as name:
            directory = Path(name)
            directory.chmod(0o711)
            image = Image(dockerfile, directory / "root", given.python, given.pip_options)
            image.root.mkdir()
            begin = time.monotonic()
            print(f"{dockerfile.name}: the build stage")
            image.run_build_stage()
            print(f"{dockerfile.name}: built in {time.monotonic() - begin:.0f} s")
            if health_command(image.final) is None:
                expect(image.run(image.moved("/opt/headstart/bin/headstart"), "--help"), 0, "Usage")
            else:
                check_server(image, directory)
    print("The Dockerfiles' build stages build, and their commands run")


if __name__ == "__main__":
    main()
