"""Reading of model artefacts. A corrupt one, or one of a newer format, is logged once and not used."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable
from typing import TypeVar
from zipfile import BadZipFile

from headstart_server.runtime.errors import Unavailable
from headstart_server.runtime.observability import metrics

T = TypeVar("T")

_log = logging.getLogger(__name__)
_logged: set[str] = set()
_lock = threading.Lock()


class ModelUnreadable(Unavailable):
    """The artefact of a model version has another format than this version of the service reads."""

    def __init__(self, name: str) -> None:
        super().__init__(f"model {name} cannot be read", "MODEL_UNREADABLE")
        self.name = name


def reading(name: str, read: Callable[[], T]) -> T:
    """The result of reading the version of a name. Raises ModelUnreadable; the log has the reason."""
    try:
        return read()
    except (ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, BadZipFile, zlib.error) as problem:
        with _lock:
            first = name not in _logged
            _logged.add(name)
        metrics.MODEL_LOAD_FAILURES.inc()
        if first:
            _log.error("model %s is not used, since it cannot be read: %s: %s", name, type(problem).__name__, problem)
        raise ModelUnreadable(name) from problem
