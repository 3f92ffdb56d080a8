"""What the service promises under load, measured in one run on one machine.

Recording, one result a call: 32 callers, fsync on, beside the server's own health check and an Optuna 5 gRPC proxy on
the same PostgreSQL. An import beside psycopg2's execute_values of the same rows. Predictions beside the bare model.
SelectStrategy beside the health check at the same calls a second. The client's import, and a start on a used directory.
What takes longer to measure (a million experiments, a million vectors) is quoted from the benchmarks that do.

    python -m benchmarks.serving [--quick] [--parts recording import prediction starting]

writes benchmarks/results/service.json and docs/img/service.png. Some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

import headstart
from benchmarks.knowledge_base import import_rate
from benchmarks.prediction import speed as prediction_speed
from benchmarks.report import IMAGES, RESULTS, commit, machine, write_json
from benchmarks.rows import Row, print_rows, row_figures
from benchmarks.service import ServiceProblem, short_directory
from benchmarks.serving import recording, starting
from benchmarks.tables import MissingTable


@dataclass(frozen=True)
class Size:
    calls: int
    rounds: int
    selections: int
    trials: int
    imported: int
    prediction: argparse.Namespace


FULL = Size(4_000, 5, 600, 300, 20_000, argparse.Namespace(labels=1_000, batches=10, singles=300, pause=20.0))
QUICK = Size(96, 1, 10, 8, 200, argparse.Namespace(labels=100, batches=2, singles=20, pause=0.0))


PARTS = ("recording", "import", "prediction", "starting")


def recording_rows(measured: recording.Recording) -> list[Row]:
    record = statistics.median(each.record.rate for each in measured.rounds)
    ratio = statistics.median(each.ratio for each in measured.rounds)
    selected, nothing = measured.select.milliseconds(0.95), measured.nothing.milliseconds(0.95)
    return [
        Row("RecordExperiment, 32 in flight / no-op call", ratio, "x", 0.5, False),
        Row("RecordExperiment, 32 in flight / Optuna proxy", record / measured.optuna, "x", 50.0, False),
        Row("SelectStrategy p95 / no-op call's p95", selected / nothing, "x", 3.0, True),
    ]


def import_row(rows: int) -> tuple[Row, dict[str, float]]:
    records = [replace(record, request_id=str(uuid.uuid4())) for record in import_rate.records(rows)]
    with short_directory() as place, import_rate.own_cluster(place) as cluster:
        done = import_rate.measure(cluster, place, records, 0)
    return Row("RecordExperiments / execute_values", done.service / done.chunks, "x", 0.5, False), vars(done)


def prediction_rows(size: Size, console: Console) -> tuple[list[Row], dict[str, Any]]:
    figures = prediction_speed.figures_of(prediction_speed.run(size.prediction, console))
    return [
        Row("PredictPerformance, 1,000 candidates", figures["candidates_per_second_new"], "/s", 10_000.0, False),
        Row("the same call / bare forward pass", figures["call_over_forward"], "x", 3.0, True),
        Row("PredictPerformance, one candidate, p50", figures["single_p50_milliseconds"], "ms", 10.0, True),
    ], figures


def starting_rows(console: Console) -> list[Row]:
    seconds, loaded = starting.import_seconds(5)
    if loaded:
        console.print(f"import headstart loads {', '.join(loaded)}")
    return [
        Row("import headstart", seconds, "s", 0.3, True),
        Row("up on a used directory until SERVING", starting.restart_seconds(), "s", 10.0, True),
    ]


def quoted_rows() -> list[Row]:
    """From the last runs of the benchmarks that need an hour."""
    rows = []
    scale = json.loads((RESULTS / "knowledge_base_scale.json").read_text())
    p95 = {call["size"]: call["p95"] for call in scale["calls"] if call["call"] == "WarmStart, 50 results"}
    source = f"make bench-scale, {scale['date']}, {scale['commit']}"
    rows.append(Row("WarmStart at 1 M experiments, p95", p95[1_000_000], "ms", 50.0, True, source))
    rows.append(Row("the same / at 10 k", p95[1_000_000] / p95[10_000], "x", 1.5, True, source))
    nearest = json.loads((RESULTS / "knowledge_base_nearest.json").read_text())
    largest = max(nearest["figures"], key=lambda figure: figure["vectors"])
    source = f"make bench-nearest, {nearest['date']}, {nearest['commit']}"
    rows.append(Row("nearest of 1 M vectors, recall@10", largest["recall"], "", 0.95, False, source))
    rows.append(Row("nearest of 1 M vectors, p95", largest["p95"], "ms", 20.0, True, source))
    return rows


def draw(path: Path, rows: Sequence[Row]) -> None:
    """How often each figure holds its target: right of the line it is met."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.36 * len(rows) + 0.9), layout="constrained")
    margins = [row.target / row.figure if row.at_most else row.figure / row.target for row in rows]
    colours = ["tab:green" if row.met else "tab:red" for row in rows]
    axes.barh(range(len(rows)), [margin - 1 for margin in margins], left=1, color=colours)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.what + ("*" if row.quoted else "") for row in rows])
    axes.set(xscale="log", xlabel="times better than the target (* quoted from another run)")
    axes.invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def described(measured: recording.Recording) -> dict[str, Any]:
    quantiles = (0.5, 0.95, 0.99)

    def told(timed: recording.Timed) -> dict[str, float]:
        return {"per_second": timed.rate, **{f"p{q * 100:g}_ms": timed.milliseconds(q) for q in quantiles}}

    return {
        "rounds": [
            {"ratio": each.ratio, "before": told(each.before), "record": told(each.record), "after": told(each.after)}
            for each in measured.rounds
        ],
        "record_alone": told(measured.alone),
        "select_strategy": told(measured.select),
        "no_op_at_the_same_rate": told(measured.nothing),
        "optuna_trials_per_second": measured.optuna,
    }


def measure(parts: Sequence[str], size: Size, console: Console) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and the figures behind them."""
    rows: list[Row] = []
    figures: dict[str, Any] = {}
    if "recording" in parts:
        with short_directory() as place:
            measured = recording.measure(place, size.calls, size.rounds, size.selections, size.trials)
        rows += recording_rows(measured)
        figures["recording"] = described(measured)
        for each in measured.rounds:
            console.print(
                f"no-op {each.before.rate:,.0f} and {each.after.rate:,.0f}/s, RecordExperiment "
                f"{each.record.rate:,.0f}/s (p95 {each.record.milliseconds(0.95):.0f} ms): {each.ratio:.2f}"
            )
        console.print(f"Optuna's proxy: {measured.optuna:,.1f} trials/s")
    if "import" in parts:
        row, figures["import_rows_per_second"] = import_row(size.imported)
        rows.append(row)
    if "prediction" in parts:
        predicted, figures["prediction"] = prediction_rows(size, console)
        rows += predicted
    if "starting" in parts:
        rows += starting_rows(console)
    return rows + quoted_rows(), figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few calls of each kind")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (all)")
    parser.add_argument("--results", type=Path, default=RESULTS / "service.json", help="where the figures go")
    parser.add_argument("--image", type=Path, default=IMAGES / "service.png", help="where the picture goes")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    console = Console()
    try:
        rows, figures = measure(options.parts, size, console)
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print_rows(console, "The service under load", rows)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")
    write_json(
        options.results,
        {
            "benchmark": "service",
            "command": "python -m benchmarks.serving" + (" --quick" if options.quick else ""),
            "rows": row_figures(rows),
            **figures,
        },
    )
    draw(options.image, rows)
    console.print(f"Written: {options.results} and {options.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
