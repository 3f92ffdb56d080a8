"""The distinct architectures of a space, kept in memory and read when first needed: they never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, func, select

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.knowledge.stored_form import candidate_from_json, canonical_from_json
from headstart_server.knowledge.tables import architectures, namespaces, search_spaces


@dataclass(frozen=True)
class Architecture:
    """``candidate`` is the first that was recorded of all that share the fingerprint."""

    fingerprint: str
    candidate: Candidate
    canonical: CanonicalCandidate


def count_in_space(connection: Connection, namespace: str, space_id: str) -> int:
    """How many distinct architectures a space has."""
    query = (
        select(func.count())
        .select_from(architectures)
        .join(search_spaces, architectures.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(namespaces.c.name == namespace, search_spaces.c.name == space_id)
    )
    return int(connection.execute(query).scalar_one())


class ArchitectureCache:
    """Architectures by namespace, space and fingerprint. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, Architecture]] = {}
        self._lock = Lock()

    def of(
        self, connection: Connection, namespace: str, space_id: str, fingerprints: Iterable[str]
    ) -> Mapping[str, Architecture]:
        """At least the asked ones, as far as they are recorded."""
        with self._lock:
            held = self._held.setdefault((namespace, space_id), {})
        missing = {fingerprint for fingerprint in fingerprints if fingerprint not in held}
        if missing:
            rows = connection.execute(
                select(architectures.c.fingerprint, architectures.c.candidate, architectures.c.canonical)
                .join(search_spaces, architectures.c.search_space_id == search_spaces.c.id)
                .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
                .where(
                    namespaces.c.name == namespace,
                    search_spaces.c.name == space_id,
                    architectures.c.fingerprint.in_(missing),
                )
            )
            read = {
                row.fingerprint: Architecture(
                    row.fingerprint,
                    candidate_from_json(row.candidate),
                    canonical_from_json(row.fingerprint, row.canonical),
                )
                for row in rows
            }
            with self._lock:
                # Replaced, not changed: readers keep the mapping they were given.
                held = self._held[namespace, space_id] = {**self._held[namespace, space_id], **read}
        return held
