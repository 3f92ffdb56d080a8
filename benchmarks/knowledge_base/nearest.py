"""How well and how quickly the service finds the nearest of many architectures.

A service of its own gets a search space of cells with 15 operations, and 10,000, then 100,000, then 1,000,000 different
architectures of it, each with one (made-up) result: written into PostgreSQL by COPY, with their rows in the outbox, as
RecordExperiments would leave them. From there on everything is the service's own: the worker embeds them and brings
them to Chroma, and one caller asks SearchArchitectures over gRPC for the ten nearest of candidates that are not
recorded (half of them drawn at random, half a few changes away from recorded ones). Exact neighbours come from
comparing with all embeddings, made again here from what is stored. A second space, smaller, gets a trained model first,
so that its index is made of the graph network's embeddings.

Recall is the share of the ten exact neighbours that the answer names; of ties one counts as exact, so that it never
comes out too high.

    python -m benchmarks.knowledge_base.nearest [--vectors 1000000] [--data DIRECTORY] [--quick]

writes benchmarks/results/knowledge_base_nearest.json and docs/img/knowledge_base_nearest.png.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Grid

import headstart
from benchmarks.knowledge_base.direct_load import TASKS, Database, task_id
from benchmarks.knowledge_base.large_space import architectures, changed, draw, large_space
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, commit, machine, write_json
from benchmarks.service import ServiceProblem, own_service, wait_for_predictor
from headstart.spaces import Candidate, SearchSpace, canonicalize, sample
from headstart.values import Direction, Objective, Record, Task, completed
from headstart_server.knowledge.json_columns import canonical_from_json
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.serving.scorer import LocalScorer
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.settings import load_settings

Floats = np.ndarray[Any, np.dtype[np.float32]]

NEIGHBOURS = 10
QUERIES = 500
WARM_UP = 20
# Results recorded over the network before the model of the second space is trained.
LABELS = 1_000
WAIT_SECONDS = 7_200.0
# Of a service that trains no model: the index stays with structural embeddings.
NO_TRAINING = {"HEADSTART_TRAINING_MIN_EXPERIMENTS": str(10**9)}
ONE_TRAINING = {"HEADSTART_TRAINING_MIN_EXPERIMENTS": str(LABELS), "HEADSTART_TRAINING_GROWTH": "1000000"}


@dataclass(frozen=True)
class Searched:
    """What one caller saw at one size; milliseconds."""

    embedding: str
    vectors: int
    dimensions: int
    # None where they were in the index before.
    indexing_seconds: float | None
    recall: float
    p50: float
    p95: float
    worst: float
    degraded: int
    queries: int


def create(client: headstart.Client, space: SearchSpace) -> None:
    client.create_search_space(space)
    for number in range(TASKS):
        client.create_task(Task(task_id(number), Objective("accuracy", Direction.MAXIMIZE)))


def load(progress: Progress, database: Database, space: SearchSpace, count: int, seed: str) -> None:
    bar = progress.add_task("writing records", total=count, note="")
    generator = random.Random(seed)
    for portion in architectures(space, count, seed, os.cpu_count() or 1, database.fingerprints()):
        database.store(portion, generator)
        progress.advance(bar, len(portion))


def wait_for_index(progress: Progress, database: Database, count: int) -> str:
    """Until all are in the index; its version. Raises ServiceProblem after two hours."""
    bar = progress.add_task("indexing", total=count, note="")
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        progress.update(bar, completed=max(0, count - database.waiting()))
        index = database.index()
        if index is not None and index[1] >= count:
            progress.update(bar, completed=count)
            return index[0]
        time.sleep(1.0)
    raise ServiceProblem(f"the index did not get {count:,} architectures within {WAIT_SECONDS:,.0f} seconds")


def embeddings(
    progress: Progress, database: Database, space: SearchSpace, embedding: str
) -> tuple[list[str], Floats, Any]:
    """Fingerprints [n], embeddings [n, d] made from what is stored, and what makes more of them."""
    if embedding.startswith("structural"):
        embed = StructuralFeatures(feature_layout(space)).vectors
    else:
        engine = create_engine(load_settings(database_url=database.url))
        scorer = LocalScorer(engine, load_settings(database_url=database.url))
        name = f"default/{space.search_space_id}/{embedding.removeprefix('graph-').partition('.')[0]}"

        def embed(candidates: Sequence[Any]) -> Floats:
            return scorer.score(name, candidates).embeddings

    bar = progress.add_task("embedding, to compare", total=None, note="")
    fingerprints: list[str] = []
    parts = []
    for portion in database.read():
        fingerprints += [fingerprint for fingerprint, _ in portion]
        parts.append(embed([canonical_from_json(fingerprint, canonical) for fingerprint, canonical in portion]))
        progress.advance(bar, len(portion))
    progress.update(bar, total=len(fingerprints))
    return fingerprints, np.concatenate(parts), embed


def queries(space: SearchSpace, recorded: Sequence[Candidate], known: set[str], count: int) -> list[Candidate]:
    """Candidates that are not recorded: every other one drawn at random, every other one near a recorded one."""
    generator = random.Random("queries")
    found: list[Candidate] = []
    while len(found) < count:
        near = len(found) % 2
        candidate = changed(space, generator.choice(recorded), generator) if near else sample(space, generator)
        if canonicalize(space, candidate).fingerprint not in known:
            found.append(candidate)
    return found


def exact(vectors: Floats, asked: Floats) -> list[set[int]]:
    """Rows of the NEIGHBOURS nearest of each asked vector."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    rows = []
    for vector in asked:
        rough = squares - 2 * (vectors @ vector)
        # The rough distances are rounded: the nearest of some more, by exact ones.
        some = np.argpartition(rough, min(5 * NEIGHBOURS, len(rough) - 1))[: 5 * NEIGHBOURS]
        distances = np.linalg.norm(vectors[some].astype(np.float64) - vector, axis=1)
        rows.append(set(some[np.argsort(distances, kind="stable")[:NEIGHBOURS]].tolist()))
    return rows


