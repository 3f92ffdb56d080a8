"""What the cells of a history mean: numbers, truth values and words in their many spellings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.spaces.declaration import Value

KINDS = ("text", "integer", "float", "boolean", "json")


class Unreadable(ValueError):
    """A line that makes no run; the message says why."""


@dataclass(frozen=True)
class Conversion:
    """Of a column, in this order: words to be replaced, the kind that a text stands for, then scale and offset."""

    values: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    scale: float = 1.0
    offset: float = 0.0


def convert(cell: Any, conversion: Conversion, column: str) -> Any:
    word = str(cell).lower() if isinstance(cell, bool) else str(cell)
    if word in conversion.values:
        return conversion.values[word]
    match conversion.kind:
        case "text":
            return str(cell)
        case "boolean":
            cell = _truth(cell, column)
        case "json":
            cell = parsed_json(cell)
        case "integer":
            cell = _whole(cell, column)
        case "float":
            cell = cell_number(cell, column)
    if conversion.scale != 1.0 or conversion.offset != 0.0:
        return cell_number(cell, column) * conversion.scale + conversion.offset
    return cell


def plain_value(text: str) -> Value:
    """What a text stands for: an integer, a finite number, a truth value, or a word."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        # Not 1_000, which is a word, and not nan or inf.
        return text if "_" in text or not math.isfinite(number) else number
    return {"true": True, "false": False}.get(text.lower(), text)


def cell_number(cell: Any, column: str) -> float:
    try:
        if isinstance(cell, bool):
            raise TypeError
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(f"column {column!r} holds {str(cell)[:40]!r}, not a number") from None


def _whole(cell: Any, column: str) -> int:
    try:
        return int(cell)
    except (TypeError, ValueError, OverflowError):
        number = cell_number(cell, column)
        if not number.is_integer():
            raise Unreadable(f"column {column!r} holds {str(cell)[:40]!r}, not a whole number") from None
        return int(number)


def _truth(cell: Any, column: str) -> bool:
    word = str(cell).lower()
    if word not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise Unreadable(f"column {column!r} holds {str(cell)[:40]!r}, not a truth value")
    return word in ("true", "1", "yes", "on")


def parsed_json(cell: Any) -> Any:
    try:
        return json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        raise Unreadable(f"{cell[:40]!r} is not JSON") from None
