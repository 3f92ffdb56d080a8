"""How quick the service stays as its memory grows: WarmStart, SearchTasks and ListExperiments at 10 k, 100 k and 1 M.

200 generated tasks in three spaces (see ``generated``) get 50, then 500, then 5,000 experiments each, over the network
by RecordExperiments. At every size the worker first comes to rest (a model of each space, index delivered); then one
caller asks, in turns over the spaces: WarmStart for a new task, for a task with 50 results, and for one that got a
result just before; SearchTasks; and pages of ListExperiments in every order. At the end Chroma is killed, and what can
be degraded is asked until nothing is any more.

    python -m benchmarks.knowledge_base.scale [--quick]

always starts a service of its own; it writes benchmarks/results/knowledge_base_scale.json and
docs/img/knowledge_base_scale.png.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.knowledge_base.generated import GeneratedTask, MeasuredSpace, generated_tasks, measured_spaces
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, commit, machine, write_json
from benchmarks.service import ServiceProblem, own_service
from benchmarks.tables import MissingTable
from headstart import ExperimentFilter, ExperimentOrder, NumberRange
from headstart.values import ExperimentStatus

TASKS = 200
SIZES = (10_000, 100_000, 1_000_000)
CALLS = 300
COUNT = 8
TIMEOUT_SECONDS = 120.0
REST_SECONDS = 1_800.0
HEAL_SECONDS = 600.0

# A model of every space at every size, and no more: by default a space is trained again with each fifth that it grows.
SETTINGS = {"HEADSTART_TRAINING_MIN_EXPERIMENTS": "2500", "HEADSTART_TRAINING_GROWTH": "8"}


@dataclass(frozen=True)
class Asked:
    """One kind of call at one size: milliseconds."""

    size: int
    call: str
    count: int
    p50: float
    p95: float
    worst: float


@dataclass(frozen=True)
class Question:
    call: str
    ask: Callable[[], object]
    # What has to happen before, outside the time taken.
    before: Callable[[], object] = lambda: None


def time_calls(size: int, question: Question, count: int, waited: Callable[[], None]) -> Asked:
    """Ask one after the other."""
    question.before()
    question.ask()
    taken = []
    for _ in range(count):
        question.before()
        begin = time.perf_counter()
        question.ask()
        taken.append(1_000 * (time.perf_counter() - begin))
        waited()
    p50, p95 = (float(np.quantile(taken, level)) for level in (0.5, 0.95))
    return Asked(size, question.call, count, p50, p95, max(taken))


class Questions:
    """What is asked at every size; the tasks asked for have nothing or 50 results, whatever the size."""

    def __init__(self, client: headstart.Client, spaces: Sequence[MeasuredSpace], sources: list[GeneratedTask]) -> None:
        self._client = client
        self._sources = sources
        self._turn = random.Random(0)
        self._measured = spaces
        self._made = len(sources)
        self._new = self._more_tasks(0)
        self._known = self._more_tasks(50)
        self._growing: list[GeneratedTask] = []
        self._grown = 0
        self.per_task = 0

    def _more_tasks(self, results: int) -> list[GeneratedTask]:
        """One more of every space, with so many results."""
        made = generated_tasks(self._measured, len(self._measured), self._made)
        self._made += len(made)
        for target in made:
            self._client.create_task(target.task)
        self._client.record_many(record for target in made for record in target.records(0, results))
        return made

    def at_next_size(self) -> list[Question]:
        # Others than before: at every size they grow from 50 results on.
        self._growing, self._grown = self._more_tasks(50), 50
        return [
            Question("WarmStart, new task", lambda: self._warm_start(self._new)),
            Question("WarmStart, 50 results", lambda: self._warm_start(self._known)),
            Question("WarmStart after a result", lambda: self._warm_start(self._growing), self._grow),
            Question("SearchTasks", self._search_tasks),
            Question("List, first page", self._page),
            Question("List, page in the middle", self._middle_page),
            Question("List, best first", lambda: self._page(order_by=ExperimentOrder.OBJECTIVE_VALUE, descending=True)),
            Question("List, filtered", self._filtered_page),
            Question("List, newest of all tasks", self._newest_page),
        ]

    def degradable(self) -> dict[str, Callable[[], bool]]:
        """Calls that say whether they were degraded."""
        target = self._known[0]
        task_id, space_id = target.task.task_id, target.measured.space.search_space_id
        candidate = target.measured.candidates[0]
        return {
            "WarmStart": lambda: self._client.warm_start(task_id, space_id, 1).degraded,
            "PredictPerformance": lambda: self._client.predict(task_id, space_id, [candidate]).degraded,
            "SearchArchitectures": lambda: self._client.search_architectures(space_id, candidate).degraded,
        }

    def _drawn(self, targets: Sequence[GeneratedTask]) -> tuple[str, str]:
        place = self._turn.randrange(len(targets))
        return targets[place].task.task_id, targets[place].measured.space.search_space_id

    def _warm_start(self, targets: Sequence[GeneratedTask]) -> None:
        answer = self._client.warm_start(*self._drawn(targets), COUNT)
        assert len(answer.suggestions) == COUNT and not answer.degraded, answer

    def _grow(self) -> None:
        """One result more for each of the growing tasks."""
        for target in self._growing:
            self._client.record_many(target.records(self._grown, self._grown + 1))
        self._grown += 1

    def _search_tasks(self) -> None:
        task_id, space_id = self._drawn(self._known)
        assert self._client.search_tasks(task_id, search_space_id=space_id)

    def _first(self, experiments: Any, count: int = 100) -> None:
        for _ in range(count):
            if next(experiments, None) is None:
                return

    def _page(self, **details: Any) -> None:
        self._first(self._client.list_experiments(*self._drawn(self._sources), page_size=100, **details))

    def _middle_page(self) -> None:
        task_id, space_id = self._drawn(self._sources)
        after = self._turn.randrange(self.per_task)
        self._first(self._client.list_experiments(task_id, space_id, page_size=100, after_sequence=after))

    def _filtered_page(self) -> None:
        wanted = ExperimentFilter(statuses=(ExperimentStatus.COMPLETED,), objective_value=NumberRange(0.8, None))
        self._page(filter=wanted)

    def _newest_page(self) -> None:
        self._first(self._client.list_experiments(order_by=ExperimentOrder.RECORD_TIME, descending=True, page_size=100))


@dataclass(frozen=True)
class Loaded:
    """One size: how long the import to it took, and how long the worker then needed to come to rest."""

    size: int
    rate: float
    rest_seconds: float
    server_mib: float


@dataclass(frozen=True)
class Outage:
    """With Chroma killed: how many answers of each kind were degraded, how many calls failed, and when all was well."""

    degraded: dict[str, int]
    failed: int
    healed_seconds: float | None


def load(
    client: headstart.Client, tasks: list[GeneratedTask], first: int, last: int, progress: Callable[[int], None]
) -> float:
    """Experiments ``first`` to ``last`` of every task; experiments a second."""
    records = (record for task in tasks for record in task.records(first, last))
    begin = time.perf_counter()
    client.record_many(records, chunk_size=1_000, progress=progress)
    return len(tasks) * (last - first) / (time.perf_counter() - begin)


def children(role: str) -> list[psutil.Process]:
    """The processes of the service that this benchmark started: "serve", "worker", or "chroma"."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if role in command or (role == "chroma" and any("chromadb" in argument for argument in command)):
            found.append(process)
    return found


