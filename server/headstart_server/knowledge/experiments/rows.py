"""Bulk insert of experiments: many rows by one statement, passed as one JSON text.

PostgreSQL reads a text of a thousand rows in a fraction of the time that it needs to parse a statement with a
parameter for each of their columns. Numbers arrive exactly: JSON takes the shortest decimal that is the same float.
NaN and infinity, which JSON lacks, go as strings, which the columns accept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, Row, TextClause, text

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.knowledge.json_columns import candidate_to_json, canonical_to_json, node_count
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.runtime.database.prepared_statements import PREPARED_ONCE, prepared_once

# Columns of an experiment's row, with their types in JSON.
_EXPERIMENT = {
    "task_id": "bigint",
    "namespace_id": "bigint",
    "search_space_id": "bigint",
    "sequence": "bigint",
    "request_id": "uuid",
    "content_hash": "bytea",
    "architecture_id": "bigint",
    "candidate": "jsonb",
    "status": "smallint",
    "objective_value": "float8",
    "fidelity": "float8",
    "metrics": "jsonb",
    "curve_fidelities": "float8[]",
    "curve_values": "float8[]",
    "cost_seconds": "float8",
    "proxies": "jsonb",
    "seed": "bigint",
    "decision_id": "uuid",
    "worker_id": "text",
}
_ARCHITECTURE = {"fingerprint": "text", "candidate": "jsonb", "canonical": "jsonb", "node_count": "integer"}


def _from_json(columns: Mapping[str, str]) -> str:
    typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"json_to_recordset(CAST(:rows AS json)) AS sent ({typed})"


_INSERT_EXPERIMENTS: TextClause = prepared_once(
    text(
        f"INSERT INTO experiments ({', '.join(_EXPERIMENT)}) "
        f"SELECT {', '.join(_EXPERIMENT)} FROM {_from_json(_EXPERIMENT)}"
    )
)
# In the order in which a deletion locks them.
_FIND_ARCHITECTURES: TextClause = prepared_once(
    text(
        """
        SELECT fingerprint, id FROM architectures
        WHERE search_space_id = :space AND fingerprint = ANY (:fingerprints) ORDER BY id FOR KEY SHARE
        """
    )
)
_INSERT_ARCHITECTURES: TextClause = prepared_once(
    text(
        f"""
        WITH fresh AS (
            INSERT INTO architectures (search_space_id, {", ".join(_ARCHITECTURE)})
            SELECT :space, {", ".join(_ARCHITECTURE)} FROM {_from_json(_ARCHITECTURE)}
            ON CONFLICT DO NOTHING RETURNING id, search_space_id, fingerprint
        ), told AS (
            INSERT INTO outbox (architecture_id, search_space_id, fingerprint)
            SELECT id, search_space_id, fingerprint FROM fresh
        )
        SELECT fingerprint, id FROM fresh
        """
    )
)
# Above this number the statement is planned at each call: an older plan may take a partition for empty, and scan the
# whole task for each row.
_FEW = 64
# One index lookup for each: for many at once the planner would scan the whole partition.
_UNDER: TextClause = text(
    """
    SELECT found.* FROM unnest(CAST(:tasks AS bigint[]), CAST(:asked AS uuid[])) AS asked (task_id, request_id)
    CROSS JOIN LATERAL (
        SELECT task_id, request_id, content_hash, sequence, architecture_id FROM experiments
        WHERE task_id = asked.task_id AND request_id = asked.request_id OFFSET 0
    ) AS found
    """
)
_COUNT: TextClause = text(
    """
    SELECT asked.task_id, asked.architecture_id, found.number
    FROM unnest(CAST(:tasks AS bigint[]), CAST(:asked AS bigint[])) AS asked (task_id, architecture_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM experiments
        WHERE task_id = asked.task_id AND architecture_id = asked.architecture_id OFFSET 0
    ) AS found
    """
)


@dataclass(frozen=True)
class ExperimentRow:
    """A record with the row numbers it refers to."""

    task: int
    namespace: int
    space: int
    sequence: int
    architecture: int
    new: NewExperiment


def insert_experiments(connection: Connection, rows: Iterable[ExperimentRow]) -> None:
    sent = orjson.dumps([_experiment(row) for row in rows])
    connection.execute(_INSERT_EXPERIMENTS, {"rows": sent.decode()})


def experiments_under(connection: Connection, pairs: Iterable[tuple[int, UUID]]) -> Sequence[Row[Any]]:
    """task_id, request_id, content_hash, sequence and architecture_id of stored experiments, by task and request id."""
    return _looked_up(connection, _UNDER, pairs)


def experiment_counts(connection: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The numbers of experiments of architectures on tasks, by the row numbers of both."""
    return {(row.task_id, row.architecture_id): row.number for row in _looked_up(connection, _COUNT, pairs)}


