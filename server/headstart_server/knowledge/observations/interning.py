"""The architectures of one search space as dense numbers, so that what many tasks saw of them is compared by arrays.

A number stands for a fingerprint as long as the process lives; it means nothing outside of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


class Fingerprints:
    """Numbers 0, 1, 2, ... of fingerprints in the order of their first use. Thread-safe; it only grows."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._codes: dict[str, int] = {}
        # The row number of an architecture, which is shorter to read than its fingerprint.
        self._by_row: dict[int, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._names)

    def name(self, code: int) -> str:
        return self._names[code]

    def names(self, codes: Iterable[int]) -> tuple[str, ...]:
        return tuple([self._names[code] for code in codes])

    def known(self, names: Iterable[str]) -> Codes:
        """The numbers of those names that have one."""
        result = (self._codes.get(name) for name in names)
        return np.array([code for code in result if code is not None], dtype=np.int64)

    def numbers(self, names: Iterable[str]) -> Codes:
        """The number of each name, -1 for a name without one."""
        return np.array([self._codes.get(name, -1) for name in names], dtype=np.int64)

    def codes(self, names: Iterable[str]) -> Codes:
        """The number of each name; new names get new numbers."""
        with self._lock:
            return np.array([self._code(name) for name in names], dtype=np.int64)

    def missing_rows(self, rows: Iterable[int]) -> set[int]:
        """Row numbers that ``of_rows`` does not know yet."""
        return {row for row in rows if row not in self._by_row}

    def learn_rows(self, names: Mapping[int, str]) -> None:
        with self._lock:
            for row, name in names.items():
                self._by_row[row] = self._code(name)

    def of_rows(self, rows: Iterable[int]) -> Codes:
        """The numbers of architectures by row number. Raises KeyError for an unknown row."""
        return np.array([self._by_row[row] for row in rows], dtype=np.int64)

    def _code(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._names)
            self._names.append(name)
        return code