def rest(limit: float = REST_SECONDS) -> float:
    """Wait until the worker has had next to nothing to do for ten seconds; how long that took.

    Raises ServiceProblem where it is busy for longer than the limit.
    """
    begin = time.monotonic()
    idle = 0
    while idle < 5 and time.monotonic() - begin < limit:
        before = _worker_seconds()
        time.sleep(2.0)
        idle = idle + 1 if _worker_seconds() - before < 0.4 else 0
    if idle < 5:
        raise ServiceProblem(f"the worker was still busy after {limit:.0f} seconds")
    return time.monotonic() - begin


def _worker_seconds() -> float:
    total = 0.0
    for process in children("worker"):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def outage(client: headstart.Client, targets: Questions, limit: float) -> Outage:
    """Kill Chroma once, and ask until no answer is degraded any more for a while."""
    asks = targets.degradable()
    for process in children("chroma"):
        process.kill()
    begin = time.monotonic()
    degraded = dict.fromkeys(asks, 0)
    failed, well_since = 0, None
    while time.monotonic() - begin < limit:
        worse = False
        for name, ask in asks.items():
            try:
                if ask():
                    degraded[name] += 1
                    worse = True
            except headstart.HeadstartError:
                failed += 1
                worse = True
        now = time.monotonic()
        well_since = None if worse else well_since or now
        if well_since is not None and any(degraded.values()) and now - well_since > 5.0:
            return Outage(degraded, failed, well_since - begin)
        time.sleep(0.1)
    return Outage(degraded, failed, None)


