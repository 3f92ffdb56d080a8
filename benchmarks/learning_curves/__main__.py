"""How well the service continues learning curves, what its advice to stop saves, and what a curve adds to a graph.

Protocol: final loss of held-out runs from the first 10, 30 and 50 % of their curves. NAS-Bench-NLP: 100 random cells
with full curves are recorded, all others are asked for, by seed. TaskSet: of each of eleven tasks 100 random runs are
recorded, all 1,000 runs of the twelfth are asked for, task by task. Diverged runs stay in, at twice the loss of
guessing. Stopping: 100 full curves of the task are recorded, all others train side by side, and are asked about on the
way; what the service says to stop is stopped. "After i epochs" stops all but the best of that epoch. Everything is
asked through the public API, but for the ablations, which leave members out of the same forecaster.

The forecaster was made on other splits (seeds 100 to 109, and 0 and 1 with 100 held out for the way in which it joins
other predictions), on other draws of TaskSet's history, and for stopping on TaskSet's training losses.

    python -m benchmarks.learning_curves --data DIR [--quick] [--address HOST:PORT]

writes benchmarks/results/learning_curves.json and docs/img/learning_curves*.png.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

import headstart
from benchmarks.learning_curves import figures
from benchmarks.learning_curves.figures import Numbers
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, write_json
from benchmarks.service import ServiceProblem, add_address_option, own_service, running_service, wait_for_predictor
from benchmarks.tables.learning_curves import CurveTable, nas_bench_nlp, taskset
from benchmarks.tables.table import MissingTable
from headstart.values import CurvePoint, Direction, Objective, Prediction, Query, Record, StopAdvice, Task, completed
from headstart_server.prediction.learning_curves.curve import Clip as _Clip
from headstart_server.prediction.learning_curves.curve import Curve, observed_values
from headstart_server.prediction.learning_curves.forecast import LAST_VALUE, CurveForecaster
from headstart_server.prediction.learning_curves.history_models import CURVE_PRIOR, SIMILAR_CURVES
from headstart_server.prediction.learning_curves.parametric import MMF4, POW4, extrapolate

SHARES = (0.1, 0.3, 0.5)
RECORDED = 100
BATCH = 1_000
LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95)
CHECKS = (2, 3, 5, 8, 10, 15, 20, 30, 40)
TRAINING_SECONDS = 120.0
MEMBER = "learning_curve"
BANDS = (10.0, 20.0, 30.0, 40.0, 50.0)


@dataclass(frozen=True)
class Base:
    """A search space with tasks of this run, filled with full curves."""

    client: headstart.Client
    table: CurveTable
    space_id: str
    task_ids: dict[str, str]

    @staticmethod
    def made(client: headstart.Client, table: CurveTable, tasks: Sequence[str]) -> Base:
        run = uuid.uuid4().hex[:8]
        space_id = f"{table.name}-curves-{run}"
        client.create_search_space(replace(table.space, search_space_id=space_id))
        ids = {name: f"{run}-{number}" for number, name in enumerate(tasks)}
        for name, task_id in ids.items():
            objective = Objective("loss", Direction.MINIMIZE)
            full = float(table.fidelities[-1])
            client.create_task(Task(task_id, objective, name, fidelity_unit="epoch", max_fidelity=full))
        return Base(client, table, space_id, ids)

    def record(self, task: str, rows: Sequence[int]) -> None:
        losses = self.table.losses[self.table.tasks.index(task)]
        records = [
            Record(
                self.task_ids[task],
                self.space_id,
                self.table.candidates[row],
                replace(completed(float(losses[row, -1])), learning_curve=self.curve(losses[row])),
            )
            for row in rows
        ]
        self.client.record_many(records, chunk_size=200)

    def curve(self, losses: Numbers) -> tuple[CurvePoint, ...]:
        points = zip(self.table.fidelities.tolist(), losses.tolist(), strict=False)
        return tuple(CurvePoint(fidelity, value) for fidelity, value in points)

    def ask(
        self, task: str, rows: Sequence[int], count: int, level: float = 0.9, fidelity: float | None = None
    ) -> list[Prediction]:
        """About candidates whose first ``count`` points are known."""
        losses = self.table.losses[self.table.tasks.index(task)]
        queries = [
            Query(self.table.candidates[row], self.curve(losses[row, :count]), fidelity=fidelity) for row in rows
        ]
        found: list[Prediction] = []
        for first in range(0, len(queries), BATCH):
            answer = self.client.predict(
                self.task_ids[task], self.space_id, queries[first : first + BATCH], interval_level=level, timeout=120
            )
            found += answer.predictions
        return found

    def forget(self) -> None:
        for task_id in self.task_ids.values():
            self.client.delete_task(task_id)


def means(predictions: Sequence[Prediction]) -> Numbers:
    return np.array([prediction.estimate.mean for prediction in predictions])


def curve_alone(predictions: Sequence[Prediction]) -> Numbers:
    return np.array([m.mean for each in predictions for m in each.members if m.member == MEMBER])


def covered(predictions: Sequence[Prediction], truth: Numbers) -> float:
    ends = np.array([(p.estimate.interval.lower, p.estimate.interval.upper) for p in predictions])
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


def measured(
    base: Base, task: str, history: Numbers, rows: Sequence[int], share: float, ablations: bool
) -> tuple[dict[str, Any], Numbers, Numbers]:
    """Errors of the service and of all baselines on runs of one task; what it predicted, and the truth."""
    table = base.table
    count = table.seen(share)
    losses = table.losses[table.tasks.index(task)][list(rows)]
    truth = losses[:, -1]
    start = time.perf_counter()
    answers = base.ask(task, rows, count)
    seconds = time.perf_counter() - start
    told: dict[str, Numbers] = {
        figures.HEADSTART: means(answers),
        figures.ALONE: curve_alone(answers),
        "last value": losses[:, count - 1],
    }
    cut = float(table.fidelities[count - 1])
    seen = [Curve(table.fidelities[:count], row[:count]) for row in losses]
    parts = observed_values(seen, [cut] * len(seen), 1.0, _Clip(-1e9, table.worst))
    for law in (POW4, MMF4):
        told[law.upper()] = extrapolate(law, parts, np.array([table.fidelities[-1] / cut]))[:, 0]
    told["Gaussian prior from history"] = figures.gaussian_prior(history, losses[:, :count])
    if ablations:
        full = [Curve(table.fidelities, row, float(row[-1])) for row in history]
        for left_out in (LAST_VALUE, POW4, MMF4, CURVE_PRIOR, SIMILAR_CURVES):
            forecaster = CurveForecaster(full, False, float(table.fidelities[-1]), without=[left_out])
            told[f"curve alone, without {left_out}"] = forecaster.forecast(seen).finals
    errors = {name: np.abs(np.minimum(values, table.worst) - truth) for name, values in told.items()}
    result: dict[str, Any] = {
        "mean": {name: float(each.mean()) for name, each in errors.items()},
        "median": {name: float(np.median(each)) for name, each in errors.items()},
        "coverage": covered(answers, truth),
        "seconds": seconds,
    }
    sound = truth < table.worst - 1e-6
    result["mean_of_sound"] = {name: float(each[sound].mean()) for name, each in errors.items()}
    # Where a run that diverged is held decides most of the mean: the same with all held at the loss of guessing.
    held = {
        name: np.minimum(values, table.worst / 2) - np.minimum(truth, table.worst / 2) for name, values in told.items()
    }
    result["mean_held_at_guessing"] = {name: float(np.abs(each).mean()) for name, each in held.items()}
    reasons = [p.curve_forecast.reason if p.curve_forecast else "" for p in answers]
    running = losses[:, count - 1] < table.worst - 1e-6
    chances = figures.chances_to_diverge(reasons)[running]
    result["divergence_auc"] = figures.area(~sound[running], chances)
    result["divergence_told"] = float(chances.mean())
    result["divergence_happened"] = float((~sound[running]).mean())
    return result, told[figures.HEADSTART], truth


def stopping(base: Base, task: str, rows: Sequence[int], history: Numbers, checks: Sequence[int]) -> dict[str, Any]:
    """Epochs saved and final regret when the service's advice is followed, and when all stop after i epochs."""
    losses = base.table.losses[base.table.tasks.index(task)][list(rows)]
    first = int(base.table.fidelities[0] == 0)
    alive, spent, before = np.ones(len(rows), bool), 0, 0
    for epoch in checks:
        spent, before = spent + int(alive.sum()) * (epoch - before), epoch
        running = np.flatnonzero(alive)
        answers = base.ask(task, [rows[place] for place in running.tolist()], epoch + first)
        stop = [p.curve_forecast is not None and p.curve_forecast.advice is StopAdvice.STOP for p in answers]
        alive[running[np.array(stop)]] = False
        if not alive.any():
            break
    full = int(base.table.fidelities[-1])
    spent += int(alive.sum()) * (full - before)
    known = float(history[:, -1].min())
    best = min(known, float(losses[:, -1].min()))
    size = max(float(losses[:, -1].max()) - best, 1e-12)
    front = {}
    for epoch in checks:
        chosen = losses[np.argmin(losses[:, epoch + first - 1]), -1]
        times = len(rows) * full / (len(rows) * epoch + full - epoch)
        front[str(epoch)] = (times, (min(known, float(chosen)) - best) / size)
    finished = min([known, *losses[alive, -1].tolist()])
    return {"times": len(rows) * full / max(spent, 1), "regret": (finished - best) / size, "front": front}


