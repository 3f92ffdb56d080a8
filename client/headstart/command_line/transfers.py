"""The command that makes an architecture of one task fit others."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, SpaceId, TaskId, candidate
from headstart.command_line.session import service
from headstart.command_line.tables import Column, print_facts, print_table, print_text
from headstart.values import ArchitectureChange, FineTuningPlan, MultiTaskObjective, TransferredArchitecture

_CHANGE_COLUMNS = (Column("PARAMETER"), Column("BEFORE"), Column("AFTER"), Column("REASON", wide=True))
_STAGE_COLUMNS = (
    Column("STAGE"),
    Column("EPOCHS", number=True),
    Column("FROZEN", number=True),
    Column("DECAY PER LAYER", number=True),
)


def transfer(
    context: typer.Context,
    task_id: TaskId,
    search_space_id: SpaceId,
    targets: Annotated[
        list[str], typer.Option("--to", metavar="TASK", help="A task to fit; may be given several times.")
    ],
    requested: Annotated[
        Any,
        typer.Option(
            "--candidate",
            parser=candidate,
            metavar="JSON",
            help="""As --json prints it, or '{"PARAMETER": VALUE, ...}'.""",
            show_default=False,
        ),
    ],
    worst_case: Annotated[
        bool, typer.Option("--worst-case", help="Of several tasks, the one where it is worst decides, not the mean.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Adapt an architecture of TASK to others, with its expected transferability and a fine-tuning plan."""
    objective = MultiTaskObjective.WORST_CASE if worst_case else MultiTaskObjective.WEIGHTED
    with service(context) as client:
        answer = client.transfer_architecture(search_space_id, requested, task_id, targets, objective=objective)
        if json:
            print_json(answer)
            return
        for index, own in enumerate(answer.architectures):
            if index:
                print_text("")
            _print_architecture(own)
        if answer.proposal is not None:
            print_text("")
            ranks = answer.proposal.expected_ranks
            print_facts(
                [
                    ("for all", words.candidate(answer.proposal.candidate)),
                    ("chosen", answer.proposal.reason),
                    ("expected to beat", ", ".join(f"{share:.0%} on {name}" for name, share in sorted(ranks.items()))),
                ]
            )


def _print_architecture(own: TransferredArchitecture) -> None:
    facts = [("for", own.target_task_id), ("candidate", words.candidate(own.candidate))]
    if own.transferability is not None:
        facts.append(("transferability", f"{words.estimate(own.transferability)}: {own.transferability_basis}"))
    if own.plan is not None:
        facts.append(("fine-tuning", own.plan.reason))
    print_facts(facts)
    if own.changes:
        print_text("")
        print_table(_CHANGE_COLUMNS, map(_change_row, own.changes))
    if own.plan is not None:
        print_text("")
        print_table(_STAGE_COLUMNS, _stage_rows(own.plan))


def _change_row(change: ArchitectureChange) -> tuple[str, str, str, str]:
    return change.parameter, _value(change.before), _value(change.after), change.reason


def _value(value: object) -> str:
    return "" if value is None else words.number(value) if isinstance(value, float) else str(value)


def _stage_rows(plan: FineTuningPlan) -> list[tuple[str, str, str, str]]:
    return [
        (str(index), str(stage.epochs), f"{stage.frozen_share:.0%}", words.short(stage.layer_decay, 2))
        for index, stage in enumerate(plan.stages, start=1)
    ]
