"""Model versions in the database: store, promote, reject, look up and load. A stored version changes only its state.

A version's name is "NAMESPACE/SEARCH_SPACE/NUMBER". The newest versions of a space stay stored, so that a server that
still answers from an earlier one can load it. So do versions whose embeddings are in the vector index. Promotion
deletes all other rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSONB

from headstart_server.knowledge.tables import namespaces, search_spaces, vector_indexes
from headstart_server.prediction.registry.records import Comparison, ModelArtefact, TaskValidation
from headstart_server.prediction.tables import model_versions
from headstart_server.runtime.errors import NotFound

# The number of newest versions of a space that stay stored.
STORED_VERSIONS = 5

# A vector index made by model version NUMBER has the version "graph-NUMBER".
EMBEDDING_PREFIX = "graph-"

# Artefacts are large: only ``load_artefact`` reads them.
_WITHOUT_ARTEFACT = [column for column in model_versions.c if column.name != "artefact"]

_CANDIDATE, SERVING, _RETIRED, REJECTED = "CANDIDATE", "SERVING", "RETIRED", "REJECTED"


@dataclass(frozen=True)
class ModelVersion:
    """A stored model of a search space, without its artefact.

    ``trained_through`` is the number of experiments of the space at its training. ``state`` is CANDIDATE until
    promotion, then SERVING, then RETIRED; or REJECTED if it ranked recent results worse than the version before.
    """

    namespace: str
    search_space_id: str
    number: int
    kind: str
    training_size: int
    trained_through: int
    parameter_count: int
    training_seconds: float
    created_at: datetime
    validation: tuple[TaskValidation, ...]
    state: str = _CANDIDATE

    @property
    def name(self) -> str:
        """The name in messages and logs, "NAMESPACE/SEARCH_SPACE/NUMBER"."""
        return f"{self.namespace}/{self.search_space_id}/{self.number}"


def write_version(
    connection: Connection,
    namespace: str,
    search_space_id: str,
    artefact: ModelArtefact,
    trained_through: int,
    reduced: str | None = None,
) -> ModelVersion:
    """Store a new version as a candidate; ``reduced`` describes what the training budget left out.

    Raises NotFound for an unknown space.
    """
    # The lock numbers versions in sequence without blocking the recording of experiments.
    space = connection.execute(
        select(search_spaces.c.id, search_spaces.c.namespace_id)
        .join(namespaces)
        .where(namespaces.c.name == namespace, search_spaces.c.name == search_space_id)
        .with_for_update(key_share=True, of=search_spaces)
    ).first()
    if space is None:
        raise NotFound(f"search space {search_space_id[:63]!r} is not known", reason="SEARCH_SPACE_NOT_FOUND")
    last = connection.execute(
        select(func.coalesce(func.max(model_versions.c.number), 0)).where(model_versions.c.search_space_id == space.id)
    ).scalar_one()
    number, created_at = connection.execute(
        model_versions.insert()
        .values(
            namespace_id=space.namespace_id,
            search_space_id=space.id,
            number=last + 1,
            state=_CANDIDATE,
            kind=artefact.kind,
            metrics={
                "tasks": [asdict(each) for each in artefact.validation],
                **({} if reduced is None else {"reduced": reduced}),
            },
            artefact=artefact.content,
            training_size=artefact.training_size,
            trained_through=trained_through,
            parameter_count=artefact.parameter_count,
            training_seconds=artefact.seconds,
        )
        .returning(model_versions.c.number, model_versions.c.created_at)
    ).one()
    return ModelVersion(
        namespace,
        search_space_id,
        number,
        artefact.kind,
        artefact.training_size,
        trained_through,
        artefact.parameter_count,
        artefact.seconds,
        created_at,
        artefact.validation,
    )


def promote(connection: Connection, version: ModelVersion) -> None:
    """Let a version serve in place of the one before, and delete versions that nothing needs any more."""
    space = _space_key(version.namespace, version.search_space_id)
    # knowledge.vector_index.versions.begin takes the same lock, so no new index can start to use a deleted version.
    connection.execute(
        select(search_spaces.c.id).where(search_spaces.c.id == space).with_for_update(key_share=True)
    ).first()
    in_space = model_versions.c.search_space_id == space
    retire = update(model_versions).where(in_space, model_versions.c.state == SERVING).values(state=_RETIRED)
    connection.execute(retire)
    serve = update(model_versions).where(in_space, model_versions.c.number == version.number).values(state=SERVING)
    connection.execute(serve)
    embeddings = select(func.split_part(vector_indexes.c.version, ".", 1)).where(
        vector_indexes.c.search_space_id == space
    )
    connection.execute(
        delete(model_versions).where(
            in_space,
            model_versions.c.number <= version.number - STORED_VERSIONS,
            model_versions.c.state != SERVING,
            func.concat(EMBEDDING_PREFIX, model_versions.c.number).not_in(embeddings),
        )
    )


def reject(connection: Connection, version: ModelVersion, comparison: Comparison) -> None:
    """Mark a version as rejected, with the comparison that decided it."""
    compared = func.jsonb_build_object("compared", cast(asdict(comparison), JSONB))
    connection.execute(
        update(model_versions)
        .where(
            model_versions.c.search_space_id == _space_key(version.namespace, version.search_space_id),
            model_versions.c.number == version.number,
        )
        .values(state=REJECTED, metrics=model_versions.c.metrics.op("||")(compared))
    )


def trained_through(connection: Connection, namespace: str, search_space_id: str) -> int | None:
    """The number of experiments at the last training of a space, whether or not that version serves.

    None before the first training.
    """
    query = _of_space(select(model_versions.c.trained_through), namespace, search_space_id)
    count: int | None = connection.execute(query.order_by(model_versions.c.number.desc()).limit(1)).scalar()
    return count


def all_trained_through(connection: Connection) -> dict[tuple[str, str], int]:
    """``trained_through`` of every trained space, by namespace and search space id."""
    space = model_versions.c.search_space_id
    latest = select(space, func.max(model_versions.c.number).label("number")).group_by(space).subquery()
    rows = connection.execute(
        select(namespaces.c.name.label("namespace"), search_spaces.c.name, model_versions.c.trained_through)
        .join(latest, (latest.c.search_space_id == space) & (latest.c.number == model_versions.c.number))
        .join(search_spaces, search_spaces.c.id == space)
        .join(namespaces, namespaces.c.id == search_spaces.c.namespace_id)
    )
    return {(row.namespace, row.name): row.trained_through for row in rows}


def trained_since(connection: Connection, namespace: str, search_space_id: str, moment: datetime) -> bool:
    """Whether a version was stored after ``moment`` and has been promoted or rejected."""
    query = _of_space(select(model_versions.c.number), namespace, search_space_id)
    query = query.where(model_versions.c.created_at > moment, model_versions.c.state != _CANDIDATE)
    return connection.execute(query.limit(1)).first() is not None


def versions(connection: Connection, namespace: str, search_space_id: str) -> list[ModelVersion]:
    """All stored versions, newest first."""
    query = _of_space(select(*_WITHOUT_ARTEFACT), namespace, search_space_id).order_by(model_versions.c.number.desc())
    return [_version(namespace, search_space_id, row) for row in connection.execute(query)]


def serving_version(connection: Connection, namespace: str, search_space_id: str) -> ModelVersion | None:
    """The version of a space that serves, or None."""
    query = _of_space(select(*_WITHOUT_ARTEFACT), namespace, search_space_id).where(model_versions.c.state == SERVING)
    row = connection.execute(query.order_by(model_versions.c.number.desc()).limit(1)).first()
    return None if row is None else _version(namespace, search_space_id, row)


@dataclass(frozen=True)
class ServingVersion:
    """A serving version with its age, for operator metrics.

    ``age_seconds`` is by the clock of the database. ``trained_through`` is that of the newest version of the space,
    whether or not it serves.
    """

    namespace: str
    search_space_id: str
    number: int
    age_seconds: float
    trained_through: int
    validation: tuple[TaskValidation, ...]


def serving_versions(connection: Connection, limit: int) -> list[ServingVersion]:
    """The serving versions of all namespaces, newest first."""
    newer = model_versions.alias()
    through = (
        select(newer.c.trained_through)
        .where(newer.c.search_space_id == model_versions.c.search_space_id)
        .order_by(newer.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            namespaces.c.name.label("namespace"),
            search_spaces.c.name.label("space"),
            model_versions.c.number,
            model_versions.c.metrics,
            func.extract("epoch", func.clock_timestamp() - model_versions.c.created_at).label("age"),
            through.label("through"),
        )
        .join(search_spaces, model_versions.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(model_versions.c.state == SERVING)
        .order_by(model_versions.c.created_at.desc())
        .limit(limit)
    )
    return [
        ServingVersion(
            row.namespace,
            row.space,
            row.number,
            float(row.age),
            row.through,
            _validation(row.metrics),
        )
        for row in rows
    ]


def reduced_models(connection: Connection, limit: int) -> list[tuple[str, str, str]]:
    """Namespace, space and reduction of each serving model whose training was reduced to fit the budget."""
    reduced = model_versions.c.metrics["reduced"].astext
    query = (
        select(namespaces.c.name, search_spaces.c.name, reduced)
        .select_from(model_versions)
        .join(search_spaces, model_versions.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(model_versions.c.state == SERVING, reduced.is_not(None))
        .order_by(namespaces.c.name, search_spaces.c.name)
        .limit(limit)
    )
    return [(namespace, space, reduction) for namespace, space, reduction in connection.execute(query)]


def version_numbered(connection: Connection, namespace: str, search_space_id: str, number: int) -> ModelVersion | None:
    """The version with a number, or None if it is not stored."""
    query = _of_space(select(*_WITHOUT_ARTEFACT), namespace, search_space_id).where(model_versions.c.number == number)
    row = connection.execute(query).first()
    return None if row is None else _version(namespace, search_space_id, row)


def version_before(connection: Connection, version: ModelVersion) -> ModelVersion | None:
    """The newest version before ``version`` that has served."""
    query = _of_space(select(*_WITHOUT_ARTEFACT), version.namespace, version.search_space_id).where(
        model_versions.c.number < version.number, model_versions.c.state == _RETIRED
    )
    row = connection.execute(query.order_by(model_versions.c.number.desc()).limit(1)).first()
    return None if row is None else _version(version.namespace, version.search_space_id, row)


def load_artefact(connection: Connection, name: str) -> bytes:
    """The bytes of the version with a name. Raises NotFound."""
    namespace, _, rest = name.partition("/")
    search_space_id, _, number = rest.partition("/")
    content = None
    if number.isdigit() and len(number) < 10:
        query = _of_space(select(model_versions.c.artefact), namespace, search_space_id)
        content = connection.execute(query.where(model_versions.c.number == int(number))).scalar()
    if content is None:
        raise NotFound(f"model version {name[:200]!r} is not known", reason="MODEL_VERSION_NOT_FOUND")
    return bytes(content)


def _space_key(namespace: str, search_space_id: str) -> Any:
    return (
        select(search_spaces.c.id)
        .join(namespaces)
        .where(namespaces.c.name == namespace, search_spaces.c.name == search_space_id)
        .scalar_subquery()
    )


def _of_space(query: Select[Any], namespace: str, search_space_id: str) -> Select[Any]:
    return (
        query.join(search_spaces, model_versions.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(namespaces.c.name == namespace, search_spaces.c.name == search_space_id)
    )


def _version(namespace: str, search_space_id: str, row: Row[Any]) -> ModelVersion:
    return ModelVersion(
        namespace=namespace,
        search_space_id=search_space_id,
        number=row.number,
        kind=row.kind,
        training_size=row.training_size,
        trained_through=row.trained_through,
        parameter_count=row.parameter_count,
        training_seconds=row.training_seconds,
        created_at=row.created_at,
        validation=_validation(row.metrics),
        state=row.state,
    )


def _validation(stored: dict[str, Any]) -> tuple[TaskValidation, ...]:
    """Validation metrics from stored JSON. Older versions lack the coverages at several levels."""
    return tuple(
        TaskValidation(
            **{**task, "coverages": tuple((float(level), float(share)) for level, share in task.get("coverages", ()))}
        )
        for task in stored["tasks"]
    )
