"""``headstart-server up`` on a data directory: everything serves, whoever dies comes back, and nothing is lost."""

from __future__ import annotations

import os
import pwd
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

import headstart
from benchmarks.service import free_port
from headstart.spaces import nas_bench_201, sample
from headstart.v1 import knowledge_base_service_pb2 as knowledge
from headstart.v1 import task_pb2
from headstart.v1.knowledge_base_service_pb2_grpc import KnowledgeBaseServiceStub
from headstart.values import ArchitectureMatches
from headstart_server.roles.supervisor import other_logins, server_answers
from headstart_server.runtime import chroma_probe
from headstart_server.runtime.local.watchdog import PROBE_SECONDS
from tests.waiting import wait_until

STOP_SECONDS = 15
SPACE = nas_bench_201()
CANDIDATE = sample(SPACE, random.Random(0))
pytestmark = pytest.mark.timeout(240)


class Up:
    """The command in a process group of its own, as a terminal runs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = f"127.0.0.1:{free_port()}"
        self.output = directory.with_suffix(".output")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {"HEADSTART_GRPC_ADDRESS": self.address, "HEADSTART_METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "headstart_server", "up", "--data-directory", str(self.directory)],
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(lambda: "stops it" in self.text() or self._process.poll() is not None, 150)  # type: ignore[union-attr]
        assert self._process.poll() is None, self.text()
        assert server_answers(self.address)

    def text(self) -> str:
        return self.output.read_text()

    def children(self) -> dict[str, psutil.Process]:
        """By a word of their command lines."""
        assert self._process is not None
        words = {"postgresql": "postgres", "chroma": "chromadb.cli", "serve": " serve", "worker": " worker"}
        found = {}
        for child in psutil.Process(self._process.pid).children():
            try:
                command = " ".join(child.cmdline())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            for name, word in words.items():
                if word in command.replace(str(self.directory), ""):
                    found.setdefault(name, child)
        return found

    def interrupt(self) -> float:
        """Ctrl-C: the signal goes to the whole process group. Seconds until it had ended."""
        assert self._process is not None
        begin = time.monotonic()
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)
        return time.monotonic() - begin

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def exit_code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()


def made_up() -> Iterator[Up]:
    with tempfile.TemporaryDirectory(prefix="headstart-") as directory:
        private = Path(directory) / "private"
        private.mkdir(mode=0o700)
        up = Up(private / "data")
        up.start()
        yield up
        if up.exit_code() is None:
            up.interrupt()


up = pytest.fixture(made_up, name="up")
# For tests that leave it running.
steady_up = pytest.fixture(made_up, name="steady_up", scope="module")


def create_task(up: Up, task_id: str) -> None:
    task = task_pb2.Task(
        task_id=task_id,
        objective=task_pb2.Objective(metric="accuracy", direction=task_pb2.DIRECTION_MAXIMIZE),
        fidelity_unit="epochs",
        max_fidelity=10,
    )
    with grpc.insecure_channel(up.address) as channel:
        request = knowledge.CreateTaskRequest(request_id=str(uuid.uuid4()), task=task)
        KnowledgeBaseServiceStub(channel).CreateTask(request, timeout=10)


def task_ids(up: Up) -> set[str]:
    with grpc.insecure_channel(up.address) as channel:
        answer = KnowledgeBaseServiceStub(channel).ListTasks(knowledge.ListTasksRequest(), timeout=10)
    return {task.task_id for task in answer.tasks}


def answers(up: Up) -> bool:
    try:
        return bool(task_ids(up))
    except grpc.RpcError:
        return False


def test_interrupt_ends_everything_in_time_and_the_next_start_has_it_all(up: Up) -> None:
    create_task(up, "kept")
    children = up.children()
    assert set(children) == {"postgresql", "chroma", "serve", "worker"}
    assert up.interrupt() < STOP_SECONDS
    assert up.exit_code() == 0
    assert all(ended_or_gone(child) for child in children.values())
    logs = "".join(path.read_text() for path in (up.directory / "logs").glob("*.log"))
    assert "Traceback" not in up.text() + logs
    assert "was killed" not in up.text()
    up.start()
    assert task_ids(up) == {"kept"}


@pytest.mark.parametrize("name", ["postgresql", "chroma", "serve", "worker"])
def test_killed_child_comes_back_and_nothing_is_lost(steady_up: Up, name: str) -> None:
    create_task(steady_up, f"kept-{name}")
    wait_until(lambda: name in steady_up.children(), 30, f"the start of {name}")
    victim = steady_up.children()[name]
    victim.kill()

    def replaced() -> bool:
        present = steady_up.children()
        return name in present and present[name].pid != victim.pid

    wait_until(replaced, 60, f"{name}'s return")
    wait_until(lambda: answers(steady_up), 100, "an answer")
    assert f"kept-{name}" in task_ids(steady_up)


def test_chroma_that_runs_and_does_not_work_is_started_again(steady_up: Up) -> None:
    url = f"http://127.0.0.1:{(steady_up.directory / 'chroma' / 'port').read_text().strip()}"
    # It is watched from the first time that it has worked.
    wait_until(lambda: chroma_probe.problem(url) is None, 60, "Chroma's work")
    time.sleep(PROBE_SECONDS + 1)
    stopped = steady_up.children()["chroma"]
    stopped.suspend()
    begin = time.monotonic()
    wait_until(lambda: "chroma runs and does not work" in steady_up.text(), 60, "noticing it")
    assert time.monotonic() - begin < 40
    wait_until(lambda: chroma_probe.problem(url) is None, 60, "Chroma's return")
    assert steady_up.children()["chroma"].pid != stopped.pid
    record_some(steady_up)
    wait_until(lambda: not searched(steady_up).degraded and bool(searched(steady_up).matches), 60, "a delivery")


def record_some(up: Up) -> None:
    with headstart.connect(up.address, timeout=30) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("delivered", headstart.Objective("accuracy")))
        client.record("delivered", SPACE.search_space_id, CANDIDATE, headstart.completed(0.5))


def searched(up: Up) -> ArchitectureMatches:
    with headstart.connect(up.address, timeout=30) as client:
        return client.search_architectures(SPACE.search_space_id, CANDIDATE)


def test_supervisor_that_is_killed_takes_all_but_postgresql_along_and_the_next_one_goes_on(up: Up) -> None:
    create_task(up, "kept")
    # The worker is the last to come: a child has its own command line only when it has begun.
    wait_until(lambda: len(up.children()) == 4, 30, "the start of all children")
    children = up.children()
    up.kill()
    wait_until(lambda: not any(ended_or_gone(children[name]) is False for name in ("chroma", "serve", "worker")), 10)
    assert ended_or_gone(children["postgresql"]) is False
    up.start()
    assert task_ids(up) == {"kept"}
    assert up.interrupt() < STOP_SECONDS
    wait_until(lambda: ended_or_gone(children["postgresql"]), 10)


def test_second_one_on_the_same_directory_is_refused_in_one_line(steady_up: Up) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "headstart_server", "up", "--data-directory", str(steady_up.directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode == 2
    assert "Another `headstart-server up`" in second.stderr
    assert second.stderr.count("\n") == 1


def test_private_directory_above_lets_nobody_look_inside(steady_up: Up) -> None:
    # Where PostgreSQL runs as a user of its own, that one may pass.
    expected = 0o001 if os.geteuid() == 0 else 0
    assert steady_up.directory.parent.stat().st_mode & 0o077 == expected


def test_other_users_of_the_machine_can_read_no_file(steady_up: Up) -> None:
    directory = steady_up.directory
    assert [stat.S_IMODE((directory / name).stat().st_mode) for name in ("logs", "chroma")] == [0o700, 0o700]
    files = [each for name in ("logs", "chroma") for each in (directory / name).rglob("*")]
    assert any(each.name == "chroma.sqlite3" for each in files)
    assert [each for each in files if each.stat().st_mode & 0o077] == []
    socket = next((directory / "postgresql").glob(".s.PGSQL.*[0-9]"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    rules = [line.split() for line in (directory / "postgresql" / "pg_hba.conf").read_text().splitlines()]
    assert {rule[-1] for rule in rules if rule and rule[0] == "host"} == {"reject"}


def test_other_logins_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(name: str, number: int, shell: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", number, number, "", "/", shell))

    people = [entry("root", 0, "/bin/bash"), entry("nobody", 65534, "/usr/sbin/nologin"), entry("me", 1000, "/bin/sh")]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(pwd, "getpwall", lambda: people)
    assert other_logins() == []
    people.extend(entry(f"user{number}", 1001 + number, "/bin/bash") for number in range(5))
    assert other_logins() == ["user0", "user1", "user2", "..."]


def ended_or_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
