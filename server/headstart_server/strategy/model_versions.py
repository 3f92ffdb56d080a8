"""Strategy model versions in the database, by namespace and kind: write, promote, retire, list and read.

A version is never changed, only retired. The artefact is a numpy archive of plain arrays, read without pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, delete, func, select, update

from headstart_server.knowledge.tables import namespaces
from headstart_server.strategy.tables import strategy_models

# Versions kept of each kind: earlier ones for their figures.
KEPT_VERSIONS = 5


class ModelKind(Enum):
    PRIOR = "prior"
    POLICY = "policy"


class ModelState(Enum):
    SERVING = "SERVING"
    RETIRED = "RETIRED"
    REJECTED = "REJECTED"


@dataclass(frozen=True)
class TrainedModel:
    """``figures``: validation metrics by name; ``trained_through``: results of decisions in the namespace by then."""

    kind: ModelKind
    figures: Mapping[str, float]
    artefact: bytes
    task_count: int
    trained_through: int
    seconds: float


@dataclass(frozen=True)
class StrategyModelVersion:
    """A stored version; ``number`` counts from 1 within namespace and kind."""

    kind: ModelKind
    number: int
    state: ModelState
    figures: Mapping[str, float]
    task_count: int
    trained_through: int
    created_at: datetime


_COLUMNS = (
    strategy_models.c.kind,
    strategy_models.c.number,
    strategy_models.c.state,
    strategy_models.c.metrics,
    strategy_models.c.training_size,
    strategy_models.c.trained_through,
    strategy_models.c.created_at,
)


def write_model(connection: Connection, namespace_id: int, model: TrainedModel, state: ModelState) -> int:
    """Insert a version and return its number; one that is to serve retires the one that served."""
    # The lock makes numbers unique among concurrent writers.
    connection.execute(
        select(namespaces.c.id).where(namespaces.c.id == namespace_id).with_for_update(key_share=True)
    ).one()
    of_kind = (strategy_models.c.namespace_id == namespace_id) & (strategy_models.c.kind == model.kind.value)
    last: int = connection.execute(
        select(func.coalesce(func.max(strategy_models.c.number), 0)).where(of_kind)
    ).scalar_one()
    if state is ModelState.SERVING:
        retire(connection, namespace_id, model.kind)
    connection.execute(
        strategy_models.insert().values(
            namespace_id=namespace_id,
            kind=model.kind.value,
            number=last + 1,
            state=state.value,
            metrics=dict(model.figures),
            artefact=model.artefact,
            training_size=model.task_count,
            trained_through=model.trained_through,
            training_seconds=model.seconds,
        )
    )
    old = strategy_models.c.number <= last + 1 - KEPT_VERSIONS
    connection.execute(delete(strategy_models).where(of_kind, old, strategy_models.c.state != ModelState.SERVING.value))
    return last + 1


def retire(connection: Connection, namespace_id: int, kind: ModelKind) -> None:
    """Retire the serving version of a kind, if any."""
    connection.execute(
        update(strategy_models)
        .where(
            strategy_models.c.namespace_id == namespace_id,
            strategy_models.c.kind == kind.value,
            strategy_models.c.state == ModelState.SERVING.value,
        )
        .values(state=ModelState.RETIRED.value)
    )


def list_models(connection: Connection, namespace_id: int) -> list[StrategyModelVersion]:
    """Stored versions by kind, the newest first."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(strategy_models.c.namespace_id == namespace_id)
        .order_by(strategy_models.c.kind, strategy_models.c.number.desc())
    )
    return [
        StrategyModelVersion(
            ModelKind(row.kind),
            row.number,
            ModelState(row.state),
            dict(row.metrics),
            row.training_size,
            row.trained_through,
            row.created_at,
        )
        for row in rows
    ]


def read_artefact(connection: Connection, namespace_id: int, kind: ModelKind, number: int) -> bytes | None:
    """The artefact of a version; None if the version was removed."""
    artefact: bytes | None = connection.execute(
        select(strategy_models.c.artefact).where(
            strategy_models.c.namespace_id == namespace_id,
            strategy_models.c.kind == kind.value,
            strategy_models.c.number == number,
        )
    ).scalar()
    return None if artefact is None else bytes(artefact)
