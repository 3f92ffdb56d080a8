"""The targets of protocol T, each as a row: figure, target, met.

The transfer between spaces and protocol W have files of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from benchmarks.report import Spread
from benchmarks.rows import Row
from benchmarks.transfer_search.figures import Numbers, Results, measure, ratio
from benchmarks.transfer_search.searches import ALONE, SERVICE_SEARCHES, SHUFFLED, WARM

PAST_FIRST = ("past, then tpe", "past, then evolution")
# Kendall tau of random candidates between tasks, above which a family's tasks are said to agree. NAS-Bench-Graph has
# .18, all others .49 to .83.
AGREEING = 0.4
# A task is harmed where this factor lies below the 95 % interval of the paired ratio.
HARM = 1.05
LEAST_SEEDS = 3


def rows(results: Results, agreement: Mapping[str, float], ours: str = WARM) -> list[Row]:
    """What can be said of the searches that were run."""
    every = [results.of_family(family) for family in results.families]
    told = _against_peers(every, ours) + _against_the_better(every, ours)
    agreeing = [own for own in every if agreement.get(own.families[0], 0.0) >= AGREEING]
    told += _first_five(agreeing, ours)
    for own in every:
        shuffled = compared(own, SHUFFLED, ALONE)
        if shuffled is not None:
            told.append(_row(f"{own.families[0]}: shuffled history / no history", shuffled.mean, HARM))
    return told


def compared(family: Results, ours: str, theirs: str, point: int | None = None) -> Spread | None:
    """The ratio of the areas of a family, or of the regrets after ``point`` evaluations, on the runs of both."""
    common = family.common([ours, theirs])
    if not common:
        return None
    return ratio(_values(common, ours, point), _values(common, theirs, point))


def best_peer(family: Results) -> str | None:
    """The one with the lowest area of those that are not ours and have run all tasks of the family.

    With few seeds one may look best by luck: it must have run three, or as many as any search has.
    """
    seeds = {search: min(len(family.seeds(search, task)) for task in family.tasks) for search in family.searches}
    enough = min(LEAST_SEEDS, max(seeds.values()))
    areas = {}
    for search in family.searches:
        common = family.common([search])
        if search not in SERVICE_SEARCHES and seeds[search] >= enough:
            areas[search] = fmean(_means(common, search, None))
    return min(areas, key=areas.__getitem__) if areas else None


def harmed(family: Results, ours: str, rivals: Sequence[str]) -> list[str]:
    """Tasks whose area is beyond noise above 1.05 x that of one of the rivals."""
    found = set()
    for rival in rivals:
        for task, own in family.common([ours, rival]).items():
            one = {task: own}
            enough = len(own[ours]) > 1
            if enough and ratio(_values(one, ours, None), _values(one, rival, None)).lower > HARM:
                found.add(task)
    return sorted(found)


def _against_peers(every: Sequence[Results], ours: str) -> list[Row]:
    told, mine, best = [], [], []
    for own in every:
        peer = best_peer(own)
        if peer is None or not (common := own.common([ours, peer])):
            continue
        mine.append(fmean(_means(common, ours, None)))
        best.append(fmean(_means(common, peer, None)))
        told.append(_row(f"{own.families[0]}: area / best peer ({peer})", mine[-1] / best[-1], 0.8))
    if mine:
        told.insert(0, _row("area, mean over families / best peer of each", fmean(mine) / fmean(best), 0.8))
    return told


def _against_the_better(every: Sequence[Results], ours: str) -> list[Row]:
    told: list[Row] = []
    count = 0
    for own in every:
        found = {rival: each for rival in (ALONE, *PAST_FIRST) if (each := compared(own, ours, rival)) is not None}
        if found:
            rival = max(found, key=lambda each: found[each].mean)
            told.append(_row(f"{own.families[0]}: area / better of no history and past first", found[rival].mean, 1.0))
            count += len(harmed(own, ours, list(found)))
    if told:
        told.append(Row("tasks harmed beyond noise by more than 5 %", float(count), "", 0.0, True))
    return told


def _first_five(agreeing: Sequence[Results], ours: str) -> list[Row]:
    ratios = {
        own.families[0]: each.mean for own in agreeing if (each := compared(own, ours, PAST_FIRST[0], 5)) is not None
    }
    if not ratios:
        return []
    mean = _row("regret after 5 / past first, families that agree", fmean(ratios.values()), 0.9)
    return [mean, *(_row(f"{family}: regret after 5 / past first", each, 0.9) for family, each in ratios.items())]


def _row(what: str, figure: float, target: float) -> Row:
    return Row(what, figure, "x", target, True)


def _values(common: Mapping[str, Mapping[str, Numbers]], search: str, point: int | None) -> list[Numbers]:
    return [measure(own[search], point) for own in common.values()]


def _means(common: Mapping[str, Mapping[str, Numbers]], search: str, point: int | None) -> list[float]:
    return [float(each.mean()) for each in _values(common, search, point)]