def ask(
    progress: Progress,
    client: headstart.Client,
    database: Database,
    space: SearchSpace,
    version: str,
    seconds: float | None,
) -> Searched:
    fingerprints, vectors, embed = embeddings(progress, database, space, version)
    candidates = queries(space, database.last_candidates(), set(fingerprints), QUERIES + WARM_UP)
    asked = embed([canonicalize(space, candidate) for candidate in candidates[WARM_UP:]])
    bar = progress.add_task("exact neighbours", total=1, note="")
    nearest = exact(vectors, asked)
    progress.advance(bar)
    del vectors
    bar = progress.add_task("searching", total=QUERIES, note="")
    times, right, degraded = [], 0, 0
    for number, candidate in enumerate(candidates):
        begin = time.perf_counter()
        answer = client.search_architectures(space.search_space_id, candidate, count=NEIGHBOURS)
        took = time.perf_counter() - begin
        if number < WARM_UP:
            continue
        place = number - WARM_UP
        times.append(took * 1000)
        names = {fingerprints[row] for row in nearest[place]}
        right += len({match.fingerprint for match in answer.matches} & names)
        degraded += answer.degraded
        progress.advance(bar)
    total = QUERIES * NEIGHBOURS
    return Searched(
        embedding=version.partition(".")[0],
        vectors=len(fingerprints),
        dimensions=int(asked.shape[1]),
        indexing_seconds=seconds,
        recall=right / total,
        p50=float(np.quantile(times, 0.5)),
        p95=float(np.quantile(times, 0.95)),
        worst=max(times),
        degraded=degraded,
        queries=QUERIES,
    )


