"""Reads the pickles inside the benchmark wheels without letting them run anything.

A pickle may name any importable callable and have it called. These files need plain containers and numbers, and the
64-bit floats that numpy writes as ``scalar(dtype("f8"), bytes)``. Both names are answered with harmless stand-ins of
our own (numpy's real ``scalar`` would unpickle nested objects), and every other name is refused.
"""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any


class RefusedPickle(pickle.UnpicklingError):
    """Raised for a file that asks for anything but containers and numbers."""


def load(path: Path) -> Any:
    """The content of a pickle of containers and numbers. Raises RefusedPickle for anything else."""
    with path.open("rb") as file:
        return _RestrictedUnpickler(file, str(path)).load()


class _Float64Type:
    """Stands in for ``numpy.dtype("f8")``: remembers the byte order that its state brings."""

    def __init__(self, kind: object, *_flags: object) -> None:
        if kind != "f8":
            raise RefusedPickle(f"only 64-bit floats are read, not numpy type {str(kind)[:40]!r}")
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order not in ("<", ">"):
            raise RefusedPickle(f"unknown byte order {str(order)[:40]!r}")
        self.order = order


def _float64(kind: object, content: object) -> float:
    """Stands in for ``numpy.core.multiarray.scalar``."""
    if not isinstance(kind, _Float64Type) or not isinstance(content, bytes) or len(content) != 8:
        raise RefusedPickle("a numpy scalar that is not a 64-bit float")
    number: float = struct.unpack(f"{kind.order}d", content)[0]
    return number


_STAND_INS = {
    ("numpy", "dtype"): _Float64Type,
    ("numpy.core.multiarray", "scalar"): _float64,
    ("numpy._core.multiarray", "scalar"): _float64,
}


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, file: Any, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None:
            raise RefusedPickle(
                f"{self._name} asks for {module[:60]}.{name[:60]}, but only containers and numbers are read"
            )
        return stand_in

    def persistent_load(self, identifier: Any) -> Any:
        raise RefusedPickle(f"{self._name} refers to objects outside itself")
