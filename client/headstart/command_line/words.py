"""The values of the contract in a few words, for the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace
from headstart.values import Direction, Estimate, Incumbent, Objective, SimilarTask, Task


def one_line(text: str) -> str:
    """The text without line ends, and without control sequences of a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split()))


def cut(text: str, length: int = 100) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def short(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def moment(value: datetime | None) -> str:
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def numbers(named: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in sorted(named.items()))


def objective(wanted: Objective) -> str:
    return f"{wanted.direction.name.lower()} {wanted.metric}"


def candidate(tried: Candidate) -> str:
    settings = [
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(tried.values.items())
    ]
    if tried.graph is not None:
        settings.append(f"graph of {len(tried.graph.nodes)} nodes, {len(tried.graph.edges)} edges")
    return " ".join(settings)


def graph_kind(space: SearchSpace) -> str:
    return "explicit" if space.explicit_graphs else "template" if space.graph_template else "none"


def parameter(declared: Parameter) -> str:
    domain = declared.domain
    if isinstance(domain, Categorical):
        return f"{declared.name} ({len(domain.choices)})"
    return f"{declared.name} {domain.lower:g}..{domain.upper:g}"


def domain(declared: Parameter) -> str:
    within = declared.domain
    if isinstance(within, Categorical):
        ordered = within.ordered_choices
        return ", ".join(map(str, within.choices)) if ordered is None else " < ".join(map(str, ordered))
    return f"{within.lower:g}..{within.upper:g}{' logarithmic' if within.logarithmic else ''}"


def condition(declared: Parameter) -> str:
    condition_ = declared.condition
    return "" if condition_ is None else f"where {condition_.parameter} is {' or '.join(map(str, condition_.values))}"


def incumbent(best: Incumbent | None) -> str:
    return "" if best is None else number(best.objective_value)


def best(task: Task) -> str:
    incumbents = [summary.incumbent for summary in task.summaries if summary.incumbent is not None]
    if not incumbents:
        return ""
    choose = max if task.objective.direction is Direction.MAXIMIZE else min
    return incumbent(choose(incumbents, key=lambda each: each.objective_value))


def estimate(expected: Estimate | None) -> str:
    if expected is None:
        return ""
    return f"{expected.mean:.4g} [{expected.interval.lower:.4g}, {expected.interval.upper:.4g}]"


def basis(similar: SimilarTask) -> str:
    """The basis of a similarity; in brackets the number of words, meta-features or architectures."""
    return "; ".join(
        f"{each.kind.name.lower().replace('_', ' ')} {each.value:.2f} ({each.count})" for each in similar.basis
    )


def details(similar: SimilarTask) -> str:
    """The most important details of each basis of a similarity."""
    return "; ".join(", ".join(each.details) for each in similar.basis if each.details)
