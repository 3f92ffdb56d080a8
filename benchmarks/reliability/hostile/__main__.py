"""One hostile caller beside an ordinary one: what the ordinary one notices.

    python -m benchmarks.reliability.hostile [--quick] [--only WORD ...]

A service with tokens is started for each attack. Another tenant asks ordinary questions all the while, and its calls
are timed before and during the attack; the memory and the processor time of the server process are watched.

Single requests of at most 8 MiB (``costly.py``) have ten seconds: they may hold others up by 200 ms at the 95th
percentile, work on for 100 ms after their end, and cost 256 MiB. Strangers without a token send 8 MiB each, sixteen at
a time. One tenant with twenty callers, or 256 idle streams, may not slow others to twice their time. A stream ends
within ten seconds of its token's end, and keeps to the quota. Writes benchmarks/results/hostile.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from sqlalchemy import Engine, create_engine

import headstart
from benchmarks.reliability.hostile import costly, crowds
from benchmarks.reliability.hostile.watched import ORDINARY, Answers, Cost, ordinary_caller, watching
from benchmarks.report import RESULTS, write_json
from benchmarks.rows import Row, print_rows, row_figures
from benchmarks.service import ServiceProblem, own_service
from headstart.errors import HeadstartError
from headstart_server.access.quotas import Quota, set_quota
from headstart_server.access.roles import Role
from headstart_server.access.tokens import create_token
from headstart_server.runtime.local.databases import EmbeddedPostgres

DEADLINE_SECONDS = 10.0
QUIET_SECONDS = 5.0
HELD_UP_MS, OVERTIME_MS, MEMORY_MIB, TIMES = 200.0, 100.0, 256.0, 2.0
STREAM_END_SECONDS = 10.0
# What sixteen strangers may cost: a message of each, as it lies in the buffers of the transport.
STRANGERS_MIB = crowds.STRANGERS * costly.LARGEST / 2**20
_QUICK = ("a million statuses", "four million empty queries", "8 MiB that are no message")


@dataclass(frozen=True)
class Service:
    """``hostile`` and ``ordinary``: tokens of two tenants."""

    address: str
    hostile: str
    ordinary: str
    engine: Engine
    server: psutil.Process


@contextmanager
def service() -> Iterator[Service]:
    """A new one, where each tenant has what its calls need, and has been called once."""
    with tempfile.TemporaryDirectory(prefix="headstart-", dir="/tmp" if Path("/tmp").is_dir() else None) as directory:
        Path(directory).chmod(0o711)
        data = Path(directory) / "data"
        changes = {"HEADSTART_DATA_DIRECTORY": str(data), "HEADSTART_LOG_LEVEL": "ERROR"}
        with own_service(lambda _: None, {**changes, "HEADSTART_AUTHENTICATION": "token"}) as address:
            engine = create_engine(EmbeddedPostgres(data / "postgresql").url())
            with engine.begin() as connection:
                hostile, ordinary = (
                    create_token(connection, name, "", Role.WRITER, None, "benchmark")[1]
                    for name in ("hostile", "ordinary")
                )
            with headstart.connect(address, token=hostile) as client:
                costly.prepare(client)
            with headstart.connect(address, token=ordinary) as client:
                client.create_search_space(costly.CELLS)
                client.create_task(headstart.Task(ORDINARY, headstart.Objective("accuracy")))
            yield Service(address, hostile, ordinary, engine, _server_process())
            engine.dispose()


def _server_process() -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        if child.cmdline()[-1:] == ["serve"]:
            return child
    raise ServiceProblem("there is no server process")


@contextmanager
def beside(own: Service) -> Iterator[tuple[Answers, Answers]]:
    """Answers of the ordinary caller before and during the block; the latter are there after it."""
    with ordinary_caller(own.address, own.ordinary):
        # The first questions load what later ones find loaded.
        time.sleep(QUIET_SECONDS)
    with ordinary_caller(own.address, own.ordinary) as before:
        time.sleep(QUIET_SECONDS)
    during = Answers()
    with ordinary_caller(own.address, own.ordinary) as asked:
        yield before, during
    during.milliseconds, during.failed = asked.milliseconds, asked.failed


def single_request(request: costly.Costly) -> tuple[list[Row], dict[str, Any]]:
    with service() as own, beside(own) as (before, during), watching(own.server) as cost:
        start = time.monotonic()
        status = crowds.send(own.address, request.method, request.message, crowds.bearer(own.hostile), DEADLINE_SECONDS)
        seconds = time.monotonic() - start
    rows = [
        Row(f"{request.what}: others held up, p95", during.p95 - before.p95, "ms", HELD_UP_MS, True),
        Row(f"{request.what}: work after its end", cost.overtime, "ms", OVERTIME_MS, True),
        Row(f"{request.what}: memory", cost.memory, "MiB", MEMORY_MIB, True),
        Row(f"{request.what}: calls of others that failed", during.failed, "", 0, True),
    ]
    return rows, {"status": status.name, "seconds": seconds, **_told(before, during, cost)}


def without_token() -> tuple[list[Row], dict[str, Any]]:
    rows, told = [], {}
    for what, message in (("empty parts", costly.empty_queries()), ("no message", costly.unreadable())):
        with (
            service() as own,
            crowds.elsewhere() as process,
            beside(own) as (before, during),
            watching(own.server) as cost,
        ):
            method = "/headstart.v1.MetaLearningService/PredictPerformance"
            statuses = process.submit(crowds.strangers, own.address, method, message, DEADLINE_SECONDS).result()
        name = f"{crowds.STRANGERS} strangers, {what}"
        rows += [
            Row(f"{name}: memory", cost.memory, "MiB", STRANGERS_MIB, True),
            Row(f"{name}: others / alone, p95", during.p95 / before.p95, "x", TIMES, True),
            Row(f"{name}: calls of others that failed", during.failed, "", 0, True),
        ]
        counted = {status.name: statuses.count(status) for status in set(statuses)}
        told[name] = {"statuses": counted, **_told(before, during, cost)}
    return rows, told


def crowd() -> tuple[list[Row], dict[str, Any]]:
    with service() as own, crowds.elsewhere() as process, beside(own) as (before, during), watching(own.server) as cost:
        given = process.submit(crowds.crowd, own.address, own.hostile, DEADLINE_SECONDS).result()
    name = f"{crowds.CALLERS} callers of one tenant, 4,096 candidates each"
    return [
        Row(f"{name}: others / alone, p95", during.p95 / before.p95, "x", TIMES, True),
        Row(f"{name}: calls of others that failed", during.failed, "", 0, True),
    ], {"answers": given, **_told(before, during, cost)}


def streams() -> tuple[list[Row], dict[str, Any]]:
    with (
        service() as own,
        beside(own) as (before, during),
        watching(own.server) as cost,
        crowds.idle_streams(own.address, own.hostile),
    ):
        time.sleep(QUIET_SECONDS)
    name = f"{crowds.IDLE_STREAMS} idle streams of one tenant"
    rows = [
        Row(f"{name}: others / alone, p95", during.p95 / before.p95, "x", TIMES, True),
        Row(f"{name}: calls of others that failed", during.failed, "", 0, True),
    ]
    told = {name: _told(before, during, cost)}
    for idle in (False, True):
        with service() as own:
            seconds = crowds.seconds_until_revoked_stream_ends(own.address, own.hostile, own.engine, idle)
        what = "idle" if idle else "busy"
        rows.append(Row(f"a {what} stream ends after its token was revoked", seconds, "s", STREAM_END_SECONDS, True))
    with service() as own:
        with own.engine.begin() as connection:
            used = 40 * (1 + len(costly.OTHERS))
            set_quota(connection, "hostile", Quota(experiments=used + 100), "benchmark")
        # The bounds before are remembered for some seconds.
        time.sleep(QUIET_SECONDS + 1)
        beyond = crowds.recorded_beyond_quota(own.address, own.hostile, 100)
    rows.append(Row("results of one stream above the quota", beyond, "", 0, True))
    return rows, told


def _told(before: Answers, during: Answers, cost: Cost) -> dict[str, Any]:
    return {
        "others_before_p95_ms": before.p95,
        "others_during_p95_ms": during.p95,
        "others_calls": len(during.milliseconds),
        "memory_mib": cost.memory,
        "memory_kept_mib": cost.kept,
        "overtime_ms": cost.overtime,
    }


def attacks(quick: bool) -> dict[str, Callable[[], tuple[list[Row], dict[str, Any]]]]:
    singles = costly.costly_requests(_QUICK if quick else tuple(costly.REQUESTS))
    found: dict[str, Callable[[], tuple[list[Row], dict[str, Any]]]] = {
        each.what: partial(single_request, each) for each in singles
    }
    if not quick:
        found |= {"strangers": without_token, "crowd": crowd, "streams": streams}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability.hostile", description=about)
    parser.add_argument("--quick", action="store_true", help="three single requests; writes nothing")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="attacks with one of these in their names")
    parser.add_argument("--results", type=Path, default=RESULTS / "hostile.json")
    options = parser.parse_args(arguments)
    console = Console()
    rows: list[Row] = []
    told: dict[str, Any] = {}
    chosen = {
        name: attack
        for name, attack in attacks(options.quick).items()
        if options.only is None or any(word in name for word in options.only)
    }
    for number, (name, attack) in enumerate(chosen.items(), 1):
        console.print(f"{number} of {len(chosen)}: {name}")
        try:
            own, told[name] = attack()
        except (ServiceProblem, HeadstartError, psutil.Error) as problem:
            print(f"{name}: {problem or type(problem).__name__}", file=sys.stderr)
            return 2
        rows += own
        print_rows(console, name, own)
    if options.only is None and not options.quick:
        write_json(options.results, {"benchmark": "hostile", "rows": row_figures(rows), "attacks": told})
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
