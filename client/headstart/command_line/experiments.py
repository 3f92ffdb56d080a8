"""Commands about experiments: lists of them by filter and order, and one with all that is known of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from headstart.command_line import words
from headstart.command_line.documents import print_json, print_json_line
from headstart.command_line.options import Limit, limited, named_range, page_size, point_in_time, whole_range
from headstart.command_line.session import service
from headstart.command_line.tables import Column, print_facts, print_table, print_text
from headstart.values import Experiment, ExperimentFilter, ExperimentOrder, ExperimentStatus, NumberRange

_COLUMNS = (
    Column("SEQUENCE", number=True),
    Column("STATUS"),
    Column("VALUE", number=True),
    Column("WORKER"),
    Column("RECORDED (UTC)"),
    Column("CANDIDATE", wide=True),
)
_PAGE_SIZE = 500


class Status(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


class Order(StrEnum):
    RECORDING = "recording"
    VALUE = "value"
    TIME = "time"


_ORDERS = {
    Order.RECORDING: ExperimentOrder.RECORDING,
    Order.VALUE: ExperimentOrder.OBJECTIVE_VALUE,
    Order.TIME: ExperimentOrder.RECORD_TIME,
}

Statuses = Annotated[list[Status] | None, typer.Option("--status", help="Any of these; may be repeated.")]
Minimum = Annotated[float | None, typer.Option("--min", help="Lowest value.")]
Maximum = Annotated[float | None, typer.Option("--max", help="Highest value.")]
Nodes = Annotated[
    Any, typer.Option("--nodes", parser=whole_range, metavar="MIN..MAX", help="Nodes of the canonical graph.")
]
Proxies = Annotated[
    list[Any] | None,
    typer.Option("--proxy", parser=named_range, metavar="NAME=MIN..MAX", help="Of a proxy metric; may be repeated."),
]
Since = Annotated[
    Any, typer.Option("--since", parser=point_in_time, metavar="TIME", help="Recorded then or later; UTC.")
]
Until = Annotated[Any, typer.Option("--until", parser=point_in_time, metavar="TIME", help="Recorded before then; UTC.")]
Sort = Annotated[
    Order | None,
    typer.Option(
        "--sort",
        help="value: lowest first, only those that have one.",
        show_default="recording, and time without TASK",
    ),
]


def experiments(
    context: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="TASK", show_default=False)] = "",
    search_space_id: Annotated[str, typer.Argument(metavar="SPACE", show_default=False)] = "",
    status: Statuses = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    nodes: Nodes = None,
    proxy: Proxies = None,
    since: Since = None,
    until: Until = None,
    sort: Sort = None,
    descending: Annotated[bool, typer.Option("--descending", help="Last first.")] = False,
    limit: Limit = None,
    json: Annotated[bool, typer.Option("--json", help="For programs: one JSON document a line.")] = False,
) -> None:
    """Results: all of them, of a task, or of a task in a space; in the order of recording, unless sorted."""
    if not task_id and sort not in {None, Order.TIME}:
        raise typer.BadParameter(f"{sort} needs a TASK", param_hint="--sort")
    filter_ = ExperimentFilter(
        statuses=tuple(ExperimentStatus[each.name] for each in status or ()),
        objective_value=NumberRange(minimum, maximum),
        node_count=nodes or NumberRange(),
        proxies=dict(proxy or ()),
        recorded_from=since,
        recorded_before=until,
    )
    with service(context) as client:
        listed = client.list_experiments(
            task_id,
            search_space_id,
            filter=filter_,
            order_by=None if sort is None else _ORDERS[sort],
            descending=descending,
            page_size=page_size(limit, _PAGE_SIZE),
        )
        if json:
            for each in limited(listed, limit):
                print_json_line(each)
            return
        whole = bool(task_id and search_space_id)
        columns = _COLUMNS if whole else (Column("EXPERIMENT"), *_COLUMNS[1:])
        print_table(columns, [_row(each, whole) for each in limited(listed, limit)])


def experiment(
    context: typer.Context,
    named: Annotated[
        list[str],
        typer.Argument(metavar="ID", show_default=False, help="TASK/SPACE/SEQUENCE, or the three of them one by one."),
    ],
    json: Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")] = False,
) -> None:
    """One result, with all that was recorded of it."""
    experiment_id = "/".join(named)
    if experiment_id.count("/") != 2:
        raise typer.BadParameter(
            f"{experiment_id!r} names no experiment: write TASK/SPACE/SEQUENCE, or TASK SPACE SEQUENCE", param_hint="ID"
        )
    with service(context) as client:
        shown = client.get_experiment(experiment_id)
        if json:
            print_json(shown)
            return
        print_facts(_facts(shown))
        graph = shown.candidate.graph
        if graph is not None:
            print_text("")
            rows = [
                (str(index), node.op, ", ".join(str(source) for source, target in graph.edges if target == index))
                for index, node in enumerate(graph.nodes)
            ]
            print_table((Column("NODE", number=True), Column("OP"), Column("FROM NODES", wide=True)), rows)


def _row(experiment: Experiment, whole: bool) -> tuple[str, ...]:
    outcome = experiment.outcome
    return (
        str(experiment.sequence) if whole else experiment.experiment_id,
        outcome.status.name.lower(),
        words.number(outcome.objective_value),
        experiment.worker_id,
        words.moment(experiment.record_time),
        words.candidate(experiment.candidate),
    )


def _facts(experiment: Experiment) -> list[tuple[str, str]]:
    outcome = experiment.outcome
    return [
        ("experiment", experiment.experiment_id),
        ("status", outcome.status.name.lower()),
        ("value", words.number(outcome.objective_value)),
        ("fidelity", words.number(outcome.fidelity)),
        ("metrics", words.numbers(outcome.metrics)),
        ("proxies", words.numbers(outcome.proxies)),
        ("curve", ", ".join(f"{point.fidelity:g}: {point.value:.4g}" for point in outcome.learning_curve)),
        ("cost", f"{outcome.cost_seconds:g} s" if outcome.cost_seconds is not None else ""),
        ("seed", "" if outcome.seed is None else str(outcome.seed)),
        ("worker", experiment.worker_id),
        ("decision", experiment.decision_id),
        ("recorded", f"{words.moment(experiment.record_time)} UTC"),
        ("fingerprint", experiment.fingerprint),
        ("candidate", words.candidate(experiment.candidate)),
    ]
