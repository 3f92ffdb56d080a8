"""The distinct architectures of a space, kept in memory and read when first needed: they never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, Engine, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.knowledge.stored_form import candidate_from_json, canonical_from_json
from headstart_server.knowledge.tables import architectures, namespaces, search_spaces

_HELD_OF_SPACE = 50_000

# Made once: putting a statement together takes longer than the database takes to answer it.
_BY_FINGERPRINT = (
    select(architectures.c.id, architectures.c.fingerprint, architectures.c.candidate, architectures.c.canonical)
    .join(search_spaces, architectures.c.search_space_id == search_spaces.c.id)
    .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
    .where(
        namespaces.c.name == bindparam("namespace"),
        search_spaces.c.name == bindparam("space"),
        architectures.c.fingerprint == any_(bindparam("fingerprints", type_=ARRAY(Text))),
    )
)


@dataclass(frozen=True)
class Architecture:
    """``candidate`` is the first that was recorded of all that share the fingerprint."""

    fingerprint: str
    candidate: Candidate
    canonical: CanonicalCandidate


def read_architectures(
    connection: Connection, namespace: str, space_id: str, fingerprints: Iterable[str]
) -> dict[str, Architecture]:
    """The asked ones by fingerprint, as far as they are recorded now."""
    numbered = numbered_architectures(connection, namespace, space_id, fingerprints)
    return {fingerprint: found for fingerprint, (_, found) in numbered.items()}


def numbered_architectures(
    connection: Connection, namespace: str, space_id: str, fingerprints: Iterable[str]
) -> dict[str, tuple[int, Architecture]]:
    """The same with the numbers of their rows."""
    names = {"namespace": namespace, "space": space_id, "fingerprints": list(fingerprints)}
    rows = connection.execute(_BY_FINGERPRINT, names)
    return {
        row.fingerprint: (
            row.id,
            Architecture(
                row.fingerprint, candidate_from_json(row.candidate), canonical_from_json(row.fingerprint, row.canonical)
            ),
        )
        for row in rows
    }


class ArchitectureCache:
    """Architectures by namespace, space and fingerprint. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, Architecture]] = {}
        self._lock = Lock()

    def of(
        self, engine: Engine, namespace: str, space_id: str, fingerprints: Iterable[str]
    ) -> Mapping[str, Architecture]:
        """The asked ones, as far as they are recorded. The database is asked for those that are not held."""
        asked = list(fingerprints)
        with self._lock:
            held = self._held.setdefault((namespace, space_id), {})
            found = {fingerprint: held[fingerprint] for fingerprint in asked if fingerprint in held}
        missing = {fingerprint for fingerprint in asked if fingerprint not in found}
        if missing:
            with engine.connect() as connection:
                read = read_architectures(connection, namespace, space_id, missing)
            found.update(read)
            with self._lock:
                held.update(read)
                while len(held) > _HELD_OF_SPACE:
                    del held[next(iter(held))]
        return found
