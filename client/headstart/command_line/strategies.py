"""The strategies chosen on a task, their rewards, and the reason of each decision.

The picture of shares and rewards over time needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, TaskId
from headstart.command_line.session import CommandError, note, service
from headstart.command_line.tables import Column, print_table, print_text
from headstart.values import ArmStatistics, RecordedDecision, StrategyModel

_ARMS = (
    Column("STRATEGY"),
    Column("RESULTS", number=True),
    Column("REWARD", number=True),
    Column("LATELY", number=True),
    Column("PENDING", number=True),
    Column("ON OTHERS", number=True),
    Column("REWARD", number=True),
)
_MODELS = (Column("MODEL"), Column("STATE"), Column("TASKS", number=True), Column("MADE"), Column("FIGURES", wide=True))
_DECISIONS = (
    Column("SPENT", number=True),
    Column("STRATEGY"),
    Column("SHARE", number=True),
    Column("REWARD", number=True),
    Column("BY"),
    Column("REASON", wide=True),
)
# Decisions in one point of the picture.
_WINDOWS = 20


def strategies(
    context: typer.Context,
    task_id: TaskId,
    last: Annotated[int, typer.Option(min=0, help="How many of the latest decisions to print.")] = 10,
    picture: Annotated[
        Path | None, typer.Option(help="Draw shares and rewards of the strategies over time, into this file.")
    ] = None,
    json: AsJson = False,
) -> None:
    """List the strategies chosen on a task, their rewards, and the reason of each decision."""
    with service(context) as client:
        explanation = client.explain_strategies(task_id)
        decisions = list(client.list_decisions(task_id, page_size=1000))
        if picture is not None:
            draw_strategies(decisions, picture)
            note(f"shares and rewards over time are in {picture}")
        if json:
            print_json({"arms": explanation.arms, "models": explanation.models, "decisions": decisions})
            return
        if not decisions:
            print_text("no strategy was selected on this task yet")
        else:
            print_table(_ARMS, [_arm(arm) for arm in explanation.arms])
        if explanation.models:
            print_text("")
            print_table(_MODELS, [_model(model) for model in explanation.models])
        if decisions and last:
            print_text("")
            print_table(_DECISIONS, [_decision(decision) for decision in decisions[-last:]])


def _name(arm: str, tuned: bool) -> str:
    return f"{arm} (settings chosen)" if tuned else arm


def _name_of(recorded: RecordedDecision) -> str:
    return _name(recorded.decision.arm, bool(recorded.decision.hyperparameters))


def _arm(arm: ArmStatistics) -> tuple[str, ...]:
    return (
        _name(arm.arm, arm.tuned),
        str(arm.pull_count),
        words.short(arm.mean_reward) if arm.pull_count else "",
        words.short(arm.recent_reward) if arm.pull_count else "",
        str(arm.pending_count),
        str(arm.other_pull_count),
        words.short(arm.other_mean_reward) if arm.other_pull_count else "",
    )


def _model(model: StrategyModel) -> tuple[str, ...]:
    return (
        f"{model.kind} {model.number}",
        model.state.lower(),
        str(model.task_count),
        words.moment(model.create_time),
        words.numbers(model.figures),
    )


def _decision(recorded: RecordedDecision) -> tuple[str, ...]:
    decision = recorded.decision
    spent = f"{recorded.spent_budget:g}"
    settings = ", ".join(f"{name}={value}" for name, value in sorted(decision.hyperparameters.items()))
    return (
        f"{spent} of {recorded.total_budget:g}" if recorded.total_budget else spent,
        f"{decision.arm} ({settings})" if settings else decision.arm,
        words.short(decision.probability),
        words.short(recorded.reward_sum / recorded.experiment_count) if recorded.experiment_count else "",
        decision.decided_by,
        decision.reason,
    )


def draw_strategies(decisions: Sequence[RecordedDecision], path: Path) -> None:
    """Raises CommandError if it cannot draw."""
    if len(decisions) < 2:
        raise CommandError("fewer than two decisions so far, so there is nothing to draw over time")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise CommandError("the picture needs matplotlib: pip install 'headstart[cli,plot]'") from None
    figure = Figure(figsize=(7.5, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    shares, rewards = figure.subplots(2, 1, sharex=True)
    windows = _windows(decisions)
    ends = [end for end, _ in windows]
    names = sorted({_name_of(each) for each in decisions})
    colours = colours_of(len(names))
    heights = [[share_of(name, part) for _, part in windows] for name in names]
    shares.stackplot(ends, heights, labels=names, colors=colours)
    for name, colour in zip(names, colours, strict=True):
        points = [(end, mean) for end, part in windows if (mean := mean_reward_of(name, part)) is not None]
        rewards.plot(
            [end for end, _ in points], [mean for _, mean in points], marker="o", markersize=3, label=name, color=colour
        )
    shares.set(ylabel="share of decisions", ylim=(0.0, 1.0))
    rewards.set(xlabel="decisions of the task", ylabel="mean reward", ylim=(0.0, 1.02))
    rewards.grid(alpha=0.3)
    shares.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from None


def colours_of(count: int) -> list[tuple[float, float, float]]:
    """``count`` different colours; matplotlib repeats its ten."""
    from matplotlib import colormaps
    from matplotlib.colors import hsv_to_rgb

    named = colormaps["tab10" if count <= 10 else "tab20"]
    if count <= named.N:
        return [named(index)[:3] for index in range(count)]
    return [tuple(hsv_to_rgb((index / count, 0.9, 0.55 + 0.4 * (index % 2)))) for index in range(count)]


def _windows(decisions: Sequence[RecordedDecision]) -> list[tuple[int, Sequence[RecordedDecision]]]:
    """The decisions in order, in windows of equal length, each with the number of decisions up to its end."""
    length = max(1, -(-len(decisions) // _WINDOWS))
    return [
        (min(start + length, len(decisions)), decisions[start : start + length])
        for start in range(0, len(decisions), length)
    ]


def share_of(name: str, decisions: Sequence[RecordedDecision]) -> float:
    """The share of the decisions for a strategy, by its name as printed."""
    return sum(_name_of(each) == name for each in decisions) / len(decisions)


def mean_reward_of(name: str, decisions: Sequence[RecordedDecision]) -> float | None:
    """The mean reward over the experiments of a strategy; None while it has none."""
    own = [each for each in decisions if _name_of(each) == name]
    count = sum(each.experiment_count for each in own)
    return sum(each.reward_sum for each in own) / count if count else None
