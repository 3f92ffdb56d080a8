"""Kills parts of a running service under load, and compares what callers were promised with what the database holds.

    python -m benchmarks.reliability.faults [--kills 50] [--stops 8] [--seed 0] [--quick]

Starts `headstart-server up` on a temporary data directory. Workers record results, some under a decision they asked
for; each result has a request id, and is sent again under it until it is acknowledged, as any worker would. Meanwhile
PostgreSQL, Chroma, the server and the worker are killed (SIGKILL) at random moments, now and then two at once, and
nothing is done about it: the supervisor has to. After each kill it is measured how long the next result takes to be
acknowledged, or, for Chroma and the worker, how long the part takes to be back. Among the kills, parts are stopped with
all their processes (SIGSTOP) for 5 to 20 seconds and go on (SIGCONT); a part that the supervisor replaces meanwhile
does not.

At the end every acknowledged result must be in the database exactly once, with the value and the id that its
caller was told; nothing else may be there but results that were under way; and the sums kept for each task and
each decision must be those of its results. Writes benchmarks/results/faults.json.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console
from rich.table import Table as Sheet
from sqlalchemy import create_engine, text

import headstart
from benchmarks.progress import bars
from benchmarks.report import RESULTS, write_json
from benchmarks.rows import Row, row_figures
from benchmarks.service import ServiceProblem, own_service
from headstart.errors import HeadstartError
from headstart.spaces import nas_bench_201, sample
from headstart_server.runtime.local.databases import EmbeddedPostgres

# By a word of their command lines.
PARTS = {"postgresql": "postgres", "chroma": "chromadb.cli", "server": " serve", "worker": " worker"}
SPACE = nas_bench_201()
WORKERS = 4
TASKS = ("first", "second")
ARMS = ("random", "evolution")
# Of the kills that hit two parts at once, and of the results that are recorded under a decision.
TWO_AT_ONCE, DECIDED = 0.2, 0.3
PAUSE_SECONDS = (0.2, 3.0)
STOP_SECONDS = (5.0, 20.0)
# The supervisor's longest pause before it starts a part that dies again and again is 30 seconds.
RECOVERY_SECONDS = 120.0
# The target for the longest recovery, on two cores.
LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class Sent:
    task_id: str
    value: float


@dataclass
class Promises:
    """By request id: what was sent, and for those that were acknowledged the id told."""

    sent: dict[str, Sent] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    repeats: int = 0


@dataclass(frozen=True)
class Recovery:
    parts: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """``recoveries`` from kills, ``resumptions`` after stops; ``problems``: one sentence for each broken promise."""

    acknowledged: int
    under_way: int
    repeats: int
    recoveries: tuple[Recovery, ...]
    resumptions: tuple[Recovery, ...]
    problems: tuple[str, ...]


def work(address: str, number: int, seed: int, promises: Promises, over: threading.Event) -> None:
    """One worker. An answer that does not come is asked for again under the same request id."""
    generator = random.Random(f"{seed}/{number}")
    with headstart.connect(address, timeout=5) as client:
        patient = client.with_patience(0.0)
        while not over.is_set():
            task_id, value = generator.choice(TASKS), generator.random()
            candidate, request_id = sample(SPACE, generator), str(uuid.UUID(int=generator.getrandbits(128), version=4))
            promises.sent[request_id] = Sent(task_id, value)
            decision_id = ""
            while not over.is_set():
                try:
                    if generator.random() < DECIDED and not decision_id:
                        decision_id = patient.select_strategy(task_id, ARMS)[0].decision_id
                    answer = patient.record(
                        task_id,
                        SPACE.search_space_id,
                        candidate,
                        headstart.completed(value),
                        decision_id=decision_id,
                        request_id=request_id,
                    )
                except HeadstartError:
                    promises.repeats += 1
                    time.sleep(0.05)
                    continue
                promises.told[request_id] = answer.experiment_id
                break


def parts_running() -> dict[str, psutil.Process]:
    """The parts of the service that this process has started."""
    found = {}
    for supervisor in psutil.Process().children():
        for child in _children(supervisor):
            try:
                command = " ".join(child.cmdline())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            for part, word in PARTS.items():
                if word in command:
                    found.setdefault(part, child)
    return found


def _children(process: psutil.Process) -> Sequence[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def kill(parts: Sequence[str], records_again: Callable[[], bool]) -> Recovery:
    """End parts at once; how long it takes until results are acknowledged again and each part is another process."""
    victims = {part: process for part, process in parts_running().items() if part in parts}
    begin = time.monotonic()
    for process in victims.values():
        process.kill()
    while time.monotonic() - begin < RECOVERY_SECONDS:
        now = parts_running()
        if all(part in now and now[part] != victim for part, victim in victims.items()) and records_again():
            return Recovery(tuple(victims), time.monotonic() - begin)
        time.sleep(0.05)
    raise ServiceProblem(f"{' and '.join(parts)} killed: no result was acknowledged for {RECOVERY_SECONDS:.0f} seconds")


def stop(part: str, seconds: float, records_again: Callable[[], bool]) -> Recovery:
    """Stop all processes of a part for some seconds; how long after that until results are acknowledged again."""
    victim = parts_running().get(part)
    if victim is None:
        raise ServiceProblem(f"{part} does not run")
    stopped = [victim, *victim.children(recursive=True)]
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    begin = time.monotonic()
    while time.monotonic() - begin < RECOVERY_SECONDS:
        if part in parts_running() and records_again():
            return Recovery((part,), time.monotonic() - begin)
        time.sleep(0.05)
    raise ServiceProblem(f"{part} stopped and resumed: no result was acknowledged for {RECOVERY_SECONDS:.0f} seconds")


def check(url: str, promises: Promises) -> list[str]:
    """What the database holds against what was promised."""
    engine = create_engine(url)
    problems: list[str] = []
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT e.request_id::text AS request_id, t.name AS task, e.objective_value AS value, e.sequence, "
                "e.decision_id, concat_ws('/', t.name, s.name, e.sequence) AS experiment_id "
                "FROM experiments e JOIN tasks t ON t.id = e.task_id JOIN search_spaces s ON s.id = e.search_space_id"
            )
        ).all()
        counted = text("SELECT t.name, s.experiment_count FROM task_summaries s JOIN tasks t ON t.id = s.task_id")
        summaries = {row.name: row.experiment_count for row in connection.execute(counted)}
        credited = connection.execute(
            text("SELECT coalesce(sum(experiment_count), 0) FROM strategy_decisions")
        ).scalar()
        pulls = connection.execute(text("SELECT coalesce(sum(pulls), 0) FROM strategy_arms")).scalar()
    engine.dispose()
    times = Counter(row.request_id for row in rows)
    problems += [f"{request_id} is there {number} times" for request_id, number in times.items() if number > 1]
    problems += [
        f"{request_id} was acknowledged and is gone" for request_id in promises.told if request_id not in times
    ]
    for row in rows:
        sent = promises.sent.get(row.request_id)
        if sent is None or (sent.task_id, sent.value) != (row.task, row.value):
            problems.append(f"{row.request_id} is not what was sent: {row.task} {row.value}, not {sent}")
        elif promises.told.get(row.request_id, row.experiment_id) != row.experiment_id:
            problems.append(f"{row.request_id} is {row.experiment_id}, and {promises.told[row.request_id]} was told")
    of_task = Counter(row.task for row in rows)
    problems += [
        f"the summary of task {task!r} counts {summaries.get(task, 0)} of {number} results"
        for task, number in of_task.items()
        if summaries.get(task, 0) != number
    ]
    for task, number in of_task.items():
        if sorted(row.sequence for row in rows if row.task == task) != list(range(1, number + 1)):
            problems.append(f"the sequence numbers of task {task!r} have holes")
    decided = sum(row.decision_id is not None for row in rows)
    if not decided == credited == pulls:
        problems.append(f"{decided} results were under a decision, decisions count {credited} and arms {pulls}")
    return problems


def run(kills: int, stops: int, seed: int, console: Console) -> Verdict:
    """Kills, with stops spread among them. Raises ServiceProblem where the service does not come back by itself."""
    generator = random.Random(seed)
    stop_order = [part for _ in range(-(-stops // len(PARTS))) for part in generator.sample(list(PARTS), len(PARTS))]
    # Each part is killed equally often, or once more than another.
    order = [part for _ in range(-(-kills // len(PARTS))) for part in generator.sample(list(PARTS), len(PARTS))]
    promises, over = Promises(), threading.Event()
    recoveries: list[Recovery] = []
    resumptions: list[Recovery] = []

    def records_again() -> Callable[[], bool]:
        known = len(promises.told)
        return lambda: len(promises.told) > known + WORKERS

    with tempfile.TemporaryDirectory(prefix="headstart-", dir="/tmp" if Path("/tmp").is_dir() else None) as directory:
        Path(directory).chmod(0o711)
        data = Path(directory) / "data"
        changes = {"HEADSTART_DATA_DIRECTORY": str(data), "OMP_NUM_THREADS": "1"}
        with (
            own_service(console.print, changes) as address,
            headstart.connect(address, timeout=20) as client,
            bars(console) as progress,
        ):
            client.create_search_space(SPACE)
            for task_id in TASKS:
                client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
            threads = [
                threading.Thread(target=work, args=(address, number, seed, promises, over)) for number in range(WORKERS)
            ]
            for thread in threads:
                thread.start()
            try:
                bar = progress.add_task("kills", total=kills, note="")
                while (done := sum(len(each.parts) for each in recoveries)) < kills:
                    time.sleep(generator.uniform(*PAUSE_SECONDS))
                    count = 2 if generator.random() < TWO_AT_ONCE and done + 2 <= kills else 1
                    chosen = tuple(dict.fromkeys(order[done : done + count]))
                    recoveries.append(kill(chosen, records_again()))
                    note = f"{', '.join(chosen)}: {recoveries[-1].seconds:.1f} s; {len(promises.told)} acknowledged"
                    progress.update(bar, advance=len(chosen), note=note)
                    while len(resumptions) < stops * (done + len(chosen)) // kills:
                        part, seconds = stop_order[len(resumptions)], generator.uniform(*STOP_SECONDS)
                        resumptions.append(stop(part, seconds, records_again()))
                        note = f"{part} stopped for {seconds:.0f} s: {resumptions[-1].seconds:.1f} s after it"
                        progress.update(bar, note=note)
            finally:
                over.set()
                for thread in threads:
                    thread.join()
            problems = check(EmbeddedPostgres(data / "postgresql").url(), promises)
    under_way = len(promises.sent) - len(promises.told)
    return Verdict(
        len(promises.told), under_way, promises.repeats, tuple(recoveries), tuple(resumptions), tuple(problems)
    )


def rows(verdict: Verdict) -> list[Row]:
    return [
        Row("acknowledged results lost, doubled or changed", len(verdict.problems), "", 0, True),
        Row(
            "longest time until results are acknowledged again after a kill",
            max(each.seconds for each in verdict.recoveries),
            "s",
            LONGEST_SECONDS,
            True,
        ),
    ]


def report(verdict: Verdict, console: Console) -> None:
    sheet = Sheet(title="Seconds until results are acknowledged again and the part is back")
    for heading in ("killed", "times", "median", "most"):
        sheet.add_column(heading, justify="left" if heading == "killed" else "right")
    for name, seconds in {
        **by_part(verdict.recoveries),
        **{f"{part} (stopped)": seconds for part, seconds in by_part(verdict.resumptions).items()},
    }.items():
        sheet.add_row(name, str(len(seconds)), f"{median(seconds):.1f}", f"{max(seconds):.1f}")
    console.print(sheet)
    console.print(
        f"{verdict.acknowledged} results acknowledged, {verdict.repeats} calls repeated, {verdict.under_way} results "
        f"under way at the end; {len(verdict.problems)} promises broken"
    )
    for problem in verdict.problems[:20]:
        console.print(f"  {problem}")


def by_part(recoveries: Sequence[Recovery]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in recoveries:
        found.setdefault(" and ".join(sorted(each.parts)), []).append(each.seconds)
    return dict(sorted(found.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability.faults", description=about)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="each part killed once, one stopped, nothing written")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        kills, stops = (len(PARTS), 1) if options.quick else (options.kills, options.stops)
        verdict = run(kills, stops, options.seed, console)
    except ServiceProblem as problem:
        print(problem, file=sys.stderr)
        return 2
    report(verdict, console)
    if not options.quick:
        write_json(
            RESULTS / "faults.json",
            {
                "rows": row_figures(rows(verdict)),
                "kills": options.kills,
                "stops": options.stops,
                "seed": options.seed,
                "acknowledged": verdict.acknowledged,
                "calls_repeated": verdict.repeats,
                "under_way_at_the_end": verdict.under_way,
                "broken_promises": list(verdict.problems),
                "recovery_seconds": by_part(verdict.recoveries),
                "seconds_after_stops": by_part(verdict.resumptions),
            },
        )
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
