"""Streams cold searches of tables into a service as the history of earlier tasks.

One search is regularized evolution (Real et al., AAAI 2019) with a population of 50, samples of 10 and one mutation for
each child, 300 evaluations long: what a team without any advice would have left behind. The same table and seed always
give the same records with the same request ids, so that loading a history again records nothing twice.
"""

from __future__ import annotations

import argparse
import random
import sys
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import headstart
from benchmarks.tables import MissingTable, Table, nas_bench_graph_table
from benchmarks.tables.nas_bench_graph import DATASETS, SHARED_SPACE_DATASETS
from headstart.spaces import Candidate, mutate, sample
from headstart.values import Outcome, Record

POPULATION = 50
SAMPLE = 10
EVALUATIONS = 300

_REQUEST_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://headstart.invalid/benchmarks/history")


@dataclass(frozen=True)
class Evaluation:
    candidate: Candidate
    outcome: Outcome


def cold_search(
    table: Table,
    seed: int,
    evaluations: int = EVALUATIONS,
    workers: int = 1,
    evaluated: Callable[[Evaluation], None] = lambda evaluation: None,
) -> list[Evaluation]:
    """Regularized evolution without any advice, in the order of evaluation; ``evaluated`` is called after each.

    ``workers`` propose side by side from one shared population: none sees what the others are evaluating at that time.
    """
    generator = random.Random(f"{table.name}/{seed}")
    if table.pool:
        # There is nothing beside a candidate to mutate it to: they are tried at random.
        drawn = generator.sample(table.pool, min(evaluations, len(table.pool)))
        return [_evaluated(table, candidate, generator, evaluated) for candidate in drawn]
    population: deque[tuple[float, Candidate]] = deque(maxlen=POPULATION)
    done: list[Evaluation] = []
    while len(done) < evaluations:
        starting = len(done) < POPULATION
        batch = [
            sample(table.space, generator) if starting else _child(table, list(population), generator)
            for _ in range(min(workers, evaluations - len(done)))
        ]
        for candidate in batch:
            evaluation = _evaluated(table, candidate, generator, evaluated)
            population.append((fitness(table, evaluation.outcome), candidate))
            done.append(evaluation)
    return done


def _evaluated(
    table: Table, candidate: Candidate, generator: random.Random, evaluated: Callable[[Evaluation], None]
) -> Evaluation:
    done = Evaluation(candidate, table.evaluate(candidate, generator))
    evaluated(done)
    return done


def fitness(table: Table, outcome: Outcome) -> float:
    """Higher is better, whatever the direction of the task; a failure is worse than anything."""
    if outcome.objective_value is None:
        return float("-inf")
    return outcome.objective_value if table.maximize else -outcome.objective_value


def _child(table: Table, population: Sequence[tuple[float, Candidate]], generator: random.Random) -> Candidate:
    contestants = generator.sample(population, min(SAMPLE, len(population)))
    return mutate(table.space, max(contestants, key=lambda member: member[0])[1], generator)


def history_records(table: Table, seed: int, evaluations: int = EVALUATIONS) -> list[Record]:
    """The cold search of a table as records under its task."""
    return [
        Record(
            task_id=table.task.task_id,
            search_space_id=table.space.search_space_id,
            candidate=evaluation.candidate,
            outcome=evaluation.outcome,
            worker_id="history",
            request_id=str(uuid.uuid5(_REQUEST_IDS, f"{table.name}/{table.space.search_space_id}/{seed}/{number}")),
        )
        for number, evaluation in enumerate(cold_search(table, seed, evaluations))
    ]


def load_history(
    client: headstart.Client,
    tables: Sequence[Table],
    seed: int = 0,
    evaluations: int = EVALUATIONS,
    chunk_size: int = 256,
    progress: Callable[[int], None] | None = None,
) -> headstart.RecordedMany:
    """Declare each table's space and task and record its cold search; how many experiments were new.

    A chunk is one commit. ``progress`` is called with the number of experiments that are in.
    """
    for table in tables:
        client.create_search_space(table.space)
        client.create_task(table.task)
    records = (record for table in tables for record in history_records(table, seed, evaluations))
    return client.record_many(records, chunk_size=chunk_size, progress=progress)


def main() -> int:
    """``python -m benchmarks.history``: load the history of NAS-Bench-Graph tasks into a service."""
    from rich.console import Console

    from benchmarks.progress import bars
    from benchmarks.service import LOCAL_ADDRESS

    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=main.__doc__)
    parser.add_argument("--address", default=LOCAL_ADDRESS, metavar="HOST:PORT", help="the service (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the cold searches (%(default)s)")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, help="of each search (%(default)s)")
    parser.add_argument(
        "datasets", nargs="*", metavar="DATASET", help=f"of {', '.join(DATASETS)}; default: all but the last"
    )
    options = parser.parse_args()
    console = Console()
    datasets = options.datasets or SHARED_SPACE_DATASETS
    try:
        tables = [nas_bench_graph_table(dataset) for dataset in datasets]
        with headstart.connect(options.address) as client, bars(console) as progress:
            bar = progress.add_task("History", total=len(tables) * options.evaluations, note="")
            recorded = load_history(
                client,
                tables,
                options.seed,
                options.evaluations,
                progress=lambda count: progress.update(bar, completed=count),
            )
    except (MissingTable, ValueError, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    console.print(
        f"{len(tables)} tasks: {recorded.recorded_count} experiments recorded, "
        f"{recorded.already_known_count} were there already"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