def graph_and_curve(base: Base, task: str, rows: Sequence[int], known: Sequence[int]) -> dict[str, Any]:
    """Of cells without an equivalent among the recorded: from the graph, from five epochs, and from both."""
    from headstart.spaces import canonicalize

    prints = {row: canonicalize(base.table.space, base.table.candidates[row]).fingerprint for row in (*rows, *known)}
    recorded = {prints[row] for row in known}
    new = [row for row in rows if prints[row] not in recorded]
    truth = base.table.losses[base.table.tasks.index(task)][new, -1]
    both = base.ask(task, new, 5)
    told = {
        "graph": means(base.ask(task, new, 0)),
        "curve (5 epochs)": curve_alone(both),
        "graph and curve": means(both),
    }
    return {
        name: {"error": float(np.abs(values - truth).mean()), "tau": figures.tau(truth, values)}
        for name, values in told.items()
    }


def nlp_seed(
    client: headstart.Client, table: CurveTable, seed: int, options: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Any]]:
    order = np.random.default_rng(seed).permutation(len(table.candidates)).tolist()
    known, rows = order[:RECORDED], order[RECORDED:][: options.held_out]
    task = table.tasks[0]
    history = table.losses[0][known]
    base = Base.made(client, table, [task])
    try:
        base.record(task, known)
        model = None
        if not options.quick:
            model = wait_for_predictor(client, base.space_id, 1, TRAINING_SECONDS)
        by_share: dict[str, Any] = {}
        shown: dict[str, Any] = {}
        for share in SHARES:
            by_share[str(share)], told, truth = measured(base, task, history, rows, share, not options.quick)
            shown[str(share)] = (told.tolist(), truth.tolist())
        result: dict[str, Any] = {"seed": seed, "model": model is not None, "by_share": by_share}
        result["stopping"] = stopping(base, task, rows, history, CHECKS)
        result["graph_and_curve"] = graph_and_curve(base, task, rows, known)
        truth = table.losses[0][rows, -1]
        result["levels"] = {
            str(level): [covered(base.ask(task, rows, table.seen(share), level), truth) for share in SHARES]
            for level in LEVELS
        }
        if seed == options.first_seed:
            shown["examples"] = examples(base, task, rows)
        return result, shown
    finally:
        base.forget()


