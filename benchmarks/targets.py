"""The targets of benchmarks that measure before they judge: from the figures of a run to rows of promises.

Benchmarks whose rows need more than the figures that they write (serving, reliability, transfer_search, warm_start's
everyday) make their rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from benchmarks.rows import Row

Figures = Mapping[str, Any]

LABELS = (78, 156, 469, 781, 1563)
PREDICTION_TAU = dict(zip(LABELS, (0.74, 0.80, 0.86, 0.885, 0.905), strict=True))
PREDICTION_PRECISION = dict(zip(LABELS, (0.50, 0.58, 0.65, 0.68, 0.72), strict=True))
OTHER_TASK_TAU = {16: 0.78, 78: 0.84, 391: 0.88}
COVERAGE = (0.88, 0.92)
LEAST_LABELS_FOR_COVERAGE = 16
# Mean and median absolute error of NLP curves after a share of the epochs.
CURVE_ERRORS = {"0.1": (0.15, 0.08), "0.3": (0.07, 0.025), "0.5": (0.035, 0.014)}
# Least share of the cold search's evaluations saved: mean over tasks, worst task.
REDUCTION = {"nas-bench-graph": (0.65, 0.15), "nas-bench-201": (0.98, 0.0)}
REDUCTION_WITHOUT_HISTORY = (0.45, 0.0)
HARM = 1.10


def promised(benchmark: str, figures: Figures) -> list[Row]:
    """The rows of a run's figures. Raises KeyError where ``benchmark`` has no targets here."""
    return TARGETS[benchmark](figures)


def algorithm_selection(figures: Figures) -> list[Row]:
    rows = []
    gaps = []
    for scenario in figures["scenarios"]:
        gaps.append(scenario["closed_gap"]["headstart"]["mean"])
        forest = max(own["mean"] for name, own in scenario["closed_gap"].items() if name != "headstart")
        what = f"{scenario['scenario']}: closed gap less that of the better forest"
        rows.append(Row(what, gaps[-1] - forest, "", 0.0, False))
    return [Row("closed gap, mean of the scenarios", sum(gaps) / len(gaps), "", 0.55, False), *rows]


def domain_shift(figures: Figures) -> list[Row]:
    return [
        Row(f"{past}: area saved by the past", own["ranks"]["mean"], "", 0.0, False)
        for past, own in figures["pasts"].items()
    ]


def knowledge_base_import(figures: Figures) -> list[Row]:
    ratio = figures["ratio"]["execute_values, a commit for each 1,000 rows"]["mean"]
    return [Row("RecordExperiments / execute_values", ratio, "x", figures["target"], False)]


def knowledge_base_nearest(figures: Figures) -> list[Row]:
    rows = []
    for each in figures["figures"]:
        of = f"nearest of {each['vectors']:,} vectors of {each['embedding']}"
        rows += [
            Row(f"{of}: recall@10", each["recall"], "", 0.95, False),
            Row(f"{of}: p95", each["p95"], "ms", 20.0, True),
        ]
    return rows


def knowledge_base_scale(figures: Figures) -> list[Row]:
    p95 = {(call["call"], call["size"]): call["p95"] for call in figures["calls"]}
    sizes = sorted({size for _, size in p95})
    rows = []
    for call in ("WarmStart, new task", "WarmStart, 50 results"):
        largest, smallest = p95[call, sizes[-1]], p95[call, sizes[0]]
        rows += [
            Row(f"{call}, {sizes[-1]:,} experiments: p95", largest, "ms", 50.0, True),
            Row(f"{call}: p95 at {sizes[-1]:,} experiments / at {sizes[0]:,}", largest / smallest, "x", 1.5, True),
        ]
    return [*rows, Row("calls that failed after Chroma was killed", figures["chroma_killed"]["failed"], "", 0.0, True)]


def knowledge_base_task_similarity(figures: Figures) -> list[Row]:
    own = {name: each["mean"] for name, each in figures["figures"].items()}
    best_alone = max(value for name, value in own.items() if name.endswith("alone"))
    what = "rank correlation of the answer's order less that of its best part alone"
    return [Row(what, own["order of the answer"] - best_alone, "", 0.0, False)]


