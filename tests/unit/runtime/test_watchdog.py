"""A program that runs and does not work is told after some failures in a row, and not before it has ever worked."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex, IndexUnavailable
from headstart_server.runtime import chroma_probe
from headstart_server.runtime.local.watchdog import FAILURES, PROBE_SECONDS, RETRY_SECONDS, WELL_AFTER, Watchdog
from tests.own_chroma import OwnChroma


def watched(answers: list[str | None]) -> Watchdog:
    watchdog = Watchdog("part", lambda: answers.pop(0))
    while answers:
        watchdog.look()
    return watchdog


def test_it_hangs_after_failures_in_a_row() -> None:
    assert watched([None, *["slow"] * (FAILURES - 1)]).hung is None
    assert watched([None, *["slow"] * (FAILURES - 1), None, "slow"]).hung is None
    assert watched([None, *["slow"] * FAILURES]).hung == "slow"


def test_what_has_not_worked_yet_is_left_to_start() -> None:
    assert watched(["away"] * 100).hung is None


def test_restarts_for_hanging_come_ever_later_until_it_is_well() -> None:
    answers: list[str | None] = [None, *["slow"] * FAILURES]
    watchdog = Watchdog("part", lambda: answers.pop(0))
    for _ in range(FAILURES + 1):
        watchdog.look()
    watchdog.restarted(because_hung=True)
    assert watchdog.hung is None
    for well, hangs in ((1, False), (WELL_AFTER, True)):
        answers[:] = [*[None] * well, *["slow"] * FAILURES]
        while answers:
            watchdog.look()
        assert (watchdog.hung is not None) is hangs


def test_probe_of_the_one_before_says_nothing_of_the_next() -> None:
    watchdog = Watchdog("part", lambda: watchdog.restarted(because_hung=False) or "slow")
    for _ in range(2 * FAILURES):
        watchdog.look()
    assert watchdog.hung is None


def test_a_hang_is_noticed_within_the_time_that_is_stated() -> None:
    # Each failed probe may wait for one request.
    assert PROBE_SECONDS + FAILURES * chroma_probe.SECONDS + (FAILURES - 1) * RETRY_SECONDS <= 35


def test_stopped_chroma_that_holds_its_port_does_not_work(tmp_path: Path) -> None:
    chroma = OwnChroma(tmp_path / "chroma")
    chroma.start()
    try:
        index = ArchitectureIndex(chroma.url)
        assert chroma_probe.problem(chroma.url) is None
        index.check()
        os.kill(chroma.pid, signal.SIGSTOP)
        begin = time.monotonic()
        told = chroma_probe.problem(chroma.url, seconds=1)
        assert told is not None
        assert "Timeout" in told
        assert time.monotonic() - begin < 5
        os.kill(chroma.pid, signal.SIGCONT)
        assert chroma_probe.problem(chroma.url, seconds=30) is None
    finally:
        chroma.kill()


def test_chroma_that_answers_and_does_not_write_is_out_of_reach(monkeypatch) -> None:
    """A heartbeat is answered, a write never: as after a full disk."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(ArchitectureIndex, "_hear", lambda self: None)
        monkeypatch.setattr(chroma_probe, "SECONDS", 0.2)
        index = ArchitectureIndex(url)
        index.check()
        with pytest.raises(IndexUnavailable, match="answers and does not work"):
            index.check()