def structural(console: Console, sizes: Sequence[int], data: Path | None, keep: list[Searched]) -> None:
    """The same space at growing sizes; from those on that ``data`` holds already."""
    space = large_space("cells-structural")
    with _directory(data) as directory, bars(console) as progress:
        changes = {"HEADSTART_DATA_DIRECTORY": str(directory / "data"), **NO_TRAINING}
        with own_service(console.print, changes) as address, headstart.connect(address, timeout=60) as client:
            create(client, space)
            database = Database(directory / "data", space)
            for size in sizes:
                before = len(database.fingerprints())
                if before > size:
                    continue
                progress.console.print(f"[bold]{size:,} architectures, structural embeddings")
                load(progress, database, space, size - before, f"load-{size}")
                begin = time.monotonic()
                version = wait_for_index(progress, database, size)
                seconds = time.monotonic() - begin if size > before else None
                keep.append(ask(progress, client, database, space, version, seconds))
                progress.console.print(line(keep[-1]))
            database.close()


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    """Where the databases lie: as given, and kept; or removed at the end."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.absolute()
        return
    # Not below a long TMPDIR: PostgreSQL's socket must fit into 107 characters.
    with tempfile.TemporaryDirectory(prefix="headstart-", dir="/tmp" if Path("/tmp").is_dir() else None) as name:
        # PostgreSQL runs as another user where this runs as root, and must pass.
        Path(name).chmod(0o711)
        yield Path(name)


def graph(console: Console, size: int, keep: list[Searched]) -> None:
    """A space whose index is made by its graph network."""
    space = large_space("cells-graph")
    with _directory(None) as directory, bars(console) as progress:
        changes = {"HEADSTART_DATA_DIRECTORY": str(directory / "data"), **ONE_TRAINING}
        with own_service(console.print, changes) as address, headstart.connect(address, timeout=60) as client:
            create(client, space)
            progress.console.print(f"[bold]{size:,} architectures, embeddings of the graph network")
            generator = random.Random("labels")
            pairs = draw(space, LABELS + 100, "labels")[:LABELS]
            values = [len(canonical.graph.ops) + generator.gauss(0, 1) for _, canonical in pairs if canonical.graph]
            client.record_many(
                [
                    Record(task_id(0), space.search_space_id, candidate, completed(value))
                    for (candidate, _), value in zip(pairs, values, strict=True)
                ],
                chunk_size=LABELS,
            )
            bar = progress.add_task("training", total=None, note="")
            if wait_for_predictor(client, space.search_space_id, 1, 600.0) is None:
                raise ServiceProblem("no model after ten minutes")
            progress.update(bar, total=1, completed=1)
            database = Database(directory / "data", space)
            while (index := database.index()) is None or not index[0].startswith("graph"):
                time.sleep(1.0)
            load(progress, database, space, size - LABELS, "load-graph")
            begin = time.monotonic()
            version = wait_for_index(progress, database, size)
            keep.append(ask(progress, client, database, space, version, time.monotonic() - begin))
            progress.console.print(line(keep[-1]))
            database.close()


def line(found: Searched) -> str:
    indexed = "" if found.indexing_seconds is None else f"; indexed in {found.indexing_seconds:,.0f} s after recording"
    times = f"p50 {found.p50:.1f} ms, p95 {found.p95:.1f} ms"
    return f"recall@{NEIGHBOURS} {found.recall:.4f}, {times}, {found.degraded} degraded{indexed}"


def print_table(console: Console, results: Sequence[Searched]) -> None:
    grid = Grid(title=f"The {NEIGHBOURS} nearest architectures, {QUERIES} queries by one caller over gRPC")
    headings = ("embedding", "vectors", "numbers", f"recall@{NEIGHBOURS}", "p50 ms", "p95 ms", "worst ms", "degraded")
    for heading in headings:
        grid.add_column(heading, justify="left" if heading == "embedding" else "right")
    for found in results:
        counts = (f"{found.vectors:,}", str(found.dimensions), f"{found.recall:.4f}")
        times = (f"{found.p50:.1f}", f"{found.p95:.1f}", f"{found.worst:.1f}")
        grid.add_row(found.embedding, *counts, *times, str(found.degraded))
    console.print(grid)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")


def draw_picture(path: Path, results: Sequence[Searched]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for kind, colour in (("structural", "tab:blue"), ("graph", "tab:orange")):
        chosen = [found for found in results if found.embedding.startswith(kind)]
        sizes = [found.vectors for found in chosen]
        left.plot(sizes, [found.p95 for found in chosen], marker="o", color=colour, label=f"{kind}, p95")
        left.plot(sizes, [found.p50 for found in chosen], marker=".", color=colour, linestyle=":", label=f"{kind}, p50")
        right.plot(sizes, [found.recall for found in chosen], marker="o", color=colour, label=kind)
    left.axhline(20, color="gray", linewidth=0.8, linestyle="--")
    right.axhline(0.95, color="gray", linewidth=0.8, linestyle="--")
    left.set(xscale="log", xlabel="architectures", ylabel="milliseconds", ylim=(0, None), title="one search over gRPC")
    right.set(xscale="log", xlabel="architectures", ylabel=f"recall@{NEIGHBOURS}", ylim=(0.9, 1.005), title="recall")
    left.legend()
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.knowledge_base.nearest",
        description="How well and how quickly the nearest of many architectures are found.",
    )
    parser.add_argument("--vectors", type=int, default=1_000_000, help="architectures at the most (%(default)s)")
    parser.add_argument("--graph-vectors", type=int, default=50_000, help="of the space with a model (%(default)s)")
    parser.add_argument("--data", type=Path, help="keep the databases of the large space there, and go on with them")
    parser.add_argument("--quick", action="store_true", help="5,000 architectures, and 3,000 with a model")
    parser.add_argument("--results", type=Path, default=RESULTS / "knowledge_base_nearest.json")
    parser.add_argument("--image", type=Path, default=IMAGES / "knowledge_base_nearest.png")
    options = parser.parse_args()
    if options.quick:
        options.vectors, options.graph_vectors = 5_000, 3_000
    return options


def main() -> int:
    options = arguments()
    console = Console()
    results: list[Searched] = []
    sizes = [size for size in (10_000, 100_000) if size < options.vectors] + [options.vectors]
    try:
        structural(console, sizes, options.data, results)
        save(options, results)
        graph(console, options.graph_vectors, results)
    except (ServiceProblem, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print_table(console, results)
    save(options, results)
    console.print(f"Written: {options.results} and {options.image}")
    return 0


def save(options: argparse.Namespace, results: Sequence[Searched]) -> None:
    write_json(
        options.results,
        {
            "benchmark": "knowledge_base_nearest",
            "command": "python -m benchmarks.knowledge_base.nearest" + (" --quick" if options.quick else ""),
            "neighbours": NEIGHBOURS,
            "figures": [asdict(found) for found in results],
        },
    )
    draw_picture(options.image, results)


if __name__ == "__main__":
    sys.exit(main())
