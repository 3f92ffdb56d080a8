"""KnowledgeBaseService at the edge: decode, ask a room, encode."""

from __future__ import annotations

from sqlalchemy import Connection

from headstart.spaces import detected_orders
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.v1 import knowledge_base_service_pb2_grpc as pb2_grpc
from headstart_server.access.audit import audit
from headstart_server.api import decode, encode
from headstart_server.api.admission.identity import caller, namespace_of_caller
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.calls import Context
from headstart_server.api.handlers import strategies, task_similarity
from headstart_server.api.handlers.architecture_search import search_architectures
from headstart_server.api.handlers.experiment_lists import list_experiments
from headstart_server.api.handlers.mutations import mutate
from headstart_server.api.handlers.pagination import in_batches, page_name, page_of, page_size, page_token
from headstart_server.assembly import Domains
from headstart_server.runtime.deadline import NotQuick

_DEFAULT_COUNT = 10
_MAX_COUNT = 1000
# Limits of requests that are answered in milliseconds; larger ones, and those whose candidate takes longer to read,
# have other threads.
_MOST_QUICK_BYTES = 64 * 1024
_QUICK_SECONDS = 0.1


class KnowledgeBaseServicer(pb2_grpc.KnowledgeBaseServiceServicer):
    def __init__(
        self,
        domains: Domains,
        database: BlockingWork,
        models: BlockingWork,
        edits: BlockingWork,
        slow: BlockingWork,
    ) -> None:
        self._domains = domains
        self._database = database
        self._models = models
        self._edits = edits
        self._slow = slow

    # Search spaces

    async def CreateSearchSpace(
        self, request: pb2.CreateSearchSpaceRequest, context: Context
    ) -> pb2.CreateSearchSpaceResponse:
        def work() -> pb2.CreateSearchSpaceResponse:
            namespace = namespace_of_caller()
            space = decode.search_space(request.search_space)
            answer = mutate(
                self._domains.engine,
                namespace,
                request,
                pb2.CreateSearchSpaceResponse,
                lambda connection: pb2.CreateSearchSpaceResponse(
                    search_space=encode.search_space(
                        self._domains.knowledge.create_search_space(connection, namespace, space)
                    )
                ),
            )
            # Not stored with the answer, because they follow from the declaration.
            answer.warnings.extend(detected_orders(space))
            return answer

        # A declaration near the size limit takes half a second to read, check and write.
        threads = self._database if request.ByteSize() <= _MOST_QUICK_BYTES else self._slow
        return await threads.run(context, work)

    async def GetSearchSpace(self, request: pb2.GetSearchSpaceRequest, context: Context) -> pb2.GetSearchSpaceResponse:
        def work() -> pb2.GetSearchSpaceResponse:
            stored = self._domains.knowledge.stored_search_space(namespace_of_caller(), request.search_space_id)
            return pb2.GetSearchSpaceResponse(search_space=encode.search_space(stored))

        return await self._database.run(context, work)

    async def ListSearchSpaces(
        self, request: pb2.ListSearchSpacesRequest, context: Context
    ) -> pb2.ListSearchSpacesResponse:
        def work() -> pb2.ListSearchSpacesResponse:
            namespace = namespace_of_caller()
            rows = in_batches(
                lambda after, limit: self._domains.knowledge.list_search_spaces(namespace, after, limit),
                lambda stored: stored.space.search_space_id,
                page_name("search_spaces", request.page_token),
            )
            page, more = page_of(map(encode.search_space, rows), page_size(request.page_size))
            token = page_token("search_spaces", page[-1].search_space_id) if more else ""
            return pb2.ListSearchSpacesResponse(search_spaces=page, next_page_token=token)

        return await self._database.run(context, work)

    # Tasks

    async def CreateTask(self, request: pb2.CreateTaskRequest, context: Context) -> pb2.CreateTaskResponse:
        def work() -> pb2.CreateTaskResponse:
            namespace = namespace_of_caller()
            task = decode.task(request.task)
            return mutate(
                self._domains.engine,
                namespace,
                request,
                pb2.CreateTaskResponse,
                lambda connection: pb2.CreateTaskResponse(
                    task=encode.task(self._domains.knowledge.create_task(connection, namespace, task))
                ),
            )

        return await self._database.run(context, work)

    async def GetTask(self, request: pb2.GetTaskRequest, context: Context) -> pb2.GetTaskResponse:
        def work() -> pb2.GetTaskResponse:
            stored = self._domains.knowledge.stored_task(namespace_of_caller(), request.task_id)
            return pb2.GetTaskResponse(task=encode.task(stored))

        return await self._database.run(context, work)

    async def ListTasks(self, request: pb2.ListTasksRequest, context: Context) -> pb2.ListTasksResponse:
        def work() -> pb2.ListTasksResponse:
            namespace = namespace_of_caller()
            rows = in_batches(
                lambda after, limit: self._domains.knowledge.list_tasks(namespace, after, limit),
                lambda stored: stored.task.task_id,
                page_name("tasks", request.page_token),
            )
            page, more = page_of(map(encode.task, rows), page_size(request.page_size))
            token = page_token("tasks", page[-1].task_id) if more else ""
            return pb2.ListTasksResponse(tasks=page, next_page_token=token)

        return await self._database.run(context, work)

    async def UpdateTask(self, request: pb2.UpdateTaskRequest, context: Context) -> pb2.UpdateTaskResponse:
        def work() -> pb2.UpdateTaskResponse:
            namespace = namespace_of_caller()
            task = decode.task(request.task)
            return mutate(
                self._domains.engine,
                namespace,
                request,
                pb2.UpdateTaskResponse,
                lambda connection: pb2.UpdateTaskResponse(
                    task=encode.task(self._domains.knowledge.update_task(connection, namespace, task))
                ),
            )

        return await self._database.run(context, work)

    async def DeleteTask(self, request: pb2.DeleteTaskRequest, context: Context) -> pb2.DeleteTaskResponse:
        def delete(connection: Connection) -> pb2.DeleteTaskResponse:
            who = caller.get()
            deleted = self._domains.knowledge.delete_task(connection, who.namespace, request.task_id)
            audit(connection, who.namespace, who.actor, "task.delete", f"{request.task_id}, {deleted} experiments")
            return pb2.DeleteTaskResponse(deleted_experiment_count=deleted)

        def work() -> pb2.DeleteTaskResponse:
            namespace = namespace_of_caller()
            return mutate(
                self._domains.engine,
                namespace,
                request,
                pb2.DeleteTaskResponse,
                delete,
            )

        return await self._database.run(context, work)

    # Experiments

    async def GetExperiment(self, request: pb2.GetExperimentRequest, context: Context) -> pb2.GetExperimentResponse:
        def work() -> pb2.GetExperimentResponse:
            task_id, space_id, sequence = decode.experiment_name(request.experiment_id)
            result = self._domains.knowledge.experiment(namespace_of_caller(), task_id, space_id, sequence)
            return pb2.GetExperimentResponse(experiment=encode.experiment(result))

        return await self._database.run(context, work)

    async def ListExperiments(
        self, request: pb2.ListExperimentsRequest, context: Context
    ) -> pb2.ListExperimentsResponse:
        return await self._database.run(
            context, lambda: list_experiments(self._domains.knowledge, namespace_of_caller(), request)
        )

    # Similarity

    async def SearchArchitectures(
        self, request: pb2.SearchArchitecturesRequest, context: Context
    ) -> pb2.SearchArchitecturesResponse:
        # Edit distances may take seconds, so they have threads of their own.
        if request.measure == pb2.ARCHITECTURE_MEASURE_GRAPH_EDIT_DISTANCE:
            return await self._edits.run(context, lambda: search_architectures(self._domains, request))
        try:
            return await self._models.run(context, lambda: search_architectures(self._domains, request, _QUICK_SECONDS))
        except NotQuick:
            return await self._slow.run(context, lambda: search_architectures(self._domains, request))

    async def SearchTasks(self, request: pb2.SearchTasksRequest, context: Context) -> pb2.SearchTasksResponse:
        # Without a space, every common space is read and compared.
        threads = self._models if request.search_space_id else self._slow
        return await threads.run(context, lambda: task_similarity.search_tasks(self._domains, request))

    async def ListTaskClusters(
        self, request: pb2.ListTaskClustersRequest, context: Context
    ) -> pb2.ListTaskClustersResponse:
        return await self._database.run(context, lambda: task_similarity.list_task_clusters(self._domains, request))

    async def GetPredictor(self, request: pb2.GetPredictorRequest, context: Context) -> pb2.GetPredictorResponse:
        def work() -> pb2.GetPredictorResponse:
            namespace = namespace_of_caller()
            self._domains.knowledge.search_space(namespace, request.search_space_id)
            version = self._domains.prediction.predictor(namespace, request.search_space_id)
            return encode.predictor(version, self._domains.prediction.device)

        return await self._database.run(context, work)

    async def ListDecisions(self, request: pb2.ListDecisionsRequest, context: Context) -> pb2.ListDecisionsResponse:
        return await self._database.run(context, lambda: strategies.list_decisions(self._domains, request))

    async def ExplainStrategies(
        self, request: pb2.ExplainStrategiesRequest, context: Context
    ) -> pb2.ExplainStrategiesResponse:
        return await self._database.run(context, lambda: strategies.explain_strategies(self._domains, request))

    async def ExplainTask(self, request: pb2.ExplainTaskRequest, context: Context) -> pb2.ExplainTaskResponse:
        return await self._slow.run(context, lambda: task_similarity.explain_task(self._domains, request))
