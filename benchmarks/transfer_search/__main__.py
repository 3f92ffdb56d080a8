"""Searches that start from the past of other tasks: protocol T.

Six families, of tasks that agree and of tasks that do not: NAS-Bench-Graph, NAS-Bench-201, HPOBench, HPOLib, TaskSet
and XGBoost on OpenML. One task is new, each other has one cold search of 100 evaluations on record, 50 evaluations are
made one at a time. Figures: the area under the best regret so far, and the regret after 5, 10, 20 and 50. Ours ask the
service; baselines are what a person does by hand; other tools run where they are installed:

    python -m benchmarks.transfer_search [FAMILIES ...] [--data DIR] [--seeds N] [--searches NAME ...] [--work FILE]

Each search that was run is a line of the working file: a run that was broken off goes on, ``--again`` runs some anew,
``--report`` runs nothing. Tools that need an environment of their own (benchmarks/transfer_search/peers*.txt) are run
from there with the same file (``--only-peers``), and the report has them all. Writes
benchmarks/results/transfer_search.json and docs/img/transfer_search.png; with ``--development`` it runs other seeds and
tasks, and writes nothing there. Ax is run only by name: it takes minutes for a suggestion.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

import headstart
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, commit
from benchmarks.service import ServiceProblem, own_service, running_service
from benchmarks.tables import MissingTable
from benchmarks.tables.sets import FOLDER_SETS
from benchmarks.transfer_search import running, searches
from benchmarks.transfer_search.baselines import BASELINES
from benchmarks.transfer_search.families import FAMILIES, FIRST_DEVELOPMENT_SEED, Case, cases_of
from benchmarks.transfer_search.peers import PEERS, missing_packages
from benchmarks.transfer_search.reporting import report
from benchmarks.transfer_search.searches import ALONE, SERVICE_SEARCHES, SHUFFLED, WARM, WARM_WITH_MODEL, ServiceSearch
from benchmarks.transfer_search.work import Done, Run, WorkingFile
from headstart.errors import HeadstartError

WORK = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headstart" / "transfer_search.jsonl"
SEARCHES = (*SERVICE_SEARCHES, *BASELINES, *PEERS)
_OURS = (WARM, ALONE, SHUFFLED)
_QUICK = (WARM, ALONE, "random", "past, then tpe")

Key = tuple[Run, Case]


def wanted(options: argparse.Namespace, done: Mapping[Run, Done], names: Sequence[str]) -> list[Key]:
    """What is to be run, seed by seed, so that what is cut off early is complete for fewer seeds."""
    keys = [
        (Run(name, family, case.task.name, seed), case)
        for seed in range(options.first_seed, options.first_seed + options.seeds)
        for family in options.families
        for case in cases_of(family, options.data, seed, options.development, options.tasks)
        for name in names
        if _search(name).runs_on(family)
    ]
    return [(run, case) for run, case in keys if run not in done or run.search in options.again]


def _search(name: str) -> ServiceSearch | running.Search:
    if name in SERVICE_SEARCHES:
        return SERVICE_SEARCHES[name]
    return BASELINES[name] if name in BASELINES else PEERS[name].search


def installed(names: Sequence[str], console: Console) -> list[str]:
    """Without the searches of tools that are not here; says which."""
    found = []
    for name in names:
        missing = missing_packages(PEERS[name]) if name in PEERS else []
        if missing:
            console.print(f"{name} is left out: {', '.join(missing)} is not installed (see peers*.txt)")
        else:
            found.append(name)
    return found


def measure(options: argparse.Namespace, console: Console) -> None:
    """Adds to the working file what it lacks. Raises MissingTable, ServiceProblem, HeadstartError."""
    work = WorkingFile(options.work)
    names = installed(options.searches, console)
    here = [name for name in names if name not in SERVICE_SEARCHES]
    _run(work, wanted(options, work.read(), here), lambda key: running.run(key[1], _in_process(key)), 1, console)
    for model in (False, True):
        ours = [name for name in names if name in SERVICE_SEARCHES and SERVICE_SEARCHES[name].model == model]
        keys = wanted(options, work.read(), ours)
        if keys:
            with _client(options, model, console) as client:
                _run(work, keys, partial(_by_service, client), options.parallel, console)


def _in_process(key: Key) -> running.Search:
    search = _search(key[0].search)
    assert isinstance(search, running.Search)
    return search


def _by_service(client: headstart.Client, key: Key) -> list[float]:
    return searches.run(client, key[1], SERVICE_SEARCHES[key[0].search])


def _run(
    work: WorkingFile, keys: Sequence[Key], curve: Callable[[Key], list[float]], parallel: int, console: Console
) -> None:
    here = commit()

    def timed(key: Key) -> Done:
        start = time.monotonic()
        regrets = curve(key)
        return Done(key[0], tuple(regrets), time.monotonic() - start, here)

    with bars(console) as progress, ThreadPoolExecutor(parallel) as threads:
        bar = progress.add_task("searches", total=len(keys), note="")
        waiting = [threads.submit(timed, key) for key in keys]
        try:
            for each in as_completed(waiting):
                done = each.result()
                work.add(done)
                note = f"{done.run.task}, {done.run.search}: {sum(done.regrets) / len(done.regrets):.3f}"
                progress.update(bar, advance=1, note=note)
        finally:
            threads.shutdown(cancel_futures=True)


@contextmanager
def _client(options: argparse.Namespace, model: bool, console: Console) -> Iterator[headstart.Client]:
    """Whether a model is there makes a difference: searches that do not wait for one meet none."""
    changes = {"OMP_NUM_THREADS": "1", "HEADSTART_TRAINING_GROWTH": "100"}
    if not model:
        changes["HEADSTART_TRAINING_MIN_EXPERIMENTS"] = "1000000"
    service = (
        own_service(console.print, changes)
        if options.address is None
        else running_service(options.address, console.print)
    )
    with service as address, headstart.connect(address) as client:
        yield client


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 180)
    try:
        if not options.report:
            measure(options, console)
        report(options, console)
    except (MissingTable, ServiceProblem, HeadstartError) as problem:
        print(str(problem) or type(problem).__name__, file=sys.stderr)
        return 2
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transfer_search", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("families", nargs="*", metavar="FAMILIES", help=f"of {', '.join(FAMILIES)}; default: all")
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"folder of the tables {', '.join(FOLDER_SETS)}")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, help="0; 100 with --development")
    parser.add_argument("--development", action="store_true", help="seeds and tasks to choose settings on")
    parser.add_argument("--tasks", type=int, help="only so many of each family")
    parser.add_argument(
        "--searches",
        nargs="+",
        default=None,
        metavar="NAME",
        help=f"of {'; '.join(SEARCHES)}. Default: the first three, baselines, and the tools that are installed",
    )
    parser.add_argument("--only-peers", action="store_true", help="the searches of other tools that are installed")
    parser.add_argument("--model", action="store_true", help=f"also '{WARM_WITH_MODEL}'")
    parser.add_argument("--again", nargs="+", default=(), metavar="NAME", help="searches to run anew")
    parser.add_argument("--report", action="store_true", help="report what the working file has, run nothing")
    parser.add_argument("--work", type=Path, metavar="FILE", help=f"the working file ({WORK})")
    parser.add_argument("--address", metavar="HOST:PORT", help="a running service; without it one is started")
    parser.add_argument("--parallel", type=int, default=2, help="searches of the service side by side (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one task of NAS-Bench-201, two seeds, four searches")
    parser.add_argument("--results", type=Path, default=RESULTS / "transfer_search.json")
    parser.add_argument("--image", type=Path, default=IMAGES / "transfer_search.png")
    options = parser.parse_args(arguments)
    options.families = options.families or list(FAMILIES)
    if unknown := set(options.families) - set(FAMILIES):
        parser.error(f"no such families: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    if options.searches is None:
        peers = [name for name, peer in PEERS.items() if peer.by_default]
        options.searches = peers if options.only_peers else [*_OURS, *BASELINES, *peers]
    if options.model:
        options.searches.append(WARM_WITH_MODEL)
    if unknown := {*options.searches, *options.again} - set(SEARCHES):
        parser.error(f"no such searches: {', '.join(sorted(unknown))}; there are {'; '.join(SEARCHES)}")
    if options.first_seed is None:
        options.first_seed = FIRST_DEVELOPMENT_SEED if options.development else 0
    if options.quick:
        options.families, options.tasks, options.seeds, options.searches = ["nas-bench-201"], 1, 2, list(_QUICK)
        # Not among the lines of a full run.
        options.work = options.work or Path(tempfile.mkdtemp(prefix="transfer-search-")) / "quick.jsonl"
    options.work = options.work or WORK
    return options


if __name__ == "__main__":
    sys.exit(main())
