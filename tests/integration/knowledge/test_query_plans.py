"""No call reads a table of experiments from end to end: the plans of what every RPC asks the database.

The statements are those that the servicers sent, explained by a PostgreSQL that holds enough to choose: as calls run,
behind the policies of row-level security, and as they run where there is no role for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.message import Message
from sqlalchemy import Engine, event, text

from headstart.codec import values as codec
from headstart.spaces import Candidate, nas_bench_201, sample
from headstart.v1 import experiment_pb2, task_pb2
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart_server.api.admission.identity import namespace_of_caller
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.handlers.knowledge_base import KnowledgeBaseServicer
from headstart_server.api.handlers.meta_learning import MetaLearningServicer
from headstart_server.api.handlers.record_queue import RecordQueue
from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.tables import experiments
from headstart_server.runtime.database.engine import create_engine, run_transaction
from headstart_server.runtime.database.row_security import acting_for
from headstart_server.runtime.errors import ServiceError
from headstart_server.runtime.settings import Settings
from tests.integration.knowledge.hands import Recorder, a_task, completed

SPACE = nas_bench_201()
TASKS = 120
EACH = 350

SCAN = "Seq Scan on experiments"
READS = re.compile(r"Scan\b.* on experiments")

# What no test asks through SQLAlchemy: the foreign keys' own statements, planned without knowing the values.
OF_FOREIGN_KEYS = (
    "DELETE FROM experiments WHERE task_id = $1",
    "SELECT 1 FROM experiments WHERE architecture_id = $1 FOR KEY SHARE",
)


class Context:
    """Of a caller without a deadline."""

    def time_remaining(self) -> None:
        return None


class Statements:
    """Collects what an engine executes on experiments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sent: list[tuple[str, Any]] = []
        event.listen(engine, "before_cursor_execute", self._keep)

    def _keep(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "experiments" in statement and not statement.startswith("EXPLAIN"):
            self.sent.append((statement, parameters))

    def taken(self) -> list[tuple[str, Any]]:
        taken, self.sent = self.sent, []
        return taken


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """Of a service on a full database. Without a vector index the answers come from there: more to plan."""
    settings = settings.model_copy(update={"chroma_url": "http://127.0.0.1:1"})
    domains = open_domains(settings)
    fill(domains)
    domains.close()
    return settings


def fill(domains: Domains) -> None:
    """One task through the service, the others as copies with other values; then what the planner knows of them."""
    namespace = namespace_of_caller()
    names = [f"task-{number:03}" for number in range(TASKS)]

    def create(connection: Any) -> None:
        domains.knowledge.create_search_space(connection, namespace, SPACE)
        for name in names:
            domains.knowledge.create_task(connection, namespace, a_task(name))

    run_transaction(domains.engine, create)
    recorder = Recorder(domains.engine, domains.knowledge)
    generator = random.Random(0)
    first = [recorder.new(sample(SPACE, generator), completed(generator.random()), names[0]) for _ in range(EACH)]
    run_transaction(domains.engine, lambda connection: domains.knowledge.record_all(connection, namespace, first))
    columns = [column.name for column in experiments.columns]
    changed = {
        "task_id": "tasks.id",
        "request_id": "gen_random_uuid()",
        "objective_value": "random()",
        "recorded_at": "clock_timestamp()",
    }
    with domains.engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO experiments ({', '.join(columns)}) "
                f"SELECT {', '.join(changed.get(name, f'experiments.{name}') for name in columns)} "
                "FROM experiments JOIN tasks ON tasks.id <> experiments.task_id"
            )
        )
        connection.execute(
            text(
                "INSERT INTO task_summaries SELECT tasks.id, search_space_id, experiment_count, completed_count, "
                "incumbent_sequence, incumbent_value FROM task_summaries JOIN tasks ON tasks.id <> task_id"
            )
        )
    with domains.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def record(task_id: str, candidate: Candidate, decision_id: str = "") -> meta_pb2.RecordExperimentRequest:
    return meta_pb2.RecordExperimentRequest(
        request_id=str(uuid.uuid4()),
        task_id=task_id,
        search_space_id=SPACE.search_space_id,
        candidate=codec.candidate_to_proto(candidate),
        outcome=experiment_pb2.Outcome(status=experiment_pb2.EXPERIMENT_STATUS_COMPLETED, objective_value=0.5),
        decision_id=decision_id,
    )


async def _stream(*messages: Message) -> AsyncIterator[Message]:
    for message in messages:
        yield message


