"""Commands about what to do next on a task, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, Count, SpaceId, TaskId
from headstart.command_line.session import note, service
from headstart.command_line.similarities import print_similar_tasks
from headstart.command_line.source_weights import draw_weights, print_weights
from headstart.command_line.tables import Column, print_table, print_text
from headstart.values import Gate, Suggestion

_COLUMNS = (Column("ORIGIN"), Column("PREDICTION"), Column("CANDIDATE", wide=True), Column("REASON", wide=True))


def suggest(
    context: typer.Context, task_id: TaskId, search_space_id: SpaceId, count: Count = 5, json: AsJson = False
) -> None:
    """Suggest what to try next on a task."""
    with service(context) as client:
        answer = client.warm_start(task_id, search_space_id, count)
        if json:
            print_json(answer)
            return
        _print_suggestions(answer.suggestions)
        if answer.gate is not None:
            print_text(f"\n{_gate(answer.gate)}")
        if answer.degraded:
            note("part of the service is out of reach: the answer was made without it")


def explain(
    context: typer.Context,
    task_id: TaskId,
    search_space_id: SpaceId,
    picture: Annotated[
        Path | None, typer.Option(help="Draw how much each other task counted as results came in, into this file.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Explain what the service would transfer to a task from where, and why. Reserves no candidates."""
    with service(context) as client:
        answer = client.explain_task(task_id, search_space_id)
        if picture is not None:
            draw_weights(answer.history, picture)
            note(f"the weights over time are in {picture}")
        if json:
            print_json(answer)
            return
        print_text(answer.explanation)
        if answer.gate is not None:
            print_text(f"\n{_gate(answer.gate)}")
        if answer.similar_tasks:
            print_text("")
            print_similar_tasks(answer.similar_tasks)
        if len(answer.history) > 1:
            print_text("")
            print_weights(answer.history)
        if answer.suggestions:
            print_text("")
            _print_suggestions(answer.suggestions)


def _print_suggestions(suggestions: Sequence[Suggestion]) -> None:
    rows = [
        (
            suggestion.origin.name.lower(),
            words.estimate(suggestion.prediction),
            words.candidate(suggestion.candidate),
            suggestion.reason,
        )
        for suggestion in suggestions
    ]
    print_table(_COLUMNS, rows)


def _gate(gate: Gate) -> str:
    return f"transfer {gate.state.name.lower()}: {gate.reason}"
