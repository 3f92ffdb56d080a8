"""Traces: where the time of a call goes, told to an OpenTelemetry collector. Off unless HEADSTART_TRACING says so.

What a span holds is decided here; where spans are sent, how many, and under which name is left to OpenTelemetry's own
OTEL_* variables. While tracing is off nothing of OpenTelemetry is imported here, and a span costs one comparison.
Database statements are spans where a span is open already: what the service asks for itself, such as its health, makes
no traces of its own. OpenTelemetry's instrumentation packages are not used: that of gRPC takes each ``abort`` for an
exception, that of SQLAlchemy takes one set of engines a process and makes a trace of each poll.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import grpc
from sqlalchemy import Connection, Engine, ExceptionContext, event

from headstart_server.runtime.errors import StartupError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_MAX_STATEMENT = 1024
# Codes that are errors of the server by OpenTelemetry's conventions; others answer a wrong request.
_SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_STATEMENT_SPAN = "headstart_span"

_tracer: Tracer | None = None


def start(role: str) -> None:
    """Export traces by OTLP over gRPC to OTEL_EXPORTER_OTLP_ENDPOINT from now on.

    Ended spans are sent in the background, and the rest when the process ends. Raises StartupError without the extra
    ``otel``.
    """
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise StartupError(
            f"HEADSTART_TRACING needs the extra otel ({error}): pip install 'headstart[otel]', or unset it"
        ) from None
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last, so they win.
    resource = Resource({"service.name": f"headstart-{role}"}).merge(OTELResourceDetector().detect())
    # Not the process's global provider, which libraries such as Chroma's client may write to and replace.
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    global _tracer  # noqa: PLW0603
    _tracer = provider.get_tracer("headstart_server")


def span(name: str, **attributes: str | int) -> AbstractContextManager[object]:
    """A span of the current trace, if there is one. An exception that leaves it sets its status to error."""
    open_here = current()
    if _tracer is None or open_here is None or not open_here.is_recording():
        return nullcontext()
    return _tracer.start_as_current_span(name, attributes=_named(attributes))


def work_span(name: str, causes: Iterable[Span | None] = (), **attributes: str | int) -> AbstractContextManager[object]:
    """Work for no call, or for several: in the trace of the first of its ``causes``, linked to the others."""
    if _tracer is None:
        return nullcontext()
    from opentelemetry.trace import Link, set_span_in_context

    known = [cause for cause in causes if cause is not None]
    return _tracer.start_as_current_span(
        name,
        context=set_span_in_context(known[0]) if known else None,
        links=[Link(other.get_span_context()) for other in known[1:]],
        attributes=_named(attributes),
    )


def begin_call(method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> Span | None:
    """The span of an arriving call, current until its task ends. It continues the caller's trace, if there is one."""
    if _tracer is None:
        return None
    from opentelemetry.context import attach
    from opentelemetry.trace import SpanKind, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {key: value for key, value in metadata or () if isinstance(value, str)}
    parent = TraceContextTextMapPropagator().extract(carrier)
    service, _, name = method.removeprefix("/").partition("/")
    begun = _tracer.start_span(
        f"{service}/{name}",
        context=parent,
        kind=SpanKind.SERVER,
        attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
    )
    # Never detached: the context is that of the call's own task, and a stream may be closed from another one.
    attach(set_span_in_context(begun, parent))
    return begun


def tell(begun: Span | None, **facts: str) -> None:
    """Set the attributes of a call."""
    if begun is not None:
        begun.set_attributes(_named(facts))


def end_call(begun: Span | None, code: grpc.StatusCode) -> None:
    if begun is None:
        return
    from opentelemetry.trace import StatusCode

    begun.set_attribute("rpc.grpc.status_code", code.value[0])
    if code in _SERVER_ERRORS:
        begun.set_status(StatusCode.ERROR, code.name)
    begun.end()


def current() -> Span | None:
    """The current span; None while tracing is off."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    return get_current_span()


def note_error(error: BaseException) -> None:
    """Record an error that does not leave the current span."""
    open_here = current()
    if open_here is not None:
        open_here.record_exception(error)


def current_ids() -> dict[str, str]:
    """``trace_id`` and ``span_id`` in hexadecimal, for a line of a log; empty without a trace."""
    open_here = current()
    if open_here is None or not (result := open_here.get_span_context()).is_valid:
        return {}
    return {"trace_id": f"{result.trace_id:032x}", "span_id": f"{result.span_id:016x}"}


def exemplar(begun: Span | None) -> dict[str, str] | None:
    """The exemplar for a histogram's value, which leads to its trace; None without a trace."""
    if begun is None or not begun.is_recording():
        return None
    return {"trace_id": f"{begun.get_span_context().trace_id:032x}"}


def outgoing(metadata: tuple[tuple[str, str], ...] | None) -> tuple[tuple[str, str], ...] | None:
    """Metadata for a call to another part of the service, which then continues the trace."""
    if _tracer is None:
        return metadata
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return (*(metadata or ()), *carrier.items())


def watch_statements(engine: Engine) -> None:
    """Make each statement a span. Call it before other listeners for errors, which may raise."""
    if _tracer is not None:
        event.listen(engine, "before_cursor_execute", _statement_begins)
        event.listen(engine, "after_cursor_execute", _statement_ends)
        event.listen(engine, "handle_error", _statement_fails)


def _statement_begins(connection: Connection, _: Any, statement: str, *__: Any) -> None:
    from opentelemetry.trace import SpanKind

    open_here = current()
    if _tracer is None or open_here is None or not open_here.is_recording():
        return
    verb = statement.lstrip(" \n(").partition(" ")[0].partition("\n")[0].upper()
    connection.info[_STATEMENT_SPAN] = _tracer.start_span(
        verb,
        kind=SpanKind.CLIENT,
        # With placeholders, so that values are not exported.
        attributes={"db.system.name": "postgresql", "db.query.text": statement[:_MAX_STATEMENT]},
    )


def _statement_ends(connection: Connection, *_: Any) -> None:
    begun: Span | None = connection.info.pop(_STATEMENT_SPAN, None)
    if begun is not None:
        begun.end()


def _statement_fails(context: ExceptionContext) -> None:
    begun: Span | None = context.connection.info.pop(_STATEMENT_SPAN, None) if context.connection is not None else None
    if begun is None:
        return
    from opentelemetry.trace import StatusCode

    # The driver's message is omitted, because it may quote values.
    begun.set_status(StatusCode.ERROR, type(context.original_exception).__name__)
    begun.end()


def _named(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    return {f"headstart.{name}": value for name, value in attributes.items()}
