"""The ``headstart`` command as a process of its own: pipes, terminals, signals, and what is not installed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.spaces import mlp_classifier, sample

COMMAND = (sys.executable, "-m", "headstart.cli")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


@pytest.fixture
def names(shared_service: Any, unique_id: Callable[[str], str]) -> tuple[str, str]:
    """A task and a space with 200 results, of which some failed."""
    task_id, space_id = unique_id("digits"), unique_id("mlp")
    space = replace(mlp_classifier(), search_space_id=space_id)
    generator = random.Random(0)
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(space)
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy"), "long description " * 20))
        client.record_many(
            headstart.Record(
                task_id,
                space_id,
                sample(space, generator),
                headstart.completed(index / 200)
                if index % 10
                else headstart.Outcome(headstart.ExperimentStatus.FAILED),
            )
            for index in range(200)
        )
    return task_id, space_id


def in_terminal(*arguments: str, columns: int, **environment: str) -> str:
    """What the command shows in a terminal of that width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    settings = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**settings, "TERM": "xterm-256color", **environment},
    )
    os.close(follower)
    told = b""
    while True:
        try:
            read = os.read(leader, 65536)
        except OSError as error:
            # Linux ends a terminal nobody holds any more with an error.
            assert error.errno == errno.EIO
            break
        if not read:
            break
        told += read
    os.close(leader)
    assert process.wait(timeout=30) == 0, told
    return told.decode()


def test_in_a_terminal_every_row_is_one_line_that_fits(shared_service: Any, names: tuple[str, str]) -> None:
    arguments = ("--address", shared_service.address, "experiments", *names, "--limit", "200")
    told = in_terminal(*arguments, columns=80)
    assert COLOUR.search(told)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told).replace("\r\n", "\n").splitlines()
    assert len(plain) == 201 and max(map(len, plain)) <= 80
    assert all("completed" in line or "failed" in line for line in plain[1:])
    wide = re.sub(r"\x1b\[[0-9;]*m", "", in_terminal(*arguments, columns=200))
    assert "weight_decay=" in wide and "weight_decay=" not in "".join(plain)


def test_an_import_shows_how_far_it_is(shared_service: Any, unique_id: Callable[[str], str], tmp_path: Path) -> None:
    task_id, runs, mapping = unique_id("table"), tmp_path / "runs.csv", tmp_path / "mapping.toml"
    mapping.write_text(
        f'[task]\nid = "{task_id}"\ndirection = "maximize"\n[space]\nid = "{task_id}"\n'
        '[columns]\nparameters = ["layers"]\nobjective = "accuracy"\n'
    )
    runs.write_text("layers,accuracy\n" + "".join(f"{index % 9},0.{index}\n" for index in range(2, 1002)))
    arguments = ("--address", shared_service.address, "import", "csv", str(runs), "--mapping", str(mapping))
    told = in_terminal(*arguments, columns=80)
    assert "importing" in told and "1000/1000" in told and "1000 read: 1000 recorded" in told
    again = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True, timeout=30)
    assert again.stderr == "" and again.stdout.startswith("1000 read: 0 recorded, 1000 known before, 0 skipped\n")


def test_no_colour_where_nobody_wants_it(shared_service: Any, names: tuple[str, str]) -> None:
    arguments = ("--address", shared_service.address, "experiments", *names)
    assert not COLOUR.search(in_terminal(*arguments, columns=80, NO_COLOR="1"))
    piped = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "\x1b" not in piped and "weight_decay=" in piped
    assert all(line == line.rstrip() for line in piped.splitlines())


def test_a_reader_that_has_seen_enough_is_no_error(shared_service: Any, names: tuple[str, str]) -> None:
    for arguments in (("task", names[0]), ("experiments", names[0]), ("experiments", names[0], "--json")):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*COMMAND, "--address", shared_service.address, *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
        os.close(writer)
        assert done.returncode == 0 and "Broken" not in done.stderr and "Traceback" not in done.stderr


def test_an_interrupt_is_exit_code_130() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*COMMAND, "--address", address, "tasks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        # It has come as far as the call when it connects.
        silent.settimeout(20)
        connection, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        told, problem = process.communicate(timeout=20)
        connection.close()
    assert (process.returncode, told, problem) == (130, "", "")


def test_settings_of_the_environment(shared_service: Any, names: tuple[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "task", names[0], "--json"],
        env={**os.environ, "HEADSTART_ADDRESS": shared_service.address},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert json.loads(done.stdout)["task_id"] == names[0] and done.stderr == ""


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where a package is not installed."""
    code = f"import sys; sys.modules[{module!r}] = None; from headstart.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(module: str) -> None:
    for arguments in ((), ("--help",), ("tasks",)):
        done = without(module, *arguments)
        told = "headstart: the command needs more than the client: pip install 'headstart[cli]'\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


def test_the_command_alone_needs_no_heavy_package() -> None:
    code = (
        "import sys; from headstart.cli import main; main(['--version']); "
        "print(*[name for name in ('numpy', 'matplotlib', 'pyarrow', 'optuna', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[0].startswith("headstart 0.") and done.stdout.splitlines()[1:] == [""]
