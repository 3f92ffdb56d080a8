"""Versions of the vector index: the collection that serves a search space, and the one under construction.

A version is "EMBEDDING.BUILD", such as "structural-1.1" or "graph-3.2": the embedding, and the running number of its
collection. A rebuilt collection therefore never shares its name with the one it replaces. One version serves, one may
be under construction, and retired ones wait to be dropped. A new version must be committed before its building begins
and before later outbox rows are delivered: everything that is committed meanwhile then reaches it by one way or the
other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, select, text, update

from headstart.spaces.validation import is_slug
from headstart_server.knowledge.tables import architectures, namespaces, outbox, search_spaces, vector_indexes
from headstart_server.knowledge.vector_index.failures import Work, pauses


class VersionState(StrEnum):
    BUILDING = "BUILDING"
    SERVING = "SERVING"
    RETIRED = "RETIRED"


@dataclass(frozen=True)
class VectorIndex:
    """A row of a version: ``space`` is the number of the search space; counts are as the worker last stored them."""

    space: int
    namespace: str
    search_space_id: str
    version: str
    state: VersionState
    vector_count: int = 0
    built_through: int = 0

    @property
    def embedding(self) -> str:
        return self.version.partition(".")[0]

    @property
    def collection(self) -> str:
        namespace = self.namespace
        if not is_slug(namespace):
            # Created before names of namespaces were checked; Chroma may refuse the name. No slug has capitals.
            namespace = f"N{hashlib.blake2b(namespace.encode(), digest_size=16).hexdigest()}"
        return f"{namespace}.{self.search_space_id}.{self.version}"


@dataclass(frozen=True)
class ServingCollection:
    """The serving version, with the number of architectures it may lack (counted up to a bound)."""

    index: VectorIndex
    waiting: int


@dataclass(frozen=True)
class Records:
    """A space in PostgreSQL: its architectures, and those waiting in the outbox, removals included."""

    architectures: int
    waiting: int
    waiting_removals: int


def versions_of(connection: Connection, space: int) -> list[VectorIndex]:
    """All targets of deliveries: every version of a space that is not retired."""
    query = _indexes().where(search_spaces.c.id == space, vector_indexes.c.state != VersionState.RETIRED)
    return [_index(row) for row in connection.execute(query.order_by(vector_indexes.c.created_at))]


def serving(
    connection: Connection, namespace: str, search_space_id: str, waiting_limit: int
) -> ServingCollection | None:
    """The serving version of a space; None without one. Waiting rows are counted up to the limit."""
    lag = (
        select(func.count())
        .select_from(
            select(outbox.c.id)
            .where(outbox.c.search_space_id == search_spaces.c.id)
            .correlate(search_spaces)
            .limit(waiting_limit)
            .subquery()
        )
        .scalar_subquery()
    )
    row = connection.execute(
        _indexes(lag.label("waiting")).where(
            namespaces.c.name == namespace,
            search_spaces.c.name == search_space_id,
            vector_indexes.c.state == VersionState.SERVING,
        )
    ).first()
    return None if row is None else ServingCollection(_index(row), row.waiting)


def serving_versions(connection: Connection) -> list[VectorIndex]:
    """The serving versions of all spaces."""
    query = _indexes().where(vector_indexes.c.state == VersionState.SERVING).order_by(search_spaces.c.id)
    return [_index(row) for row in connection.execute(query)]


def spaces_with_architectures(
    connection: Connection, namespace: str | None = None, search_space_id: str | None = None
) -> list[tuple[int, str, str]]:
    """Number, namespace and id of the spaces with architectures, restricted to these names if given."""
    query = _spaces()
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    if search_space_id is not None:
        query = query.where(search_spaces.c.name == search_space_id)
    return [(row.id, row.namespace, row.space) for row in connection.execute(query)]


def spaces_without_version(connection: Connection) -> list[tuple[int, str, str]]:
    """Number, namespace and id of the spaces with architectures but no version serving or under construction."""
    has_version = exists().where(
        vector_indexes.c.search_space_id == search_spaces.c.id, vector_indexes.c.state != VersionState.RETIRED
    )
    return [(row.id, row.namespace, row.space) for row in connection.execute(_spaces().where(~has_version))]


def lock_space(connection: Connection, space: int) -> None:
    """Lock a space, so that its versions are begun and swapped, and its model versions removed, one after the other.

    Recording goes on meanwhile.
    """
    connection.execute(
        select(search_spaces.c.id).where(search_spaces.c.id == space).with_for_update(key_share=True)
    ).first()


def begin(
    connection: Connection, space: int, namespace: str, search_space_id: str, embedding: str, state: VersionState
) -> VectorIndex | None:
    """Begin a new version; None if one is under construction already.

    A first version may serve at once if everything recorded still waits in the outbox.
    """
    lock_space(connection, space)
    rows = connection.execute(
        select(vector_indexes.c.version, vector_indexes.c.state).where(vector_indexes.c.search_space_id == space)
    ).all()
    if any(row.state in (VersionState.BUILDING, state) for row in rows):
        return None
    builds = [int(row.version.partition(".")[2]) for row in rows]
    version = f"{embedding}.{max(builds, default=0) + 1}"
    connection.execute(insert(vector_indexes).values(search_space_id=space, version=version, state=state))
    return VectorIndex(space, namespace, search_space_id, version, state)


def building_versions(connection: Connection, space: int | None = None) -> list[VectorIndex]:
    """Versions under construction, the one built longest ago first.

    Those of one space, or of all spaces that do not wait for their next try.
    """
    query = _indexes().where(vector_indexes.c.state == VersionState.BUILDING)
    if space is None:
        query = query.where(~pauses(vector_indexes.c.search_space_id, Work.BUILD))
    else:
        query = query.where(vector_indexes.c.search_space_id == space)
    return [_index(row) for row in connection.execute(query.order_by(vector_indexes.c.updated_at))]


def note_progress(connection: Connection, index: VectorIndex, built_through: int) -> None:
    connection.execute(
        update(vector_indexes)
        .where(*_is(index))
        # Several workers may build slices of one version.
        .values(
            built_through=func.greatest(vector_indexes.c.built_through, built_through),
            updated_at=func.clock_timestamp(),
        )
    )


def note_size(connection: Connection, index: VectorIndex, vector_count: int) -> None:
    """Store the number of vectors of a complete version."""
    connection.execute(update(vector_indexes).where(*_is(index)).values(vector_count=vector_count))


def note_removals(connection: Connection, space: int, count: int) -> None:
    """Store that vectors were removed, so that they do not count as missing."""
    serves = (vector_indexes.c.search_space_id == space) & (vector_indexes.c.state == VersionState.SERVING)
    fewer = func.greatest(vector_indexes.c.vector_count - count, 0)
    connection.execute(update(vector_indexes).where(serves).values(vector_count=fewer))


def swap(connection: Connection, built: VectorIndex, vector_count: int) -> None:
    """Let a version serve in place of the one before, unless it was given up meanwhile."""
    lock_space(connection, built.space)
    if connection.execute(select(vector_indexes.c.state).where(*_is(built))).scalar() != VersionState.BUILDING:
        return
    of_space = vector_indexes.c.search_space_id == built.space
    now = func.clock_timestamp()
    connection.execute(
        update(vector_indexes)
        .where(of_space, vector_indexes.c.state == VersionState.SERVING)
        .values(state=VersionState.RETIRED, updated_at=now)
    )
    connection.execute(
        update(vector_indexes)
        .where(*_is(built))
        .values(state=VersionState.SERVING, vector_count=vector_count, updated_at=now)
    )


def forget(connection: Connection, index: VectorIndex) -> None:
    connection.execute(delete(vector_indexes).where(*_is(index)))


def retired(connection: Connection, seconds: float) -> list[VectorIndex]:
    """Versions that have been retired for so long that no server queries them any more."""
    query = _indexes().where(
        vector_indexes.c.state == VersionState.RETIRED,
        vector_indexes.c.updated_at < func.clock_timestamp() - text(f"interval '{float(seconds)} seconds'"),
    )
    return [_index(row) for row in connection.execute(query)]


def records_of(connection: Connection, space: int) -> Records:
    """Counts of a space, by one statement, so at one moment."""
    counted = select(func.count()).select_from(architectures).where(architectures.c.search_space_id == space)
    rows = select(func.count()).select_from(outbox).where(outbox.c.search_space_id == space)
    row = connection.execute(
        select(
            counted.scalar_subquery().label("architectures"),
            rows.where(outbox.c.architecture_id.is_not(None)).scalar_subquery().label("waiting"),
            rows.where(outbox.c.architecture_id.is_(None)).scalar_subquery().label("removals"),
        )
    ).one()
    return Records(row.architectures, row.waiting, row.removals)


def _spaces() -> Select[Any]:
    has_architectures = exists().where(architectures.c.search_space_id == search_spaces.c.id)
    return (
        select(search_spaces.c.id, namespaces.c.name.label("namespace"), search_spaces.c.name.label("space"))
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(has_architectures)
        .order_by(search_spaces.c.id)
    )


def _indexes(*more: Any) -> Select[Any]:
    return (
        select(vector_indexes, namespaces.c.name.label("namespace"), search_spaces.c.name.label("space_name"), *more)
        .join(search_spaces, vector_indexes.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
    )


def _index(row: Row[Any]) -> VectorIndex:
    return VectorIndex(
        space=row.search_space_id,
        namespace=row.namespace,
        search_space_id=row.space_name,
        version=row.version,
        state=VersionState(row.state),
        vector_count=row.vector_count,
        built_through=row.built_through,
    )


def _is(index: VectorIndex) -> tuple[Any, Any]:
    return (vector_indexes.c.search_space_id == index.space, vector_indexes.c.version == index.version)
