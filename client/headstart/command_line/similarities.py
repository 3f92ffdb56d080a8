"""Commands about what is like what: tasks, architectures, clusters of tasks and their map."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from headstart.client import Client
from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, Count, SpaceId, TaskId, candidate
from headstart.command_line.session import CommandError, note, service
from headstart.command_line.tables import Column, print_table
from headstart.spaces import Candidate
from headstart.values import ArchitectureMatch, ArchitectureMeasure, SimilarTask, TaskCluster

_CLUSTER_COLUMNS = (
    Column("CLUSTER"),
    Column("TASKS", number=True),
    Column("MEDOID"),
    Column("SILHOUETTE", number=True),
    Column("MEMBERS", wide=True),
)
_MATCH_COLUMNS = (
    Column("DISTANCE", number=True),
    Column("BEST RESULTS", wide=True),
    Column("CANDIDATE", wide=True),
)
_SIMILAR_COLUMNS = (
    Column("SIMILAR TASK"),
    Column("WEIGHT", number=True),
    Column("RESTS ON", wide=True),
    Column("WHAT TELLS MOST", wide=True),
)

similar = typer.Typer(help="What is like a task or an architecture.", no_args_is_help=True)


class Measure(StrEnum):
    EMBEDDING = "embedding"
    OPS = "ops"
    EDIT_DISTANCE = "edit-distance"


_MEASURES = {
    Measure.EMBEDDING: ArchitectureMeasure.EMBEDDING,
    Measure.OPS: ArchitectureMeasure.OP_DISTRIBUTION,
    Measure.EDIT_DISTANCE: ArchitectureMeasure.GRAPH_EDIT_DISTANCE,
}


def _drawable(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in {".png", ".svg"}:
        raise typer.BadParameter(f"{path} must end in .png or .svg")
    return path


@similar.command("task")
def similar_tasks(
    context: typer.Context,
    task_id: TaskId,
    space: Annotated[
        str, typer.Option("--space", metavar="SPACE", help="Where agreement is measured.", show_default="all")
    ] = "",
    count: Count = 10,
    json: AsJson = False,
) -> None:
    """The tasks most similar to a task, and the basis of that."""
    with service(context) as client:
        result = client.search_tasks(task_id, search_space_id=space, count=count)
        if json:
            print_json({"tasks": result})
        else:
            print_similar_tasks(result)


@similar.command("architectures")
def similar_architectures(
    context: typer.Context,
    search_space_id: SpaceId,
    asked: Annotated[
        Any,
        typer.Option(
            "--candidate",
            parser=candidate,
            metavar="JSON",
            help="""As --json prints it, or '{"PARAMETER": VALUE, ...}'.""",
        ),
    ] = None,
    experiment: Annotated[str, typer.Option("--experiment", metavar="ID", help="Take the candidate of this one.")] = "",
    measure: Annotated[
        Measure, typer.Option("--measure", help="How far apart two architectures are.")
    ] = Measure.EMBEDDING,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", min=0, help="Seconds for edit distances, in all.", show_default="1")
    ] = None,
    count: Count = 10,
    json: AsJson = False,
) -> None:
    """The recorded architectures nearest to that of --candidate or of --experiment."""
    if (asked is None) == (not experiment):
        raise typer.BadParameter("give one of the two", param_hint="--candidate / --experiment")
    with service(context) as client:
        tried = asked if asked is not None else _candidate_of(client, experiment, search_space_id)
        result = client.search_architectures(
            search_space_id, tried, count=count, measure=_MEASURES[measure], time_limit_seconds=time_limit
        )
        if json:
            print_json(result)
            return
        print_table(_MATCH_COLUMNS, map(_match_row, result.matches))
        if any(match.upper_bound for match in result.matches):
            note("the time limit ended the search for the distances with <=; --time-limit for more")
        if result.degraded:
            note("the vector index is out of reach or behind: the answer was made without it")


def clusters(
    context: typer.Context,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            dir_okay=False,
            callback=_drawable,
            help="Draw the tasks and their clusters: .png or .svg.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Clusters of similar tasks, as the worker last computed them."""
    with service(context) as client:
        listed = tuple(client.list_task_clusters())
        if map_file is not None:
            _draw(listed, map_file)
        if json:
            print_json({"clusters": listed})
            return
        if not listed:
            note("no clusters yet: the worker makes them once there are tasks to compare")
        rows = [
            (
                cluster.name,
                str(len(cluster.task_ids)),
                cluster.medoid_task_id,
                words.short(cluster.silhouette, 2),
                ", ".join(cluster.task_ids),
            )
            for cluster in listed
        ]
        print_table(_CLUSTER_COLUMNS, rows)


def print_similar_tasks(similar: Sequence[SimilarTask]) -> None:
    rows = [(each.task_id, words.short(each.weight), words.basis(each), words.details(each)) for each in similar]
    print_table(_SIMILAR_COLUMNS, rows)


def _candidate_of(client: Client, experiment_id: str, search_space_id: str) -> Candidate:
    recorded = client.get_experiment(experiment_id)
    if recorded.search_space_id != search_space_id:
        raise CommandError(f"{experiment_id} is of the space {recorded.search_space_id}, not of {search_space_id}")
    return recorded.candidate


def _match_row(match: ArchitectureMatch) -> tuple[str, str, str]:
    results = ", ".join(f"{result.task_id} {words.number(result.objective_value)}" for result in match.results)
    distance = f"{'<= ' if match.upper_bound else ''}{words.number(match.distance)}"
    return distance, results, words.candidate(match.candidate)


def _draw(clusters_: Sequence[TaskCluster], path: Path) -> None:
    if not any(cluster.positions for cluster in clusters_):
        raise CommandError("no clusters yet, so there is nothing to draw")
    try:
        from headstart.command_line.cluster_map import draw
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise CommandError("the map needs matplotlib: pip install 'headstart[cli,plot]'") from None
    try:
        left_out = draw(clusters_, path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    note(f"the map is in {path}" + (f", {left_out} tasks without a label for want of room" if left_out else ""))
