"""The size in bytes of all arrays in an object, for caches whose entries differ in size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

_ARRAY = 130


def array_bytes(*objects: object) -> int:
    """Bytes of all arrays that objects hold, directly or in attributes, lists and mappings; each counts once."""
    seen: set[int] = set()
    total = 0
    waiting: list[object] = list(objects)
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            total += each.nbytes + _ARRAY
        else:
            waiting += _parts(each)
    return total


def _parts(each: object) -> Iterable[object]:
    if isinstance(each, Mapping):
        return each.values()
    if isinstance(each, list | tuple):
        # Lists of numbers and texts hold no arrays.
        return each if each and not isinstance(each[0], str | int | float) else ()
    return vars(each).values() if hasattr(each, "__dict__") and not isinstance(each, type) else ()
