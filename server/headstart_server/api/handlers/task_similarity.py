"""The calls about tasks and what they are like: decode, ask a room, encode."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.codec import answers as codec_answers
from headstart.codec import knowledge as codec_knowledge
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart_server.api import decode, encode
from headstart_server.api.admission.identity import namespace_of_caller
from headstart_server.api.handlers.pagination import in_batches, key_token, page_key, page_of, page_size
from headstart_server.assembly import Domains
from headstart_server.warm_start.service import INTERVAL_LEVEL

_DEFAULT_COUNT = 10
_MAX_COUNT = 1000
_LIST = "task_clusters"


def search_tasks(domains: Domains, request: pb2.SearchTasksRequest) -> pb2.SearchTasksResponse:
    namespace = namespace_of_caller()
    count = decode.count(request.count, "count", _DEFAULT_COUNT, _MAX_COUNT)
    if request.search_space_id:
        domains.knowledge.search_space(namespace, request.search_space_id)
    similar = domains.warm_start.comparison.everywhere(namespace, request.task_id, request.search_space_id or None)
    tasks = [codec_answers.similar_task_to_proto(encode.similar_task(task)) for task in similar[:count]]
    return pb2.SearchTasksResponse(tasks=tasks)


def list_task_clusters(domains: Domains, request: pb2.ListTaskClustersRequest) -> pb2.ListTaskClustersResponse:
    namespace = namespace_of_caller()
    name = f"{_LIST}/{namespace}"
    (after,) = page_key(name, request.page_token, [int]) if request.page_token else (0,)
    rows = in_batches(
        lambda number, limit: domains.task_map.clusters(namespace, number, limit),
        lambda cluster: cluster.number,
        int(str(after)),
    )
    numbers: list[int] = []

    def encoded() -> Iterator[pb2.TaskCluster]:
        for cluster in rows:
            numbers.append(cluster.number)
            yield codec_knowledge.cluster_to_proto(encode.task_cluster(cluster))

    page, more = page_of(encoded(), page_size(request.page_size))
    token = key_token(name, [numbers[len(page) - 1]]) if more else ""
    return pb2.ListTaskClustersResponse(clusters=page, next_page_token=token)


def explain_task(domains: Domains, request: pb2.ExplainTaskRequest) -> pb2.ExplainTaskResponse:
    answer = domains.warm_start.explain(namespace_of_caller(), request.task_id, request.search_space_id)
    return codec_knowledge.explanation_to_proto(encode.explanation(answer, request.search_space_id, INTERVAL_LEVEL))
