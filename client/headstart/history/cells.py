"""Values of table cells: numbers, truth values and words in their many spellings."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.spaces.declaration import Value

KINDS = ("text", "integer", "float", "boolean", "json")

_LEADING_ZERO = re.compile(r"\s*[+-]?0\d")


# A curve of 10,000 points takes some 300,000 characters, more than Python's CSV reader accepts by default.
_CELL_CHARACTERS = 2**24


def allow_long_cells() -> None:
    """Allow long cells in CSV files, in the whole process. Call it before one is read."""
    csv.field_size_limit(max(_CELL_CHARACTERS, csv.field_size_limit()))


class Unreadable(ValueError):
    """A line that makes no run; the message is the reason."""


@dataclass(frozen=True)
class Conversion:
    """Conversion of a column: words are replaced, then texts are parsed, then scale and offset are applied."""

    values: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    scale: float = 1.0
    offset: float = 0.0

    @property
    def keeps_whole(self) -> bool:
        """Whether whole numbers stay whole."""
        return float(self.scale).is_integer() and float(self.offset).is_integer()

    def scaled(self, number: float) -> float:
        return number * self.scale + self.offset


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
    if conversion.scale == 1.0 and conversion.offset == 0.0:
        return cell
    whole = plain_value(cell) if isinstance(cell, str) else cell
    scaled = conversion.scaled(cell_number(cell, column))
    if isinstance(whole, int) and not isinstance(whole, bool) and conversion.keeps_whole and math.isfinite(scaled):
        return round(whole * conversion.scale + conversion.offset)
    return scaled


def plain_value(text: str) -> Value:
    """The value of a text: an integer, a finite number, a truth value, or a word.

    A text with a leading zero (0011: bits, a hash) is a word, because as a number it would equal another one.
    """
    if _LEADING_ZERO.match(text):
        return text
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
    if isinstance(cell, int | str) and not isinstance(cell, bool):
        # Without a detour by a float, which would lose the last digits of a large number.
        try:
            return int(cell)
        except ValueError:
            pass
    number = cell_number(cell, column)
    if not number.is_integer():
        raise Unreadable(f"column {column!r} holds {str(cell)[:40]!r}, not a whole number")
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
