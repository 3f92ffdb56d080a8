"""The distinct architectures of a space, kept in memory and read when first needed: they never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.knowledge.json_columns import candidate_from_json, canonical_from_json
from headstart_server.knowledge.sizes import bytes_of_candidate, bytes_of_canonical
from headstart_server.knowledge.tables import architectures, namespaces, search_spaces
from headstart_server.runtime.lru import Lru

# Some hundred thousand architectures of a small space, some hundred of the largest graphs.
_HELD_BYTES = 256 * 2**20

# Built once: building a statement takes longer than executing it.
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
    """``candidate`` is the first recorded of all that share the fingerprint."""

    fingerprint: str
    candidate: Candidate
    canonical: CanonicalCandidate


def read_architectures(
    connection: Connection, namespace: str, space_id: str, fingerprints: Iterable[str]
) -> dict[str, Architecture]:
    """The recorded architectures among ``fingerprints``, by fingerprint."""
    numbered = numbered_architectures(connection, namespace, space_id, fingerprints)
    return {fingerprint: architecture for fingerprint, (_, architecture) in numbered.items()}


def numbered_architectures(
    connection: Connection, namespace: str, space_id: str, fingerprints: Iterable[str]
) -> dict[str, tuple[int, Architecture]]:
    """The same with their row numbers."""
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
    """Recently used architectures by namespace, space and fingerprint, all spaces together. Thread-safe."""

    def __init__(self, most_bytes: int = _HELD_BYTES) -> None:
        self._cache: Lru[tuple[str, str, str], Architecture] = Lru(most_bytes, _bytes_of)

    def of(
        self, engine: Engine, namespace: str, space_id: str, fingerprints: Iterable[str]
    ) -> Mapping[str, Architecture]:
        """The recorded architectures among ``fingerprints``. Only those that are not cached are queried."""
        result: dict[str, Architecture] = {}
        missing: set[str] = set()
        for fingerprint in fingerprints:
            current = self._cache.get((namespace, space_id, fingerprint))
            if current is None:
                missing.add(fingerprint)
            else:
                result[fingerprint] = current
        if missing:
            with engine.connect() as connection:
                read = read_architectures(connection, namespace, space_id, missing)
            result.update(read)
            for fingerprint, architecture in read.items():
                self._cache.put((namespace, space_id, fingerprint), architecture)
        return result


def _bytes_of(architecture: Architecture) -> int:
    return bytes_of_candidate(architecture.candidate) + bytes_of_canonical(architecture.canonical)
