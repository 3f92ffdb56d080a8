"""Wiring: the domains of a process of the service, joined to database, index and model."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.task_map.refresh import TaskMap
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.serving.remote import open_scorer
from headstart_server.prediction.serving.scorer import LocalScorer
from headstart_server.prediction.task_profiles import TaskProfiler
from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import create_engine, watch_pool
from headstart_server.runtime.settings import Settings
from headstart_server.strategy.learning import StrategyLearner
from headstart_server.strategy.rewards.attribution import credit_decisions
from headstart_server.strategy.service import StrategyService
from headstart_server.threads import connections_of_predictor, connections_of_server
from headstart_server.transfer.service import TransferService
from headstart_server.warm_start.service import WarmStartService


@dataclass(frozen=True)
class Domains:
    engine: Engine
    knowledge: KnowledgeService
    prediction: PredictionService
    warm_start: WarmStartService
    strategy: StrategyService
    transfer: TransferService
    task_profiler: TaskProfiler
    task_map: TaskMap
    strategy_learner: StrategyLearner
    settings: Settings

    def close(self) -> None:
        """End all connections."""
        self.prediction.close()
        self.engine.dispose()


def open_domains(settings: Settings) -> Domains:
    """The domains of a server or worker. Connects to nothing yet."""
    # No thread waits for a connection.
    enough = connections_of_server(settings.database_threads)
    engine = create_engine(settings, connections=max(settings.database_pool_size, enough))
    watch_pool(engine)
    row_security.watch(engine, settings.tenant_role)
    knowledge = KnowledgeService(engine, ArchitectureIndex(settings.chroma_url))
    knowledge.listeners.append(credit_decisions)
    prediction = PredictionService(engine, knowledge, open_scorer(engine, settings), settings)
    warm_start = WarmStartService(
        engine,
        knowledge,
        prediction,
        settings.exploration_share,
        settings.suggestion_ttl_seconds,
    )
    return Domains(
        engine,
        knowledge,
        prediction,
        warm_start,
        StrategyService(engine, settings.decision_ttl_seconds),
        TransferService(knowledge, prediction),
        TaskProfiler(engine, knowledge, prediction),
        TaskMap(engine, knowledge),
        StrategyLearner(engine),
        settings,
    )


def open_predictor(settings: Settings) -> tuple[Engine, LocalScorer]:
    """The parts of a predictor host. Connects to nothing yet."""
    engine = create_engine(settings, connections=max(settings.database_pool_size, connections_of_predictor()))
    watch_pool(engine)
    return engine, LocalScorer(engine, settings)
