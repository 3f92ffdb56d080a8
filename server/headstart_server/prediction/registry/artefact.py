"""Errors of reading a model artefact: a corrupt one, or one of a newer format, is logged once and not used."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from zipfile import BadZipFile

from headstart_server.runtime.errors import Unavailable
from headstart_server.runtime.observability import metrics

_log = logging.getLogger(__name__)
_logged: set[str] = set()
_lock = threading.Lock()


class ModelUnreadable(Unavailable):
    """The artefact of a model version is corrupt, or has a format that this version of the service cannot read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"model {name} cannot be read", "MODEL_UNREADABLE")
        self.name = name


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise ModelUnreadable for errors of reading the version ``name``, and log the reason once."""
    try:
        yield
    except (ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, BadZipFile, zlib.error) as problem:
        with _lock:
            first = name not in _logged
            _logged.add(name)
        metrics.MODEL_LOAD_FAILURES.inc()
        if first:
            _log.error("model %s is not used, since it cannot be read: %s: %s", name, type(problem).__name__, problem)
        raise ModelUnreadable(name) from problem