def draw(path: Path, asked: Sequence[Asked]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    calls = list(dict.fromkeys(one.call for one in asked))
    colours = pyplot.get_cmap("tab10")
    for place, call in enumerate(calls):
        ours = [one for one in asked if one.call == call]
        axes.plot(
            [one.size for one in ours],
            [one.p95 for one in ours],
            marker="o^sDvPX*h"[place % 9],
            linestyle="-" if call.startswith("WarmStart") else "--" if call.startswith("Search") else ":",
            color=colours(place % 10),
            label=call,
        )
    axes.axhline(50.0, color="grey", linewidth=0.8)
    axes.text(asked[0].size, 51.0, "target for WarmStart: 50 ms", va="bottom", fontsize=8, color="grey")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("experiments in the knowledge base (200 tasks, 3 search spaces)")
    axes.set_ylabel("p95 of a call through gRPC, milliseconds")
    axes.set_title("How quick the service stays as its memory grows")
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def show(console: Console, loaded: Sequence[Loaded], asked: Sequence[Asked], healed: Outage) -> None:
    grid = Grid("size", "import, experiments/s", "worker at rest after, s", "server memory, MiB", title="Loading")
    for one in loaded:
        grid.add_row(f"{one.size:,}", f"{one.rate:,.0f}", f"{one.rest_seconds:.0f}", f"{one.server_mib:,.0f}")
    console.print(grid)
    sizes = sorted({one.size for one in asked})
    grid = Grid("call", *(f"{size:,}" for size in sizes), "largest / smallest", title="p50 / p95, milliseconds")
    for call in dict.fromkeys(one.call for one in asked):
        ours = {one.size: one for one in asked if one.call == call}
        ratio = ours[sizes[-1]].p95 / ours[sizes[0]].p95
        grid.add_row(call, *(f"{ours[size].p50:.1f} / {ours[size].p95:.1f}" for size in sizes), f"{ratio:.2f}")
    console.print(grid)
    told = ", ".join(f"{name} {count}" for name, count in healed.degraded.items())
    when = "not" if healed.healed_seconds is None else f"after {healed.healed_seconds:.0f} s"
    console.print(f"Chroma killed: degraded answers: {told}; failed calls: {healed.failed}; all well again {when}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.knowledge_base.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 k and 10 k experiments, 40 calls of each kind")
    parser.add_argument("--output", type=Path, default=RESULTS / "knowledge_base_scale.json", metavar="FILE")
    parser.add_argument("--picture", type=Path, default=IMAGES / "knowledge_base_scale.png", metavar="FILE")
    options = parser.parse_args()
    console = Console()
    sizes = (2_000, 10_000) if options.quick else SIZES
    calls = 40 if options.quick else CALLS
    try:
        spaces = measured_spaces(most=3_000 if options.quick else None)
        with (
            own_service(console.print, SETTINGS) as address,
            headstart.connect(address, timeout=TIMEOUT_SECONDS) as client,
        ):
            loaded, asked, healed = measure(console, client, spaces, sizes, calls)
    except (MissingTable, ServiceProblem, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    show(console, loaded, asked, healed)
    figures = {
        "benchmark": "knowledge_base_scale",
        "command": "python -m benchmarks.knowledge_base.scale" + (" --quick" if options.quick else ""),
        "tasks": TASKS,
        "loaded": [vars(one) for one in loaded],
        "calls": [vars(one) for one in asked],
        "chroma_killed": vars(healed),
    }
    write_json(options.output, figures)
    draw(options.picture, asked)
    console.print(f"{options.output} and {options.picture} written; {machine()['cores']} cores, commit {commit()}")
    return 0


def measure(
    console: Console, client: headstart.Client, spaces: Sequence[MeasuredSpace], sizes: Sequence[int], calls: int
) -> tuple[list[Loaded], list[Asked], Outage]:
    tasks = generated_tasks(spaces, TASKS)
    for measured in spaces:
        client.create_search_space(measured.space)
    for task in tasks:
        client.create_task(task.task)
    questions = Questions(client, spaces, tasks)
    loaded: list[Loaded] = []
    asked: list[Asked] = []
    with bars(console) as progress:
        before = 0
        for size in sizes:
            per_task = size // TASKS
            bar = progress.add_task(f"Import to {size:,}", total=TASKS * (per_task - before), note="")
            rate = load(client, tasks, before, per_task, lambda done, bar=bar: progress.update(bar, completed=done))
            progress.update(bar, note="waiting for the worker")
            waited = rest()
            progress.update(bar, note=f"{rate:,.0f}/s, at rest after {waited:.0f} s")
            questions.per_task = before = per_task
            asking = questions.at_next_size()
            bar = progress.add_task(f"Asking at {size:,}", total=calls * len(asking), note="")
            for question in asking:
                progress.update(bar, note=question.call)
                asked.append(time_calls(size, question, calls, lambda bar=bar: progress.advance(bar)))
            server = sum(process.memory_info().rss for process in children("serve")) / 2**20
            loaded.append(Loaded(size, rate, waited, server))
        bar = progress.add_task("Chroma killed", total=None, note="asking until all is well")
        healed = outage(client, questions, HEAL_SECONDS)
        progress.update(bar, total=1, completed=1, note="")
    return loaded, asked, healed


if __name__ == "__main__":
    sys.exit(main())
