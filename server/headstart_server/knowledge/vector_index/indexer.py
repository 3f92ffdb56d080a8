"""Keeps the vector index in step with the records: deliveries, building, comparing, dropping.

Nothing here is remembered between two calls that PostgreSQL does not know, apart from when a space was compared last:
any number of workers may keep the same index, and one that is killed is followed by another where it stopped. Building
goes in slices, so that deliveries to the version that serves go on meanwhile.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.vector_index import failures, outbox
from headstart_server.knowledge.vector_index import versions as vector_versions
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex, CollectionMissing
from headstart_server.knowledge.vector_index.failures import Work
from headstart_server.knowledge.vector_index.space_guard import NotClaimed, SpaceGuard
from headstart_server.knowledge.vector_index.versions import VectorIndex, VersionState
from headstart_server.runtime.database.claims import claimed
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import NotFound

# Computes embeddings float32 [n, d] of candidates: namespace, search space id, embedding, candidates. Raises NotFound
# for an embedding that cannot be computed any more, Unavailable for one that cannot be computed now.
Embed = Callable[[str, str, str, Sequence[CanonicalCandidate]], NDArray[np.float32]]
# Chooses the embedding of a space: namespace, search space id, its present embedding (or None).
Choose = Callable[[str, str, str | None], str]

# Largest number of architectures in a call, and of one space.
_DELIVERED = 2_000
_OF_ONE_SPACE = 1_000
# Features of a graph of 2,000 nodes take some tenths of a second, so spaces of large graphs have shorter turns.
_NODES_OF_ONE_SPACE = 50_000
_SLICE = 5_000
_SECONDS_BETWEEN_COMPARISONS = 10.0
# Comparing takes at most this share of the time: counting a million rows takes some tenths of a second.
_SHARE_OF_TIME = 0.01
# With as many vectors as before nothing is counted, except at this interval.
_SECONDS_BETWEEN_COUNTS = 300.0
# A server may query a version for a second after it was replaced.
_RETIRED_SECONDS = 10.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slice:
    """The result of building a slice; ``done`` when the version serves now."""

    index: VectorIndex
    added: int
    done: bool


@dataclass
class _Compared:
    due: float = -math.inf
    counted: float = -math.inf
    held: int = -1


class VectorKeeper:
    """Maintains the vector index for one worker; not thread-safe."""

    def __init__(self, engine: Engine, index: ArchitectureIndex, embed: Embed, choose: Choose) -> None:
        self._engine = engine
        self._index = index
        self._embed = embed
        self._choose = choose
        self._guard = SpaceGuard(engine)
        # The space that was delivered last.
        self._last = 0
        self._compared: dict[str, _Compared] = {}
        self._looked = -math.inf

    # New and removed architectures

    def deliver(self) -> int:
        """Deliver waiting rows to every version that is not retired, a batch of each space in turn; returns the
        number of rows.

        A space that fails does not delay others. Raises IndexUnavailable if Chroma is out of reach and, if nothing
        was delivered, the passing error that delays a space, such as Unavailable from a model host.
        """
        self._guard.begin(Work.DELIVER)
        with self._engine.connect() as connection:
            spaces = outbox.waiting_spaces(connection)
        delivered = 0
        for space in [*(n for n in spaces if n > self._last), *(n for n in spaces if n <= self._last)]:
            if delivered >= _DELIVERED:
                break
            delivered += self._guard.attempt(space, Work.DELIVER, partial(self._deliver_space, space)) or 0
            self._last = space
        if not delivered:
            self._guard.raise_passing()
        return delivered

    def _deliver_space(self, space: int) -> int:
        with claimed(self._engine, f"deliver/{space}") as claim:
            if claim is None:
                raise NotClaimed
            with self._engine.connect() as connection:
                waiting = outbox.read_waiting(connection, space, _OF_ONE_SPACE, _NODES_OF_ONE_SPACE)
            if waiting is None:
                return 0
            self._deliver(waiting)
            run_transaction(self._engine, partial(_note_delivered, waiting))
            return len(waiting.rows)

    def _deliver(self, waiting: outbox.Waiting) -> None:
        # Read after the outbox rows: what is committed later finds a version begun meanwhile.
        versions = self._versions_of(waiting.space)
        if not versions:
            with self._engine.connect() as connection:
                records = vector_versions.records_of(connection, waiting.space)
            # After an upgrade there are architectures without a row in the outbox.
            state = VersionState.SERVING if records.architectures <= records.waiting else VersionState.BUILDING
            self._begin(waiting.space, waiting.namespace, waiting.search_space_id, None, state)
            versions = self._versions_of(waiting.space)
        for index in versions:
            self._deliver_to(index, waiting)

    def _deliver_to(self, index: VectorIndex, waiting: outbox.Waiting) -> None:
        try:
            if waiting.new:
                canonicals = [architecture.canonical for architecture in waiting.new]
                embeddings = self._embed(index.namespace, index.search_space_id, index.embedding, canonicals)
                self._index.upsert(
                    index.collection, [architecture.fingerprint for architecture in waiting.new], embeddings
                )
            if waiting.removed:
                self._index.remove(index.collection, waiting.removed)
        except (CollectionMissing, NotFound) as error:
            # A version begun now includes everything recorded, these too.
            self._replace(index, error)

    # Versions

    def rebuild(self, index: VectorIndex) -> VectorIndex | None:
        """Begin a version beside ``index``; None if one is under construction already. Raises IndexUnavailable."""
        return self._begin(index.space, index.namespace, index.search_space_id, index.embedding, VersionState.BUILDING)

    def rebuild_all(self, namespace: str | None = None, search_space_id: str | None = None) -> list[VectorIndex]:
        """Begin a version of every space with architectures, or of the spaces of these names.

        Those under construction are begun again, and those set aside are tried again. Returns the versions to build.
        Raises IndexUnavailable.
        """
        with self._engine.connect() as connection:
            spaces = vector_versions.spaces_with_architectures(connection, namespace, search_space_id)
        begun: list[VectorIndex] = []
        for space, name, space_id in spaces:
            run_transaction(self._engine, partial(failures.forget_failure, space=space))
            versions = self._versions_of(space)
            embedding = next((each.embedding for each in versions if each.state is VersionState.SERVING), None)
            for old in versions:
                if old.state is VersionState.BUILDING:
                    self._abandon(old)
            index = self._begin(space, name, space_id, embedding, VersionState.BUILDING)
            # None if a worker began it first.
            begun += [index] if index is not None else self._under_construction(space)
        return begun

    def _under_construction(self, space: int) -> list[VectorIndex]:
        return [index for index in self._versions_of(space) if index.state is VersionState.BUILDING]

    def _versions_of(self, space: int) -> list[VectorIndex]:
        with self._engine.connect() as connection:
            return vector_versions.versions_of(connection, space)

    def recorded(self, index: VectorIndex) -> int:
        """The number of architectures that a version must contain."""
        with self._engine.connect() as connection:
            return vector_versions.records_of(connection, index.space).architectures

    def built(self, index: VectorIndex) -> int:
        """The number of vectors that a version contains so far."""
        return max(self._size(index), 0)

    def is_building(self, index: VectorIndex) -> bool:
        return any(each.version == index.version for each in self._under_construction(index.space))

    def tend(self) -> bool:
        """At intervals: follow newer embeddings, look for losses, drop retired versions; returns whether there is
        something to build.
        """
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_COMPARISONS:
            return False
        self._looked = time.monotonic()
        self._guard.begin(Work.TEND)
        self._drop_retired()
        begun: list[VectorIndex | None] = []
        with self._engine.connect() as connection:
            serving = vector_versions.serving_versions(connection)
            missing = vector_versions.spaces_without_version(connection)
            paused = failures.paused_spaces(connection, Work.TEND)
        for space, namespace, name in missing:
            if space not in paused:
                begin = partial(self._begin, space, namespace, name, None, VersionState.BUILDING)
                begun.append(self._guard.attempt(space, Work.TEND, begin))
        for index in serving:
            if index.space not in paused:
                begun.append(self._guard.attempt(index.space, Work.TEND, partial(self._follow, index)))
        return any(begun)

    def _follow(self, index: VectorIndex) -> VectorIndex | None:
        """Begin a version if there is a newer embedding, or something was lost."""
        if self._choose(index.namespace, index.search_space_id, index.embedding) != index.embedding:
            return self.rebuild(index)
        return self._compare(index)

    def look_again(self) -> None:
        """Let the next ``tend`` look at everything."""
        self._looked = -math.inf
        self._compared.clear()
        self._guard.forget_pauses()

    def _begin(
        self, space: int, namespace: str, search_space_id: str, present: str | None, state: VersionState
    ) -> VectorIndex | None:
        embedding = self._choose(namespace, search_space_id, present)

        def work(connection: Connection) -> VectorIndex | None:
            begun = vector_versions.begin(connection, space, namespace, search_space_id, embedding, state)
            if begun is not None:
                # Before the commit: the collection of a visible version exists.
                self._index.create(begun.collection)
            return begun

        begun = run_transaction(self._engine, work)
        if begun is not None:
            logger.info("vector index %s begun", begun.collection)
        return begun

    def _replace(self, index: VectorIndex, error: Exception) -> None:
        """Begin another version in place of one whose collection or embedding is gone, unless it was replaced
        meanwhile.

        Raises the error if no other embedding is available.
        """
        versions = {result.version: result for result in self._versions_of(index.space)}
        now = versions.get(index.version)
        if now is None:
            return
        if (
            isinstance(error, NotFound)
            and self._choose(now.namespace, now.search_space_id, now.embedding) == now.embedding
        ):
            # A new version would meet the same error: the source of embeddings must notice this one first.
            raise error
        logger.warning("vector index %s cannot go on, building it anew: %s", index.collection, error)
        if now.state is VersionState.BUILDING:
            self._abandon(now)
        self.rebuild(now)

    def _abandon(self, index: VectorIndex) -> None:
        run_transaction(self._engine, lambda connection: vector_versions.forget(connection, index))
        self._index.drop(index.collection)

    def _drop_retired(self) -> None:
        with self._engine.connect() as connection:
            retired = vector_versions.retired(connection, _RETIRED_SECONDS)
        for index in retired:
            self._guard.attempt(index.space, Work.TEND, partial(self._drop, index))

    def _drop(self, index: VectorIndex) -> None:
        self._index.drop(index.collection)
        run_transaction(self._engine, partial(vector_versions.forget, index=index))
        self._compared.pop(index.collection, None)
        logger.info("vector index %s dropped", index.collection)

    # Building

    def build(self, space: int | None = None) -> Slice | None:
        """Build a slice of a version under construction, or let it serve; None if there is none.

        For one space, errors are raised. For any space, a version that fails does not delay others, and errors are
        raised as by ``deliver``.
        """
        self._guard.begin(Work.BUILD)
        with self._engine.connect() as connection:
            versions = vector_versions.building_versions(connection, space)
        for index in versions:
            work = partial(self._build_claimed, index)
            try:
                built = work() if space is not None else self._guard.attempt(index.space, Work.BUILD, work)
            except NotClaimed:
                return None
            if built is None:
                continue
            if built.done:
                logger.info("vector index %s serves, with %d vectors", built.index.collection, built.index.vector_count)
            return built
        self._guard.raise_passing()
        return None

    def _build_claimed(self, index: VectorIndex) -> Slice | None:
        """None if another worker has built it. Raises NotClaimed if another worker is building it."""
        with claimed(self._engine, f"build/{index.space}") as claim:
            if claim is None:
                raise NotClaimed
            now = next((each for each in self._under_construction(index.space) if each.version == index.version), None)
            if now is None:
                return None
            try:
                return self._build(now)
            except (CollectionMissing, NotFound) as error:
                self._replace(now, error)
                return Slice(now, 0, done=False)

    def under_construction(self, namespace: str | None = None, search_space_id: str | None = None) -> list[VectorIndex]:
        """Every version under construction, or those of the spaces of these names."""
        with self._engine.connect() as connection:
            spaces = vector_versions.spaces_with_architectures(connection, namespace, search_space_id)
        return [index for space, _, _ in spaces for index in self._under_construction(space)]

    def slices(self, index: VectorIndex, size: int) -> list[tuple[int, int]]:
        """The remaining slices of a version: (after, through) in numbers of architectures, ``size`` in each."""
        with self._engine.connect() as connection:
            ends = list(outbox.slice_ends(connection, index.space, index.built_through, size))
        return list(zip([index.built_through, *ends], ends, strict=False))

    def build_slice(self, index: VectorIndex, after: int, through: int, size: int) -> int:
        """Insert a slice, at most ``size`` architectures; returns their number.

        The version's progress is not stored, nor is it locked: building a slice twice, here and by a worker, gives
        the same result. Raises IndexUnavailable, CollectionMissing, and NotFound or Unavailable if embeddings cannot
        be computed.
        """
        with self._engine.connect() as connection:
            read = outbox.read_architectures(connection, index.space, after, size)
        batch = [(number, architecture) for number, architecture in read if number <= through]
        if batch:
            self._put(index, batch)
        return len(batch)

    def note_built(self, index: VectorIndex, through: int) -> None:
        """Store that all slices up to this architecture are done; the next builder begins behind it."""
        run_transaction(
            self._engine, lambda connection: vector_versions.note_progress(connection, index, built_through=through)
        )

    def _put(self, index: VectorIndex, batch: Sequence[tuple[int, Architecture]]) -> None:
        fingerprints = [architecture.fingerprint for _, architecture in batch]
        canonicals = [architecture.canonical for _, architecture in batch]
        embeddings = self._embed(index.namespace, index.search_space_id, index.embedding, canonicals)
        self._index.upsert(index.collection, fingerprints, embeddings)
        # Removed before their insertion; later removals come through the outbox.
        with self._engine.connect() as connection:
            gone = outbox.gone(connection, index.space, fingerprints)
        if gone:
            self._index.remove(index.collection, gone)

    def _build(self, index: VectorIndex) -> Slice:
        with self._engine.connect() as connection:
            batch = outbox.read_architectures(connection, index.space, index.built_through, _SLICE)
        if not batch:
            cached = self._index.size(index.collection)
            run_transaction(self._engine, partial(vector_versions.swap, built=index, vector_count=cached))
            return Slice(replace(index, vector_count=cached), 0, done=True)
        self._put(index, batch)
        run_transaction(self._engine, partial(vector_versions.note_progress, index=index, built_through=batch[-1][0]))
        logger.info("vector index %s: built through architecture %d", index.collection, batch[-1][0])
        return Slice(index, len(batch), done=False)

    # Comparing

    def _compare(self, index: VectorIndex) -> VectorIndex | None:
        """Compare Chroma with the records, if it is time; returns the version begun where something is missing."""
        compared = self._compared.setdefault(index.collection, _Compared())
        now = time.monotonic()
        if now < compared.due:
            return None
        if self._under_construction(index.space):
            return None
        size = self._size(index)
        if size == compared.held and now - compared.counted < _SECONDS_BETWEEN_COUNTS:
            return None
        # A removal between two counts looks like a loss, but not twice.
        complete = self._complete(index) or self._complete(index)
        took = time.monotonic() - now
        compared.due = time.monotonic() + took / _SHARE_OF_TIME
        compared.counted = now
        compared.held = size
        if complete:
            return None
        logger.warning("vector index %s does not hold what is recorded: building it anew", index.collection)
        return self.rebuild(index)

    def _complete(self, index: VectorIndex) -> bool:
        before = self._size(index)
        with self._engine.connect() as connection:
            records = vector_versions.records_of(connection, index.space)
        size = self._size(index)
        complete = size >= records.architectures - records.waiting and (
            before <= records.architectures + records.waiting_removals
        )
        if complete and size != index.vector_count:
            run_transaction(self._engine, lambda connection: vector_versions.note_size(connection, index, size))
        if not complete:
            logger.warning("vector index %s holds %d of %d", index.collection, size, records.architectures)
        return complete

    def _size(self, index: VectorIndex) -> int:
        try:
            return self._index.size(index.collection)
        except CollectionMissing:
            return -1


def _note_delivered(waiting: outbox.Waiting, connection: Connection) -> None:
    outbox.forget_delivered(connection, waiting)
    if waiting.removed:
        vector_versions.note_removals(connection, waiting.space, len(waiting.removed))
