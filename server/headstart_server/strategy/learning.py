"""Learning from past decisions: which namespaces are due, and the training of their prior and policy."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, and_, func, select

from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.tables import namespaces, tasks
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.strategy.model_versions import (
    ModelKind,
    ModelState,
    StrategyModelVersion,
    list_models,
    retire,
    write_model,
)
from headstart_server.strategy.policy.training import train_policy
from headstart_server.strategy.policy.trajectories import read_trajectories
from headstart_server.strategy.prior.data import read_recorded_arms
from headstart_server.strategy.prior.training import train_prior
from headstart_server.strategy.tables import strategy_arms, strategy_models

LEARN_JOB = "learn-strategies"

# A prior is trained again when this share of the results it was trained on has been added or deleted.
_GROWTH = 0.1


class StrategyLearner:
    """Trains the prior and the policy of each namespace for the worker."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Result counts at which a namespace had too few for a prior.
        self._too_few: dict[str, int] = {}

    def namespaces(self) -> list[str]:
        """Namespaces whose decisions have results."""
        return sorted(self._counts())

    def stale_namespaces(self) -> list[str]:
        """Namespaces where enough results were added or deleted since the prior was trained."""
        return [
            namespace
            for namespace, (count, trained_through) in self._counts().items()
            if self._too_few.get(namespace) != count and abs(count - trained_through) > _GROWTH * trained_through
        ]

    def refresh(self, namespace: str) -> list[StrategyModelVersion]:
        """Train prior and policy of a namespace. Returns the new versions, none of a kind with too few results."""
        with self._engine.begin() as connection:
            number = namespace_id(connection, namespace)
        count = self._counts().get(namespace, (0, 0))[0]
        with self._engine.connect() as connection:
            recorded = read_recorded_arms(connection, number)
            trajectories = read_trajectories(connection, number)
        prior = None if recorded is None else train_prior(recorded, count)
        policy = train_policy(trajectories, count)

        def write(connection: Connection) -> list[StrategyModelVersion]:
            if prior is None:
                retire(connection, number, ModelKind.PRIOR)
            if policy is None or policy[1] is not ModelState.SERVING:
                # The serving policy no longer beats the bandit on validation.
                retire(connection, number, ModelKind.POLICY)
            learned = ([] if prior is None else [(prior, ModelState.SERVING)]) + ([] if policy is None else [policy])
            written = [(model.kind, write_model(connection, number, model, state)) for model, state in learned]
            return [each for each in list_models(connection, number) if (each.kind, each.number) in written]

        versions = run_transaction(self._engine, write)
        if prior is None:
            self._too_few[namespace] = count
        return versions

    def _counts(self) -> dict[str, tuple[int, int]]:
        """By namespace: results of decisions now, and results that the last prior was trained on."""
        priors = strategy_models.c
        latest = (
            select(
                priors.namespace_id,
                priors.trained_through,
                func.row_number().over(partition_by=priors.namespace_id, order_by=priors.number.desc()).label("age"),
            )
            .where(priors.kind == ModelKind.PRIOR.value)
            .subquery()
        )
        query = (
            select(
                namespaces.c.name,
                func.sum(strategy_arms.c.pulls).label("number"),
                func.coalesce(func.max(latest.c.trained_through), 0).label("trained_through"),
            )
            .join(tasks, tasks.c.id == strategy_arms.c.task_id)
            .join(namespaces, namespaces.c.id == tasks.c.namespace_id)
            .outerjoin(latest, and_(latest.c.namespace_id == tasks.c.namespace_id, latest.c.age == 1))
            .group_by(namespaces.c.name)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return {row.name: (int(row.number), int(row.trained_through)) for row in rows}