def learning_curves(figures: Figures) -> list[Row]:
    rows = []
    for name in [name for name in ("nlp", "taskset") if name in figures["figures"]]:
        own = figures["figures"][name]
        for share, measured in own["by_share"].items():
            after = f"{name} after {float(share):.0%}"
            error, last = measured["methods"]["headstart"], measured["methods"]["last value"]
            mean, middle = CURVE_ERRORS[share] if name == "nlp" else (last["mean"]["mean"], last["median"]["mean"])
            rows += [
                Row(f"{after}: mean absolute error", error["mean"]["mean"], "", mean, True),
                Row(f"{after}: median absolute error", error["median"]["mean"], "", middle, True),
                *_covered(after, measured["coverage"]["mean"]),
            ]
        rows += [
            Row(f"{name}, stopping: epochs of all runs / spent", own["stopping"]["times"]["mean"], "x", 4.0, False),
            Row(f"{name}, stopping: final regret", own["stopping"]["regret"]["mean"], "", 0.005, True),
        ]
    return rows


def prediction(figures: Figures) -> list[Row]:
    rows = []
    for measured in figures["parts"].get("labels", ()):
        labels, own = measured["labels"], measured["rankings"]["headstart"]
        of = f"{measured['setting']}, {labels} labels"
        if labels in PREDICTION_TAU:
            rows += [
                Row(f"{of}: Kendall tau", own["tau"]["mean"], "", PREDICTION_TAU[labels], False),
                Row(f"{of}: precision at 1 %", own["precision"]["mean"], "", PREDICTION_PRECISION[labels], False),
            ]
    for measured in figures["parts"].get("other_task", ()):
        labels = measured["labels"]
        if labels in OTHER_TASK_TAU:
            of = f"{measured['setting']}, {labels} labels"
            tau = measured["rankings"]["headstart"]["tau"]["mean"]
            rows.append(Row(f"{of}: Kendall tau", tau, "", OTHER_TASK_TAU[labels], False))
    for part in ("labels", "other_task", "proxies"):
        for measured in figures["parts"].get(part, ()):
            if measured["labels"] >= LEAST_LABELS_FOR_COVERAGE:
                of = f"{measured['setting']}, {measured['labels']} labels"
                rows += _covered(of, measured["figures"]["coverage"]["mean"])
    return rows


def prediction_speed(figures: Figures) -> list[Row]:
    own = figures["figures"]
    return [
        Row("1,000 new candidates", own["candidates_per_second_new"], "/s", 10_000.0, False),
        Row("the same call / bare forward pass", own["call_over_forward"], "x", 3.0, True),
        Row("one candidate, p50", own["single_p50_milliseconds"], "ms", 10.0, True),
    ]


def service_endurance(figures: Figures) -> list[Row]:
    return [
        Row("resident memory at the end / after five minutes", figures["growth"], "x", figures["target"], True),
        Row("acknowledged results lost", figures["lost"], "", 0.0, True),
        Row("results kept twice", figures["doubled"], "", 0.0, True),
        Row("calls that failed", sum(figures["failures"].values()), "", 0.0, True),
    ]


def row_security(figures: Figures) -> list[Row]:
    """Row-level security may cost a call five per cent, or a quarter of a millisecond where that is more."""
    took = {(each["call"], each["server"]): median(each["took_ms"]) for each in figures["figures"]}
    rows = []
    for call in dict.fromkeys(call for call, _ in took):
        without = took[call, "without"]
        allowed = max(0.25, 0.05 * without)
        rows.append(Row(f"{call}: added by row-level security", took[call, "with"] - without, "ms", allowed, True))
    return rows


def simulation(figures: Figures) -> list[Row]:
    steady = figures["steady"]
    lost = max(0, steady["acknowledged"] - steady["kept"])
    rows = [
        Row("calls that failed", sum(steady["failures"].values()), "", 0.0, True),
        Row("acknowledged results lost", lost, "", 0.0, True),
    ]
    return rows + [
        Row(f"{call}: p95", own["p95"], "ms", figures["bound"], True) for call, own in steady["milliseconds"].items()
    ]


def strategy(figures: Figures) -> list[Row]:
    rows = []
    for each in figures["selected"]:
        of = f"{each['mode']} on record, {each['budget']} evaluations"
        if each["mode"] == "none":
            rows.append(Row(f"{of}: area / best in hindsight", each["ours_to_best_in_hindsight"], "x", 1.10, True))
        else:
            rows.append(Row(f"{of}: area / single best", each["ours_to_sbs"]["mean"], "x", 0.92, True))
            rows.append(Row(f"{of}: tasks above 1.05 x single best", each["tasks_above_1.05"], "", 0.0, True))
    return rows


