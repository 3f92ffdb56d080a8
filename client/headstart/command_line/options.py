"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, TypeVar

import typer

from headstart.command_line.session import note
from headstart.spaces import Candidate, Graph, Node
from headstart.values import NumberRange

AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")]

# How many are listed of what may be many, where nothing is said.
DEFAULT_LIMIT = 50

Limit = Annotated[int | None, typer.Option("--limit", min=1, help="How many at most.", show_default=str(DEFAULT_LIMIT))]
Count = Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK", show_default=False)]
SpaceId = Annotated[str, typer.Argument(metavar="SPACE", show_default=False)]

Item = TypeVar("Item")


def limited(items: Iterator[Item], limit: int | None) -> Iterator[Item]:
    """The first ones; pages beyond are not read. Who has not said how many is told where there are more."""
    yield from islice(items, limit or DEFAULT_LIMIT)
    if limit is None and next(items, None) is not None:
        note(f"there are more than these {DEFAULT_LIMIT}: --limit N for more")


def page_size(limit: int | None, largest: int) -> int:
    """The page size for calls that list ``limit`` entries: one page if possible, with one more where ``limited``
    looks for more.
    """
    return min(limit or DEFAULT_LIMIT + 1, largest)


def number_range(text: str) -> NumberRange:
    """From "MIN..MAX", with either end left out, or one number."""
    lower, dots, upper = text.partition("..")
    try:
        ends = NumberRange(_end(lower), _end(upper)) if dots else NumberRange(_end(text), _end(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a range: write MIN..MAX, MIN.., ..MAX or a number") from None
    if ends.lower is None and ends.upper is None:
        raise typer.BadParameter(f"{text!r} has no end: write MIN..MAX, MIN.., ..MAX or a number")
    return ends


def whole_range(text: str) -> NumberRange:
    """A range of counts."""
    ends = number_range(text)
    if any(end is not None and (end < 0 or end % 1) for end in (ends.lower, ends.upper)):
        raise typer.BadParameter(f"{text!r} must have whole numbers of 0 or more at its ends")
    return ends


def named_range(text: str) -> tuple[str, NumberRange]:
    """From "NAME=MIN..MAX"; a name may have equals signs of its own."""
    name, equals, ends = text.rpartition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} names nothing: write NAME=MIN..MAX")
    return name, number_range(ends)


def parameter_range(text: str) -> tuple[str, tuple[int | float, int | float]]:
    """From "NAME=MIN..MAX" with both ends; whole numbers stay whole."""
    name, _, ends = text.rpartition("=")
    lower, dots, upper = ends.partition("..")
    try:
        numbers = _plain_number(lower), _plain_number(upper)
    except ValueError:
        name = ""
    if not (name and dots):
        raise typer.BadParameter(f"{text!r} is no range of a parameter: write NAME=MIN..MAX")
    return name, numbers


def _plain_number(text: str) -> int | float:
    """Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if math.isfinite(number):
            return number
        raise


def point_in_time(text: str) -> datetime:
    """From ISO 8601, with a date alone for its midnight; without a zone it is UTC, as in the tables."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time: write 2026-01-31, 2026-01-31T12:00 (UTC) or 2026-01-31T12:00+01:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def candidate(text: str) -> Candidate:
    """From the JSON that ``--json`` prints for a candidate, or from its values alone."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise typer.BadParameter('must be a JSON object: {"PARAMETER": VALUE, ...}')
    parts = set(document) <= {"values", "graph"} and all(isinstance(part, dict | None) for part in document.values())
    if not parts:
        document = {"values": document}
    return Candidate(_values(document.get("values") or {}), _graph(document.get("graph")))


def _end(text: str) -> float | None:
    if not text.strip():
        return None
    end = float(text)
    if not math.isfinite(end):
        raise ValueError
    return end


def _values(document: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    for name, value in document.items():
        if not isinstance(value, str | int | float | bool):
            raise typer.BadParameter(f"{name} must be a string, a number or a truth value, got {json.dumps(value)}")
    return dict(document)


def _graph(document: Mapping[str, Any] | None) -> Graph | None:
    if document is None:
        return None
    try:
        nodes = tuple(Node(str(node["op"]), _values(node.get("attributes", {}))) for node in document["nodes"])
        edges = tuple((int(edge["source"]), int(edge["target"])) for edge in document["edges"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise typer.BadParameter(
            'graph must be {"nodes": [{"op": OP, "attributes": {}}, ...], "edges": [{"source": 0, "target": 1}, ...]}'
        ) from None
    return Graph(nodes, edges)
