"""A Chroma that a test may end, empty and start again."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedChroma
from tests.waiting import wait_until


class OwnChroma:
    """A Chroma of a test's own, that can be killed, emptied and started again on its port."""

    def __init__(self, directory: Path) -> None:
        self._server = EmbeddedChroma(directory)
        self._server.prepare()
        self._child = Child(
            Program(name="chroma", command=lambda: self._server.command(sys.executable), log=directory / "log")
        )
        self.url = self._server.url()

    def start(self) -> None:
        self._child.start()
        wait_until(self._server.ready, what="Chroma's start")

    @property
    def pid(self) -> int:
        assert self._child.pid is not None
        return self._child.pid

    def stop(self) -> None:
        self._child.stop()

    def kill(self) -> None:
        self._child.kill()

    def empty(self) -> None:
        shutil.rmtree(self._server.directory)
        self._server.directory.mkdir()
