"""Commands about search spaces: which there are, what one consists of, and its model."""

from __future__ import annotations

import typer

from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, Limit, SpaceId, limited, page_size
from headstart.command_line.session import service
from headstart.command_line.tables import Column, print_facts, print_table, print_text
from headstart.spaces import SearchSpace

_COLUMNS = (
    Column("SPACE"),
    Column("PARAMETERS", number=True),
    Column("GRAPH"),
    Column("DESCRIPTION", wide=True),
    Column("DOMAINS", wide=True),
)
_PARAMETER_COLUMNS = (
    Column("PARAMETER"),
    Column("KIND"),
    Column("DOMAIN", wide=True),
    Column("DEFAULT"),
    Column("ACTIVE", wide=True),
)
_FIGURE_COLUMNS = (
    Column("TASK"),
    Column("HELD OUT", number=True),
    Column("KENDALL TAU", number=True),
    Column("COVERAGE AT 90 %", number=True),
)


def spaces(context: typer.Context, limit: Limit = None, json: AsJson = False) -> None:
    """All search spaces."""
    with service(context) as client:
        # Declarations may be large, so a page has few of them.
        listed = list(limited(client.list_search_spaces(page_size=page_size(limit, 100)), limit))
        if json:
            print_json({"search_spaces": listed})
            return
        rows = [
            (
                space.search_space_id,
                str(len(space.parameters)),
                words.graph_kind(space),
                space.description,
                ", ".join(map(words.parameter, space.parameters)),
            )
            for space in listed
        ]
        print_table(_COLUMNS, rows)


def space(context: typer.Context, search_space_id: SpaceId, json: AsJson = False) -> None:
    """One search space: its parameters and its graph."""
    with service(context) as client:
        shown = client.get_search_space(search_space_id)
        if json:
            print_json(shown)
            return
        print_facts(_facts(shown))
        if shown.parameters:
            print_text("")
            rows = [
                (
                    parameter.name,
                    type(parameter.domain).__name__.lower(),
                    words.domain(parameter),
                    "" if parameter.default is None else str(parameter.default),
                    words.condition(parameter) or "always",
                )
                for parameter in shown.parameters
            ]
            print_table(_PARAMETER_COLUMNS, rows)


def predictor(context: typer.Context, search_space_id: SpaceId, json: AsJson = False) -> None:
    """The newest model of a search space and its validation figures."""
    with service(context) as client:
        shown = client.get_predictor(search_space_id)
        if json:
            print_json(shown)
            return
        print_text(
            f"{shown.model_version}: {shown.kind}, {shown.parameter_count} parameters, trained on "
            f"{shown.training_size} experiments in {shown.training_seconds:.1f} s"
        )
        print_text("")
        rows = [
            (
                figures.task_id,
                str(figures.held_out_count),
                words.short(figures.kendall_tau),
                words.short(figures.interval_coverage),
            )
            for figures in shown.validation
        ]
        print_table(_FIGURE_COLUMNS, rows)


def _facts(space: SearchSpace) -> list[tuple[str, str]]:
    template = space.graph_template
    graph = words.graph_kind(space)
    if template is not None:
        graph = f"template of {len(template.nodes)} nodes, {len(template.edges)} edges"
    return [
        ("space", space.search_space_id),
        ("description", space.description),
        ("graph", graph),
        ("op roles", ", ".join(f"{op} is {role.name.lower()}" for op, role in sorted(space.op_roles.items()))),
    ]
