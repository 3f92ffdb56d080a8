"""Sends many records over one stream, and goes on where it was when the stream breaks.

A chunk counts when the service has acknowledged it, which it does after the commit. What was sent but not acknowledged
is sent again on the next stream; request ids make that safe.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import grpc

from headstart import errors
from headstart.v1 import meta_learning_service_pb2 as meta_pb2

# Chunks in flight: enough to keep the service busy, few enough to repeat.
_WINDOW = 4

# Streams in a row that may break without one acknowledgement between them.
_MAX_FAILURES = 13

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 8.0

# A chunk is closed early at this size, to stay well below the largest message.
_CHUNK_BYTES = 2 * 2**20

# Errors that end a stream when the service restarts or is overloaded, or at the stream's own deadline.
_RESUMABLE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


@dataclass(frozen=True)
class RecordedMany:
    """The number of new records, and of records that were known by their request id."""

    recorded_count: int
    already_known_count: int


Chunk = list[meta_pb2.RecordExperimentRequest]
OpenStream = Callable[[Iterator[meta_pb2.RecordExperimentsRequest]], Any]


def in_chunks(records: Iterable[meta_pb2.RecordExperimentRequest], chunk_size: int) -> Iterator[Chunk]:
    """Chunks of at most ``chunk_size`` records, fewer if they are large."""
    chunk: Chunk = []
    size = 0
    for record in records:
        record_size = record.ByteSize()
        if chunk and (len(chunk) >= chunk_size or size + record_size > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += record_size
    if chunk:
        yield chunk


class RecordStream:
    """One import, over as many streams as it takes."""

    def __init__(
        self,
        open_stream: OpenStream,
        chunks: Iterator[Chunk],
        progress: Callable[[int], None] | None,
        closed: threading.Event,
    ) -> None:
        """``closed`` is set when no further stream can be opened."""
        self._open_stream = open_stream
        self._chunks = chunks
        self._progress = progress
        self._closed = closed
        self._unacknowledged: deque[Chunk] = deque()
        self._recorded = 0
        self._already_known = 0
        self._failures = 0

    def run(self) -> RecordedMany:
        """Raises HeadstartError if the service refuses a chunk, or stays out of reach."""
        while True:
            try:
                self._run_stream()
                return RecordedMany(self._recorded, self._already_known)
            except grpc.RpcError as error:
                translated = errors.translate(error)
                self._failures += 1
                pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._failures)
                wait = max(translated.retry_seconds or 0.0, pause * random.uniform(0.5, 1.0))
                lost = translated.code not in _RESUMABLE or self._failures > _MAX_FAILURES
                if lost or self._closed.wait(wait):
                    translated.add_note(f"{self._recorded + self._already_known} records had been acknowledged")
                    raise translated from None

    def _run_stream(self) -> None:
        """Run until everything is acknowledged; raises grpc.RpcError if the stream breaks before."""
        requests: SimpleQueue[meta_pb2.RecordExperimentsRequest | None] = SimpleQueue()
        answers = self._open_stream(iter(requests.get, None))
        sent = 0
        try:
            for chunk in self._unacknowledged:
                sent += 1
                requests.put(meta_pb2.RecordExperimentsRequest(chunk=sent, records=chunk))
            while True:
                while len(self._unacknowledged) < _WINDOW and (more := next(self._chunks, None)) is not None:
                    self._unacknowledged.append(more)
                    sent += 1
                    requests.put(meta_pb2.RecordExperimentsRequest(chunk=sent, records=more))
                if not self._unacknowledged:
                    requests.put(None)
                    # Everything is committed, so the end of the stream does not matter.
                    with suppress(grpc.RpcError):
                        next(answers, None)
                    return
                self._acknowledge(next(answers, None))
        finally:
            requests.put(None)
            answers.cancel()

    def _acknowledge(self, answer: meta_pb2.RecordExperimentsResponse | None) -> None:
        if answer is None:
            message = "the service ended the stream before it had acknowledged everything"
            raise errors.HeadstartError(grpc.StatusCode.INTERNAL, "", message)
        self._unacknowledged.popleft()
        self._failures = 0
        self._recorded += answer.recorded_count
        self._already_known += answer.already_known_count
        if self._progress is not None:
            self._progress(self._recorded + self._already_known)
