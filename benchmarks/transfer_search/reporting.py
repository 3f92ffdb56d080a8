"""Prints what the working file has of the runs that were asked for, and writes it down with a picture."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.report import commit, machine, write_json
from benchmarks.rows import print_rows, row_figures
from benchmarks.tables import MissingTable
from benchmarks.transfer_search import targets
from benchmarks.transfer_search.families import PAST_EVALUATIONS, agreement, cases_of
from benchmarks.transfer_search.figures import BUDGET, POINTS, Results, described, overall, paired
from benchmarks.transfer_search.peers import pinned
from benchmarks.transfer_search.searches import SERVICE_SEARCHES, WARM
from benchmarks.transfer_search.work import Done, Run, WorkingFile


def report(options: argparse.Namespace, console: Console) -> None:
    done, agreeing = _asked_for(options, WorkingFile(options.work).read(), console)
    results = Results.of(done)
    if not results.curves:
        console.print(f"{options.work} has none of these runs")
        return
    told = described(results)
    for family, searches in told.items():
        _print_family(console, f"{family} (tasks agree at tau {agreeing[family]:.2f})", searches)
    _print_overall(console, results)
    rows = targets.rows(results, agreeing)
    if rows:
        print_rows(console, "Targets", rows)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")
    if options.development or options.only_peers:
        return
    write_json(
        options.results,
        {
            "benchmark": "transfer_search",
            "command": "python -m benchmarks.transfer_search" + (" --quick" if options.quick else ""),
            "seeds": options.seeds,
            "first_seed": options.first_seed,
            "evaluations": BUDGET,
            "evaluations_on_record": PAST_EVALUATIONS,
            "rows": row_figures(rows),
            "agreement": agreeing,
            "families": told,
            "over_families": {search: overall(results, search) for search in results.searches},
            "area_warm_start_minus": {
                search: paired(results, WARM, search) for search in results.searches if search != WARM
            },
            "searches": _about_searches(done),
            "other_tools": pinned(),
        },
    )
    from benchmarks.transfer_search.pictures import draw

    draw(options.image, results, tuple(SERVICE_SEARCHES))
    console.print(f"Written: {options.results} and {options.image}")


def _asked_for(
    options: argparse.Namespace, done: Mapping[Run, Done], console: Console
) -> tuple[dict[Run, Done], dict[str, float]]:
    """The runs of these families, tasks and seeds, of all searches in the file; and how far each family agrees."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    chosen: dict[Run, Done] = {}
    agreeing: dict[str, float] = {}
    for family in options.families:
        try:
            cases = cases_of(family, options.data, options.first_seed, options.development, options.tasks)
        except MissingTable as problem:
            console.print(f"{family} is left out: {problem}")
            continue
        tasks = {case.task.name for case in cases}
        own = {run: each for run, each in done.items() if run.family == family and run.task in tasks}
        own = {run: each for run, each in own.items() if run.seed in seeds}
        if own:
            chosen |= own
            agreeing[family] = agreement(
                [case.task for case in cases] if len(cases) > 1 else [cases[0].task, *cases[0].sources]
            )
    return chosen, agreeing


def _about_searches(done: Mapping[Run, Done]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for search in dict.fromkeys(run.search for run in done):
        own = [each for run, each in done.items() if run.search == search]
        told[search] = {
            "runs": len(own),
            "commits": sorted({each.commit for each in own}),
            "seconds_per_evaluation": sum(each.seconds for each in own) / len(own) / BUDGET,
        }
    return told


def _print_family(console: Console, title: str, searches: Mapping[str, Any]) -> None:
    grid = _grid(title, ("tasks", "seeds", "area", *(f"after {point}" for point in POINTS)))
    for search, own in sorted(searches.items(), key=lambda item: float(item[1]["area"].mean)):
        regrets = (f"{own[f'regret_after_{point}'].mean:.3f}" for point in POINTS)
        seeds = "-".join(map(str, own["seeds"]))
        grid.add_row(search, str(len(own["area_of_tasks"])), seeds, f"{own['area']:.3f}", *regrets)
    console.print(grid)


def _print_overall(console: Console, results: Results) -> None:
    grid = _grid("mean over families", ("area", *(f"after {point}" for point in POINTS), "warm start minus this"))
    rows = []
    for search in results.searches:
        area = overall(results, search)
        if area is not None:
            regrets = [overall(results, search, point) for point in POINTS]
            against = paired(results, WARM, search) if search != WARM else None
            cells = [f"{area:.3f}", *(f"{each.mean:.3f}" for each in regrets if each is not None)]
            rows.append((area.mean, search, [*cells, "" if against is None else f"{against:+.3f}"]))
    for _, search, cells in sorted(rows):
        grid.add_row(search, *cells)
    console.print(grid)


def _grid(title: str, headings: Sequence[str]) -> Grid:
    grid = Grid(title=title)
    grid.add_column("search")
    for heading in headings:
        grid.add_column(heading, justify="right")
    return grid