def strategy_drift(figures: Figures) -> list[Row]:
    """After a change Headstart's regret is at most that of the better classic; without one, at most twice the best."""
    rows = []
    for course, regret in figures["regret"].items():
        better = min(own["mean"] for name, own in regret.items() if name != "Headstart")
        allowed = 2.0 if course in ("steady", "fading") else 1.0
        what = f"{course}: regret / better of UCB1 and Thompson sampling"
        rows.append(Row(what, regret["Headstart"]["mean"] / better, "x", allowed, True))
    return rows


def tracing(figures: Figures) -> list[Row]:
    """One call in a hundred traced may cost a tenth of the processor time of a call."""
    spent = {(each["call"], each["in_flight"], each["server"]): each["cpu_us"] for each in figures["figures"]}
    rows = []
    for (call, in_flight, server), microseconds in spent.items():
        if server == "1 % of calls":
            what = f"{call}, {in_flight} in flight: processor time with 1 % traced / off"
            rows.append(Row(what, microseconds / spent[call, in_flight, "off"], "x", 1.10, True))
    return rows


def transfer(figures: Figures) -> list[Row]:
    return [
        Row(f"{labels} labels a class: accuracy more than {other}", own["mean"], "", 0.0, False)
        for labels, gains in figures["overall_gain"].items()
        for other, own in gains.items()
    ]


def unit_costs(figures: Figures) -> list[Row]:
    bytes_per_row = sum(own["total"] for own in figures["bytes_per_row"].values())
    return [Row("bytes of PostgreSQL an experiment, its architecture new", bytes_per_row, "bytes", 2_048.0, True)]


def warm_start(figures: Figures) -> list[Row]:
    rows = []
    for tables, own in figures["tables"].items():
        if tables not in REDUCTION:
            continue
        mean, worst = REDUCTION[tables]
        mean_without, worst_without = REDUCTION_WITHOUT_HISTORY
        for search, least_mean, least_worst in (
            ("warm start", mean, worst),
            ("no history", mean_without, worst_without),
        ):
            if search in own["mean_reduction"]:
                of = f"{tables}, {search}: share of evaluations saved"
                rows += [
                    Row(f"{of}, mean", own["mean_reduction"][search], "", least_mean, False),
                    Row(f"{of}, worst task", own["worst_reduction"][search], "", least_worst, False),
                ]
        for search in ("warm start", "shuffled history"):
            ratios = [each["against_no_history"].get(search) for each in own["tasks"].values()]
            if ratios and None not in ratios:
                harmed = sum(ratio > HARM for ratio in ratios)
                rows.append(Row(f"{tables}, {search}: tasks above {HARM:g} x no history", harmed, "", 0.0, True))
        rows.append(Row(f"{tables}: repeated suggestions", own["repeated"], "", 0.01, True))
    return rows


def warm_start_workers(figures: Figures) -> list[Row]:
    return [Row("share of evaluations that repeat another", figures["repeated_share"], "", 0.01, True)]


def _covered(of: str, coverage: float) -> list[Row]:
    lowest, highest = COVERAGE
    return [
        Row(f"{of}: coverage of 90 % intervals, lower bound", coverage, "", lowest, False),
        Row(f"{of}: coverage of 90 % intervals, upper bound", coverage, "", highest, True),
    ]


TARGETS: Mapping[str, Callable[[Figures], list[Row]]] = {
    "algorithm_selection": algorithm_selection,
    "domain_shift": domain_shift,
    "knowledge_base_import": knowledge_base_import,
    "knowledge_base_nearest": knowledge_base_nearest,
    "knowledge_base_scale": knowledge_base_scale,
    "knowledge_base_task_similarity": knowledge_base_task_similarity,
    "learning_curves": learning_curves,
    "prediction": prediction,
    "prediction_speed": prediction_speed,
    "row_security": row_security,
    "service_endurance": service_endurance,
    "simulation": simulation,
    "strategy": strategy,
    "strategy_drift": strategy_drift,
    "tracing": tracing,
    "transfer": transfer,
    "unit_costs": unit_costs,
    "warm_start": warm_start,
    "warm_start_workers": warm_start_workers,
}
