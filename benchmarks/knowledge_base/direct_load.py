"""Writes many architectures with results straight into the PostgreSQL of an embedded service, and looks into it.

Only for benchmarks that ask about a large knowledge base, not about how it comes to be one: what is written is what
RecordExperiments leaves behind, down to the rows of the outbox.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.knowledge_base.large_space import Stored
from headstart.spaces import Candidate, SearchSpace
from headstart_server.knowledge.json_columns import candidate_from_json
from headstart_server.runtime.local.databases import EmbeddedPostgres

TASKS = 200
CHUNK = 5_000


def task_id(number: int) -> str:
    return f"task-{number}"


class Database:
    """The service's own PostgreSQL, and a way into it for many rows."""

    def __init__(self, directory: Path, space: SearchSpace) -> None:
        self.url = EmbeddedPostgres(directory / "postgresql").url()
        self._connection = psycopg2.connect(self.url.replace("postgresql+psycopg2", "postgresql"))
        self._connection.autocommit = False
        self._space = self._one("SELECT id FROM search_spaces WHERE name = %s", space.search_space_id)
        self._recorded = 0

    def store(self, portion: Sequence[Stored], generator: random.Random) -> None:
        """As RecordExperiments would leave them: architectures, experiments, summaries, and rows in the outbox."""
        lines = io.StringIO()
        for offset, each in enumerate(portion):
            task = (self._recorded + offset) % TASKS
            texts = (each.fingerprint, each.candidate, each.canonical)
            escaped = [text.replace("\\", "\\\\") for text in texts]
            lines.write("\t".join([*escaped, str(each.node_count), task_id(task), f"{generator.random():.6f}\n"]))
        lines.seek(0)
        self._recorded += len(portion)
        with self._connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE loaded (fingerprint text, candidate jsonb, canonical jsonb, nodes int, "
                "task text, value float8) ON COMMIT DROP"
            )
            cursor.copy_expert("COPY loaded FROM STDIN", lines)
            cursor.execute(_STORE, {"space": self._space})
        self._connection.commit()

    def fingerprints(self) -> list[str]:
        return [row[0] for row in self._all("SELECT fingerprint FROM architectures WHERE search_space_id = %s")]

    def read(self) -> Iterator[list[tuple[str, Any]]]:
        """Fingerprints and stored canonical forms, in portions."""
        with self._connection, self._connection.cursor("reading") as cursor:
            query = "SELECT fingerprint, canonical FROM architectures WHERE search_space_id = %s ORDER BY id"
            cursor.execute(query, (self._space,))
            while portion := cursor.fetchmany(CHUNK):
                yield portion

    def last_candidates(self) -> list[Candidate]:
        """Some that are recorded."""
        query = "SELECT candidate FROM architectures WHERE search_space_id = %s ORDER BY id DESC LIMIT 5000"
        return [candidate_from_json(row[0]) for row in self._all(query)]

    def waiting(self) -> int:
        return int(self._one("SELECT count(*) FROM outbox WHERE search_space_id = %s", self._space))

    def index(self) -> tuple[str, int] | None:
        """Version and number of vectors of what serves, once nothing waits or is being built."""
        rows = self._all("SELECT version, vector_count, state FROM vector_indexes WHERE search_space_id = %s")
        if self.waiting() or len(rows) != 1:
            return None
        return rows[0][0], rows[0][1]

    def close(self) -> None:
        self._connection.close()

    def _one(self, query: str, value: object) -> Any:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(query, (value,))
            return cursor.fetchone()[0]

    def _all(self, query: str) -> list[Any]:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(query, (self._space,))
            return list(cursor.fetchall())


_STORE = """
WITH fresh AS (
    INSERT INTO architectures (search_space_id, fingerprint, candidate, canonical, node_count)
    SELECT %(space)s, fingerprint, candidate, canonical, nodes FROM loaded ON CONFLICT DO NOTHING
    RETURNING id, fingerprint
), numbered AS (
    SELECT tasks.id AS task, tasks.namespace_id, fresh.id AS architecture, loaded.candidate, loaded.value,
           row_number() OVER (PARTITION BY tasks.id ORDER BY fresh.id) AS place
    FROM fresh JOIN loaded USING (fingerprint) JOIN tasks ON tasks.name = loaded.task
), counted AS (
    INSERT INTO task_summaries AS summaries (task_id, search_space_id, experiment_count, completed_count)
    SELECT task, %(space)s, count(*), count(*) FROM numbered GROUP BY task
    ON CONFLICT (task_id, search_space_id) DO UPDATE
    SET experiment_count = summaries.experiment_count + excluded.experiment_count,
        completed_count = summaries.completed_count + excluded.completed_count
    RETURNING task_id, experiment_count
), kept AS (
    INSERT INTO experiments (task_id, search_space_id, sequence, request_id, content_hash, architecture_id, candidate,
        status, objective_value, metrics, curve_fidelities, curve_values, proxies, worker_id, namespace_id)
    SELECT task, %(space)s, counted.experiment_count - sizes.size + place, gen_random_uuid(), '\\x00', architecture,
        candidate, 1, value, '{}', '{}', '{}', '{}', '', namespace_id
    FROM numbered JOIN counted ON counted.task_id = task
    JOIN (SELECT task AS of, count(*) AS size FROM numbered GROUP BY task) AS sizes ON sizes.of = task
)
INSERT INTO outbox (architecture_id, search_space_id, fingerprint) SELECT id, %(space)s, fingerprint FROM fresh
"""
