"""Sends records in chunks and counts what became of them: the report of an import as it grows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from headstart.client import Client
from headstart.errors import AlreadyExists, InvalidArgument, ResourceExhausted
from headstart.history.model import MAX_LISTED, ImportReport, Note
from headstart.spaces.declaration import SearchSpace
from headstart.spaces.validation import InvalidInput
from headstart.values import Record, Task

# With one of these the service refuses the content of a chunk: its records are then sent one by one.
_REFUSALS = (InvalidArgument, AlreadyExists, ResourceExhausted)

# Errors for a record that fits no message, before it is sent.
_UNSENDABLE = (InvalidInput, TypeError, ValueError)


@dataclass
class Tally:
    """The report as it grows."""

    read: int = 0
    recorded: int = 0
    known: int = 0
    skipped_count: int = 0
    amended_count: int = 0
    skipped: list[Note] = field(default_factory=list)
    amended: list[Note] = field(default_factory=list)

    def skip(self, locator: str, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < MAX_LISTED:
            self.skipped.append(Note(locator, reason))

    def amend(self, locator: str, notes: Iterable[str]) -> None:
        note = "; ".join(notes)
        if not note:
            return
        self.amended_count += 1
        if len(self.amended) < MAX_LISTED:
            self.amended.append(Note(locator, note))

    def report(self, source: str, dry_run: bool, spaces: Iterable[SearchSpace], tasks: Iterable[Task]) -> ImportReport:
        return ImportReport(
            source,
            dry_run,
            tuple(spaces),
            tuple(tasks),
            self.read,
            self.recorded,
            self.known,
            self.skipped_count,
            self.amended_count,
            tuple(self.skipped),
            tuple(self.amended),
        )


class Sender:
    """Records runs in chunks; in a dry run it only counts."""

    def __init__(self, client: Client, tally: Tally, chunk_size: int, dry_run: bool) -> None:
        self._client = client
        self._tally = tally
        self._chunk_size = chunk_size
        self._dry_run = dry_run
        self._waiting: list[tuple[str, Record]] = []
        self._sent: set[bytes] = set()

    def add(self, locator: str, record: Record) -> None:
        """An entry that occurred before under the same identity is reported as skipped."""
        key = hashlib.blake2b(f"{record.task_id}/{record.request_id}".encode(), digest_size=12).digest()
        if key in self._sent:
            self._tally.skip(locator, "a duplicate of an earlier entry")
            return
        self._sent.add(key)
        self._waiting.append((locator, record))
        if len(self._waiting) >= self._chunk_size:
            self.flush()

    def flush(self) -> None:
        """Raises HeadstartError if the service does not answer, or refuses for another reason than the content."""
        waiting, self._waiting = self._waiting, []
        if self._dry_run:
            self._tally.recorded += len(waiting)
            return
        if not waiting:
            return
        try:
            done = self._client.record_many([record for _, record in waiting], chunk_size=self._chunk_size)
        except (*_REFUSALS, *_UNSENDABLE):
            self._one_by_one(waiting)
        else:
            self._tally.recorded += done.recorded_count
            self._tally.known += done.already_known_count

    def _one_by_one(self, records: Iterable[tuple[str, Record]]) -> None:
        for locator, record in records:
            try:
                done = self._client.record(
                    record.task_id,
                    record.search_space_id,
                    record.candidate,
                    record.outcome,
                    decision_id=record.decision_id,
                    worker_id=record.worker_id,
                    request_id=record.request_id,
                )
            except AlreadyExists:
                self._tally.skip(locator, "it was recorded before with another content, which stays (see --replace)")
            except (*_REFUSALS, *_UNSENDABLE) as error:
                if isinstance(error, ResourceExhausted) and error.retry_seconds is not None:
                    raise
                self._tally.skip(locator, f"the service refuses it: {' '.join(str(error).split())}")
            else:
                self._tally.known += done.already_known
                self._tally.recorded += not done.already_known
