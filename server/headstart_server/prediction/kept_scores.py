"""Keeps what a model version says of recorded architectures, so that each is scored once: versions never change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture

_KEPT = 20_000

Numbers = NDArray[np.float64]
# Recorded architectures by fingerprint, as far as they are known.
Recorded = Callable[[Sequence[str]], Mapping[str, Architecture]]


class KeptScores:
    """Scores [heads] by model version and fingerprint. Thread-safe."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, str], Numbers] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self,
        version: str,
        fingerprints: Sequence[str],
        recorded: Recorded,
        score: Callable[[Sequence[CanonicalCandidate]], Numbers],
    ) -> Numbers:
        """float [n, heads], NaN for an architecture that is not recorded any more; empty where none is."""
        with self._lock:
            rows = {name: self._rows.get((version, name)) for name in fingerprints}
        missing = [name for name, row in rows.items() if row is None]
        if missing:
            found = recorded(missing)
            known = [name for name in missing if name in found]
            if known:
                rows.update(zip(known, score([found[name].canonical for name in known]), strict=True))
                with self._lock:
                    for name in known:
                        row = rows[name]
                        assert row is not None
                        self._rows[version, name] = row
                    while len(self._rows) > _KEPT:
                        self._rows.popitem(last=False)
        one = next((row for row in rows.values() if row is not None), None)
        if one is None:
            return np.empty((0, 0))
        nothing = np.full(len(one), np.nan)
        return np.stack([nothing if (row := rows[name]) is None else row for name in fingerprints])