def lists() -> Iterator[pb2.ListExperimentsRequest]:
    """Every order, scope and filter; and a page from the middle is asked for by whoever asks for these."""
    filters: list[Mapping[str, Any]] = [
        {},
        {"statuses": [2]},
        {"min_objective_value": 0.999},
        {"max_node_count": 2},
        {"proxies": {"flops": {"lower": 1.0}}},
        {"recorded_from": {"seconds": 1}, "recorded_before": {"seconds": 2_000_000_000}},
        {"statuses": [1], "min_objective_value": 0.9999, "min_node_count": 3},
    ]
    scopes = [("", ""), ("", SPACE.search_space_id), ("task-003", ""), ("task-003", SPACE.search_space_id)]
    for (task, space), order, descending, asked in itertools.product(scopes, (1, 2, 3), (False, True), filters):
        if task or order == 3:
            yield pb2.ListExperimentsRequest(
                task_id=task,
                search_space_id=space,
                order_by=order,
                descending=descending,
                page_size=20,
                filter=pb2.ExperimentFilter(**asked),
            )


def calls() -> Mapping[str, Callable[[Any, Any], Any]]:
    """What is asked of each RPC: functions of the two servicers, knowledge first."""
    context: Any = Context()
    generator = random.Random(1)
    space = SPACE.search_space_id
    candidate = sample(SPACE, generator)
    tried = codec.candidate_to_proto(candidate)
    objective = task_pb2.Objective(metric="accuracy", direction=task_pb2.DIRECTION_MAXIMIZE)

    async def list_all(knowledge: Any, _: Any) -> None:
        for request in lists():
            answer = await knowledge.ListExperiments(request, context)
            if answer.next_page_token:
                request.page_token = answer.next_page_token
                await knowledge.ListExperiments(request, context)
        request = pb2.ListExperimentsRequest(task_id="task-003", search_space_id=space, after_sequence=340)
        await knowledge.ListExperiments(request, context)

    async def search_architectures(knowledge: Any, _: Any) -> None:
        for measure in (0, 2, 3):
            request = pb2.SearchArchitecturesRequest(
                search_space_id=space, candidate=tried, count=20, measure=measure, time_limit_seconds=0.2
            )
            await knowledge.SearchArchitectures(request, context)

    async def record_one(_: Any, meta: Any) -> None:
        select_one = meta_pb2.SelectStrategyRequest(
            request_id=str(uuid.uuid4()), task_id="task-005", arms=[meta_pb2.Arm(name="evolution")]
        )
        decision = (await meta.SelectStrategy(select_one, context)).decisions[0].decision_id
        await meta.RecordExperiment(record("task-005", sample(SPACE, generator), decision), context)
        await meta.RecordExperiment(record("task-005", candidate), context)

    async def record_many(_: Any, meta: Any) -> None:
        chunk = meta_pb2.RecordExperimentsRequest(
            chunk=1, records=[record(f"task-{i % 9:03}", sample(SPACE, generator)) for i in range(500)]
        )
        async for _answer in meta.RecordExperiments(_stream(chunk, chunk), context):
            pass

    def one(ask: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        async def call(knowledge: Any, meta: Any) -> None:
            await ask(knowledge, meta)

        return call

    def mutation(**fields: Any) -> dict[str, Any]:
        return {"request_id": str(uuid.uuid4()), **fields}

    return {
        "CreateSearchSpace": one(
            lambda k, _: k.CreateSearchSpace(
                pb2.CreateSearchSpaceRequest(**mutation(search_space=codec.space_to_proto(SPACE))), context
            )
        ),
        "GetSearchSpace": one(lambda k, _: k.GetSearchSpace(pb2.GetSearchSpaceRequest(search_space_id=space), context)),
        "ListSearchSpaces": one(lambda k, _: k.ListSearchSpaces(pb2.ListSearchSpacesRequest(), context)),
        "CreateTask": one(
            lambda k, _: k.CreateTask(
                pb2.CreateTaskRequest(**mutation(task=task_pb2.Task(task_id="new", objective=objective))), context
            )
        ),
        "GetTask": one(lambda k, _: k.GetTask(pb2.GetTaskRequest(task_id="task-001"), context)),
        "ListTasks": one(lambda k, _: k.ListTasks(pb2.ListTasksRequest(), context)),
        "UpdateTask": one(
            lambda k, _: k.UpdateTask(
                pb2.UpdateTaskRequest(
                    **mutation(task=task_pb2.Task(task_id="task-001", objective=objective, max_fidelity=200.0))
                ),
                context,
            )
        ),
        "GetExperiment": one(
            lambda k, _: k.GetExperiment(pb2.GetExperimentRequest(experiment_id=f"task-002/{space}/7"), context)
        ),
        "ListExperiments": list_all,
        "SearchArchitectures": search_architectures,
        "SearchTasks": one(lambda k, _: k.SearchTasks(pb2.SearchTasksRequest(task_id="task-002"), context)),
        "ListTaskClusters": one(lambda k, _: k.ListTaskClusters(pb2.ListTaskClustersRequest(), context)),
        "GetPredictor": one(lambda k, _: k.GetPredictor(pb2.GetPredictorRequest(search_space_id=space), context)),
        "ExplainTask": one(
            lambda k, _: k.ExplainTask(pb2.ExplainTaskRequest(task_id="task-002", search_space_id=space), context)
        ),
        "ListDecisions": one(lambda k, _: k.ListDecisions(pb2.ListDecisionsRequest(task_id="task-002"), context)),
        "ExplainStrategies": one(
            lambda k, _: k.ExplainStrategies(pb2.ExplainStrategiesRequest(task_id="task-002"), context)
        ),
        "WarmStart": one(
            lambda _, m: m.WarmStart(
                meta_pb2.WarmStartRequest(task_id="task-002", search_space_id=space, count=5), context
            )
        ),
        "PredictPerformance": one(
            lambda _, m: m.PredictPerformance(
                meta_pb2.PredictPerformanceRequest(
                    task_id="task-002",
                    search_space_id=space,
                    queries=[
                        meta_pb2.PredictionQuery(
                            candidate=tried, learning_curve=[experiment_pb2.CurvePoint(fidelity=1.0, value=0.5)]
                        )
                    ],
                ),
                context,
            )
        ),
        "RecordExperiment": record_one,
        "RecordExperiments": record_many,
        "SelectStrategy": one(
            lambda _, m: m.SelectStrategy(
                meta_pb2.SelectStrategyRequest(**mutation(task_id="task-002", arms=[meta_pb2.Arm(name="random")])),
                context,
            )
        ),
        "TransferArchitecture": one(
            lambda _, m: m.TransferArchitecture(
                meta_pb2.TransferArchitectureRequest(
                    search_space_id=space,
                    candidate=tried,
                    source_task_id="task-002",
                    target_task_ids=["task-003", "task-004"],
                ),
                context,
            )
        ),
        "DeleteTask": one(lambda k, _: k.DeleteTask(pb2.DeleteTaskRequest(**mutation(task_id="task-006")), context)),
    }


@pytest.mark.timeout(400)
def test_no_rpc_scans_the_experiments(filled: Settings) -> None:
    asked = calls()
    services = (
        pb2.DESCRIPTOR.services_by_name["KnowledgeBaseService"],
        meta_pb2.DESCRIPTOR.services_by_name["MetaLearningService"],
    )
    assert set(asked) == {method.name for service in services for method in service.methods}
    found = {name: plans(filled, call) for name, call in asked.items()}
    scans = [
        f"{name}: {statement}\n{plan}"
        for name, explained in found.items()
        for statement, plan in explained
        if SCAN in plan
    ]
    assert not scans, "\n\n".join(scans)
    assert {name for name, explained in found.items() if explained} >= {
        *("GetExperiment", "ListExperiments", "SearchArchitectures", "SearchTasks", "ExplainTask", "WarmStart"),
        *("PredictPerformance", "RecordExperiment", "RecordExperiments", "DeleteTask"),
    }


def test_foreign_keys_are_followed_by_an_index_and_a_scan_would_be_seen(filled: Settings) -> None:
    engine = create_engine(filled)
    for statement in OF_FOREIGN_KEYS:
        assert SCAN not in explain_prepared(engine, statement)
    assert SCAN in explain(engine, "SELECT * FROM experiments WHERE seed = 3", {})
    engine.dispose()


def plans(settings: Settings, call: Callable[[Any, Any], Any]) -> list[tuple[str, str]]:
    """What a service that has just started asks of experiments to answer a call, each with its plan."""
    domains = open_domains(settings)
    statements = Statements(domains.engine)
    database, models = BlockingWork(ThreadPoolExecutor(2)), BlockingWork(ThreadPoolExecutor(1))
    with contextlib.suppress(ServiceError):
        knowledge_base = KnowledgeBaseServicer(domains, database, models, models, models)
        record_queue = RecordQueue(domains, 10)
        with acting_for(namespace_of_caller()):
            asyncio.run(call(knowledge_base, MetaLearningServicer(domains, database, models, record_queue, models)))
        record_queue.close()
    explained = []
    for sent, parameters in statements.taken():
        with acting_for(namespace_of_caller()):
            guarded = explain(domains.engine, sent, parameters)
        assert "current_setting" in guarded or READS.search(guarded) is None, guarded
        explained += [(sent, guarded), (sent, explain(domains.engine, sent, parameters))]
    database.close()
    models.close()
    domains.close()
    return explained


def explain(engine: Engine, statement: str, parameters: Any) -> str:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return "\n".join(row[0] for row in rows)


def explain_prepared(engine: Engine, statement: str) -> str:
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        connection.exec_driver_sql(f"PREPARE asked (bigint) AS {statement}")
        rows = connection.exec_driver_sql("EXPLAIN EXECUTE asked (1)").all()
        connection.exec_driver_sql("DEALLOCATE asked")
        return "\n".join(row[0] for row in rows)
