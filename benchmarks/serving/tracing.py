"""What tracing costs: the same calls to servers that trace nothing, all calls, or one in a hundred.

The servers share a database, and one at a time is asked, in turns, so that a busy machine is busy for all of them.
Spans go to a collector in the process of the client which throws them away. PredictPerformance asks for one candidate,
without a model: the call that does least beside its spans.

    python -m benchmarks.serving.tracing [--calls 600] [--rounds 6]

writes benchmarks/results/tracing.json. Some five minutes on an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.knowledge_base.import_rate import own_cluster, serving
from benchmarks.report import RESULTS, write_json
from benchmarks.service import ServiceProblem, environment, short_directory
from benchmarks.serving import questions
from benchmarks.serving.load import in_flight
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc

TASKS = 8
RECORDED = 400
_SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
SERVERS: Mapping[str, Mapping[str, str]] = {
    "off": {},
    "1 % of calls": {"HEADSTART_TRACING": "true", **_SAMPLED},
    "all calls": {"HEADSTART_TRACING": "true"},
}
# Call and how many of them are in flight.
CALLS = (("RecordExperiment", 1), ("RecordExperiment", 32), ("PredictPerformance", 1), ("PredictPerformance", 8))


@dataclass(frozen=True)
class Figure:
    """Medians of the rounds. ``cpu_us``: processor time of the server for each call."""

    server: str
    call: str
    in_flight: int
    per_second: float
    p50_ms: float
    cpu_us: float


@contextmanager
def collector() -> Iterator[str]:
    """The address of what takes spans and throws them away."""
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None)


def measure(directory: Path, calls: int, rounds: int) -> list[Figure]:
    with own_cluster(directory) as cluster:
        url = cluster.migrated("service")
        with ExitStack() as running:
            endpoint = running.enter_context(collector())
            servers = {}
            for name, values in SERVERS.items():
                known = set(psutil.Process().children())
                with environment({**values, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}):
                    address = running.enter_context(serving(url, directory))
                (process,) = set(psutil.Process().children()) - known
                servers[name] = (address, process)
            with headstart.connect(servers["off"][0]) as client:
                tasks = questions.prepare(client, TASKS)
                client.record_many(questions.records(tasks, RECORDED, random.Random(0)))
            return asyncio.run(_ask(servers, tasks, calls, rounds))


async def _ask(
    servers: Mapping[str, tuple[str, psutil.Process]], tasks: list[str], calls: int, rounds: int
) -> list[Figure]:
    generator = random.Random(1)
    seen: dict[tuple[str, str, int], list[tuple[float, float, float]]] = {}
    # The first round is for what is done once.
    for number in range(rounds + 1):
        for call, callers in CALLS:
            # Who is asked first changes, since tables grow and a machine has moods.
            for name, (address, process) in generator.sample(list(servers.items()), len(servers)):
                make = questions.record_requests if call == "RecordExperiment" else questions.prediction_requests
                requests = make(tasks, calls if callers > 1 else calls // 4, generator)
                async with grpc.aio.insecure_channel(address) as channel:
                    before = _seconds(process)
                    timed = await in_flight(
                        getattr(meta_grpc.MetaLearningServiceStub(channel), call), requests, callers
                    )
                    spent = _seconds(process) - before
                if number > 0:
                    figures = (timed.rate, timed.milliseconds(0.5), 1e6 * spent / len(requests))
                    seen.setdefault((name, call, callers), []).append(figures)
    return [
        Figure(
            name, call, callers, *(statistics.median(column) for column in zip(*seen[name, call, callers], strict=True))
        )
        for call, callers in CALLS
        for name in SERVERS
    ]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def print_table(console: Console, figures: list[Figure]) -> None:
    grid = Grid(title="What tracing costs")
    for heading in ("call", "in flight", "traced", "calls/s", "p50 ms", "server's processor time, us", "of off"):
        grid.add_column(heading, justify="left" if heading in ("call", "traced") else "right")
    off = {(figure.call, figure.in_flight): figure.cpu_us for figure in figures if figure.server == "off"}
    for figure in figures:
        ratio = figure.cpu_us / off[figure.call, figure.in_flight]
        row: list[Any] = [figure.call, figure.in_flight, figure.server, f"{figure.per_second:,.0f}"]
        grid.add_row(*map(str, row), f"{figure.p50_ms:.2f}", f"{figure.cpu_us:,.0f}", f"{ratio:.2f}")
    console.print(grid)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.tracing", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--calls", type=int, default=600, help="of each kind in a round, a quarter of them one by one")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--results", type=Path, default=RESULTS / "tracing.json", help="where the figures go")
    options = parser.parse_args()
    console = Console()
    try:
        with short_directory() as place:
            figures = measure(place, options.calls, options.rounds)
    except (ServiceProblem, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print_table(console, figures)
    write_json(
        options.results,
        {
            "benchmark": "tracing",
            "command": f"python -m benchmarks.serving.tracing --calls {options.calls} --rounds {options.rounds}",
            "figures": [asdict(figure) for figure in figures],
        },
    )
    console.print(f"Written: {options.results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
