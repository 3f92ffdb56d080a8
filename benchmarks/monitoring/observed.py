"""A service of its own, worker and all, watched by Prometheus while a small search runs on it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import headstart
from benchmarks.monitoring.prometheus import Prometheus, watching
from benchmarks.monitoring.workload import record_past, search
from benchmarks.service import free_port, own_service
from headstart.errors import NotFound

_MODEL_SECONDS = 90.0
# Scrapes, and rules that follow them.
_AFTER_SECONDS = 2.5


@dataclass(frozen=True)
class Observed:
    """``start`` and ``end`` are in seconds since the epoch."""

    prometheus: Prometheus
    address: str
    start: float
    end: float
    rounds: int


@contextmanager
def observed(
    seconds: float, pause: float, say: Callable[[str], None], changes: Mapping[str, str] | None = None
) -> Iterator[Observed]:
    """After a search that ends so many seconds after the first model; ``changes`` are settings (HEADSTART_*).

    Raises RuntimeError without a Prometheus, and where no model comes.
    """
    port = free_port()
    targets = {"headstart-server": [f"127.0.0.1:{port}"], "headstart-worker": [f"127.0.0.1:{port + 1}"]}
    with (
        tempfile.TemporaryDirectory(prefix="headstart-") as directory,
        watching(Path(directory), targets) as prometheus,
        own_service(say, {**(changes or {}), "HEADSTART_METRICS_ADDRESS": f"127.0.0.1:{port}"}) as address,
        headstart.connect(address) as client,
    ):
        start = time.time()
        space = record_past(client)
        say(f"Searching until {seconds:.0f} seconds after the first model")
        rounds = search(client, space, _Until(client, space.search_space_id, seconds), pause)
        time.sleep(_AFTER_SECONDS)
        yield Observed(prometheus, address, start, time.time(), rounds)


class _Until:
    """Whether a search is to end; raises RuntimeError where no model comes."""

    def __init__(self, client: headstart.Client, search_space_id: str, seconds: float) -> None:
        self._client, self._space, self._seconds = client, search_space_id, seconds
        self._begun = time.monotonic()
        self._modelled: float | None = None

    def __call__(self) -> bool:
        now = time.monotonic()
        if self._modelled is None:
            try:
                self._client.get_predictor(self._space)
                self._modelled = now
            except NotFound:
                if now - self._begun > _MODEL_SECONDS:
                    raise RuntimeError(f"no model after {_MODEL_SECONDS:.0f} seconds") from None
                return False
        return now - self._modelled > self._seconds
