"""Logging: one JSON object a line, with the request, namespace, task and trace that it belongs to.

Modules log through ``logging.getLogger(__name__)`` and pass facts by ``extra={...}``; structlog makes the lines, those
of libraries too. The edge says by ``log_with`` what a call is about, which follows it into tasks and, by
``copy_context``, into threads.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.contextvars import bind_contextvars, get_contextvars, merge_contextvars
from structlog.typing import EventDict

from headstart_server.runtime.observability import tracing

# A caller's fields are not checked yet when they are bound.
_MAX_VALUE = 64


def log_with(**facts: str) -> None:
    """Add these fields to every line of the call from now on; empty ones are omitted."""
    bind_contextvars(**{name: value[:_MAX_VALUE] for name, value in facts.items() if value})


def request_id() -> str:
    """The request id of the current call; empty outside of calls."""
    return str(get_contextvars().get("request_id", ""))


def json_lines(role: str) -> logging.Formatter:
    """A record as one line: JSON escapes line breaks in messages and tracebacks."""

    def origin(_: object, __: str, line: EventDict) -> EventDict:
        record: logging.LogRecord = line["_record"]
        line.update(level=record.levelname, role=role, logger=record.name)
        return line

    def trace(_: object, __: str, line: EventDict) -> EventDict:
        line.update(tracing.current_ids())
        return line

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            origin,
            structlog.processors.EventRenamer("message"),
            merge_contextvars,
            trace,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ],
    )


def configure_logging(level: str, role: str) -> None:
    """Send everything from ``level`` upwards to standard error; lines of libraries from WARNING upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_lines(role))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("headstart_server").setLevel(level)
