"""Takes what people obviously mean for the values of the contract, and says in one sentence what is none.

A mapping is a candidate's values, a number is a completed outcome, a pair is a point of a curve, a direction or status
may be named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from numbers import Real
from typing import Any, TypeVar

from headstart.spaces.declaration import Candidate
from headstart.spaces.validation import InvalidInput, Violation

EnumType = TypeVar("EnumType", bound=Enum)
Kind = TypeVar("Kind")


def refused(field: str, wanted: str, got: object) -> InvalidInput:
    return InvalidInput([Violation(field, f"must be {wanted}, got {got!r:.100}")])


def of_kind(value: object, kind: type[Kind], field: str) -> Kind:
    """Raises InvalidInput for a value of another class."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise refused(field, f"{article} {kind.__name__}", value)
    return value


def candidate_of(value: object, field: str = "candidate") -> Candidate:
    if isinstance(value, Candidate):
        return value
    if isinstance(value, Mapping):
        return Candidate(value)
    raise refused(field, "a Candidate or the dict of its values", value)


def member_of(kind: type[EnumType], value: object, field: str) -> EnumType:
    """A member of an enum, or the one with this name in any case."""
    if isinstance(value, kind):
        return value
    named = value.upper() if isinstance(value, str) else ""
    if named in kind.__members__:
        return kind[named]
    raise refused(field, f"a {kind.__name__}: {' or '.join(member.name for member in kind)}", value)


def is_number(value: object) -> bool:
    """Whether a value is a number, NumPy's included; truth values are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def pairs_of(points: object, field: str) -> Iterable[tuple[Any, Any]]:
    """Fidelity and value of each point of a curve; a point is a CurvePoint or a pair."""
    if not isinstance(points, Iterable) or isinstance(points, str | bytes | Mapping):
        raise refused(field, "a sequence of CurvePoint or (fidelity, value)", points)
    for index, point in enumerate(points):
        if hasattr(point, "fidelity") and hasattr(point, "value"):
            yield point.fidelity, point.value
        elif isinstance(point, tuple | list) and len(point) == 2:
            yield point[0], point[1]
        else:
            raise refused(f"{field}[{index}]", "a CurvePoint or (fidelity, value)", point)