def _looked_up(connection: Connection, query: TextClause, pairs: Iterable[tuple[int, object]]) -> Sequence[Row[Any]]:
    tasks, keys = [], []
    for task, key in pairs:
        tasks.append(str(task))
        keys.append(str(key))
    sent = {"tasks": "{" + ",".join(tasks) + "}", "asked": "{" + ",".join(keys) + "}"}
    options = PREPARED_ONCE if len(keys) <= _FEW else {}
    return connection.execute(query, sent, execution_options=options).all() if keys else []


def architecture_numbers(
    connection: Connection, space: int, candidates: Sequence[tuple[Candidate, CanonicalCandidate]]
) -> Mapping[str, int]:
    """Row numbers by fingerprint; new architectures are inserted and put into the outbox.

    The rows stay locked until the transaction ends, because a deletion of a task might remove them.
    """
    # The last of those that share a fingerprint; sorted, so that concurrent transactions insert in the same order.
    by_fingerprint = {canonical.fingerprint: (candidate, canonical) for candidate, canonical in candidates}
    missing = sorted(by_fingerprint)
    parameters = {"space": space, "fingerprints": missing}
    result: dict[str, int] = {row.fingerprint: row.id for row in connection.execute(_FIND_ARCHITECTURES, parameters)}
    while missing := [fingerprint for fingerprint in missing if fingerprint not in result]:
        sent = orjson.dumps([_architecture(*by_fingerprint[fingerprint]) for fingerprint in missing])
        inserted = connection.execute(_INSERT_ARCHITECTURES, {"space": space, "rows": sent.decode()})
        result.update((row.fingerprint, row.id) for row in inserted)
        if len(result) < len(by_fingerprint):
            # Those that another transaction inserted first exist now, or were deleted again with a task.
            result.update((row.fingerprint, row.id) for row in connection.execute(_FIND_ARCHITECTURES, parameters))
    return result


def _architecture(candidate: Candidate, canonical: CanonicalCandidate) -> dict[str, Any]:
    return {
        "fingerprint": canonical.fingerprint,
        "candidate": candidate_to_json(candidate),
        "canonical": canonical_to_json(canonical),
        "node_count": node_count(canonical),
    }


def _experiment(row: ExperimentRow) -> dict[str, Any]:
    new, outcome = row.new, row.new.outcome
    return {
        "task_id": row.task,
        "namespace_id": row.namespace,
        "search_space_id": row.space,
        "sequence": row.sequence,
        "request_id": str(new.request_id),
        "content_hash": "\\x" + new.content_hash().hex(),
        "architecture_id": row.architecture,
        "candidate": candidate_to_json(new.candidate),
        "status": outcome.status.value,
        "objective_value": _number(outcome.objective_value),
        "fidelity": outcome.fidelity,
        "metrics": outcome.metrics,
        "curve_fidelities": [fidelity for fidelity, _ in outcome.curve],
        "curve_values": [_number(value) for _, value in outcome.curve],
        "cost_seconds": outcome.cost_seconds,
        "proxies": outcome.proxies,
        "seed": outcome.seed,
        "decision_id": None if new.decision_id is None else str(new.decision_id),
        "worker_id": new.worker_id,
    }


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