def examples(base: Base, task: str, rows: Sequence[int]) -> list[Any]:
    """Curves with what was expected of them after five epochs: (losses, fidelities, means, lower, upper)."""
    finals = base.table.losses[0][list(rows), -1]
    chosen = [rows[place] for place in np.argsort(finals)[[0, len(rows) // 3, 2 * len(rows) // 3, -12]].tolist()]
    told = [base.ask(task, chosen, 5, fidelity=fidelity) for fidelity in BANDS]
    shown = []
    for place, row in enumerate(chosen):
        estimates = [each[place].estimate for each in told]
        ends = [(each.mean, each.interval.lower, each.interval.upper) for each in estimates]
        shown.append((base.table.losses[0][row].tolist(), list(BANDS), *map(list, zip(*ends, strict=True))))
    return shown


def taskset_task(
    client: headstart.Client, table: CurveTable, target: int, options: argparse.Namespace
) -> dict[str, Any]:
    generator = np.random.default_rng(options.first_seed + target)
    task = table.tasks[target]
    rows = list(range(len(table.candidates)))[: options.held_out]
    base = Base.made(client, table, table.tasks)
    try:
        history = []
        for number, other in enumerate(table.tasks):
            if number != target:
                chosen = generator.permutation(len(table.candidates))[:RECORDED].tolist()
                base.record(other, chosen)
                history.append(table.losses[number][chosen])
        known = np.concatenate(history)
        by_share = {str(share): measured(base, task, known, rows, share, False)[0] for share in SHARES}
        order = generator.permutation(len(table.candidates)).tolist()
        base.record(task, order[:RECORDED])
        rest = order[RECORDED:][: options.held_out]
        saved = stopping(base, task, rest, table.losses[target][order[:RECORDED]], CHECKS)
        return {"task": task, "by_share": by_share, "stopping": saved}
    finally:
        base.forget()


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    tables = nas_bench_nlp(options.data), taskset(options.data)
    nlp: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    shown: dict[str, Any] = {}
    with (
        running_service(options.address, console.print) as address,
        headstart.connect(address) as client,
        bars(console) as progress,
    ):
        for number in _steps(progress, "NAS-Bench-NLP, by seed", options.seeds):
            result, one = nlp_seed(client, tables[0], options.first_seed + number, options)
            nlp.append(result)
            shown = shown or one
    with (
        _without_models(options.address, console) as address,
        headstart.connect(address) as client,
        bars(console) as progress,
    ):
        for target in _steps(progress, "TaskSet, by task", options.tasks):
            tasks.append(taskset_task(client, tables[1], target, options))
    return {"nlp": nlp, "taskset": tasks, "shown": shown}


def _without_models(address: str | None, console: Console) -> AbstractContextManager[str]:
    """A service of its own that trains no model: whether one came in time would decide what is measured."""
    if address is not None:
        return running_service(address, console.print)
    return own_service(console.print, {"HEADSTART_TRAINING_MIN_EXPERIMENTS": str(10**9)})


def _steps(progress: Progress, what: str, count: int) -> Any:
    bar = progress.add_task(what, total=count, note="")
    for number in range(count):
        yield number
        progress.advance(bar)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learning_curves", description="How well the service continues learning curves."
    )
    add_address_option(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of nasbench_nlp_curves and taskset_curves")
    parser.add_argument("--seeds", type=int, default=10, help="splits of NAS-Bench-NLP (%(default)s)")
    parser.add_argument("--tasks", type=int, default=12, help="tasks of TaskSet (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed, one task, 60 held out, no model")
    parser.add_argument("--results", type=Path, default=RESULTS / "learning_curves.json", help="where figures go")
    parser.add_argument("--images", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args()
    options.held_out = 60 if options.quick else None
    # What was looked at while the forecaster was made are other splits: those of the quick run among them.
    options.first_seed = 0 if options.quick else 200
    if options.quick:
        options.seeds, options.tasks = 1, 1
    return options


def main() -> int:
    options = arguments()
    console = Console()
    try:
        found = run(options, console)
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    shown = found.pop("shown")
    summary = figures.summary(found)
    figures.print_tables(console, summary)
    command = "python -m benchmarks.learning_curves --data DIR" + (" --quick" if options.quick else "")
    about = {"benchmark": "learning_curves", "command": command, "recorded": RECORDED}
    write_json(options.results, {**about, "figures": summary, **found})
    figures.draw(options.images, summary, shown)
    console.print(f"Written: {options.results} and {options.images}/learning_curves*.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
