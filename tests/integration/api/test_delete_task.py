"""A task is deleted while searches on it run: what comes later is told, whichever way it comes."""

from __future__ import annotations

import queue
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import headstart
from headstart.codec import values as codec
from headstart.spaces import nas_bench_201
from headstart.v1 import experiment_pb2
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.v1 import meta_learning_service_pb2 as meta_pb2

SPACE = nas_bench_201()
CANDIDATE = headstart.Candidate({f"op{i}": "nor_conv_3x3" for i in range(6)})


def a_record(task_id: str, value: float = 0.5) -> meta_pb2.RecordExperimentRequest:
    return meta_pb2.RecordExperimentRequest(
        request_id=str(uuid.uuid4()),
        task_id=task_id,
        search_space_id=SPACE.search_space_id,
        candidate=codec.candidate_to_proto(CANDIDATE),
        outcome=experiment_pb2.Outcome(status=experiment_pb2.EXPERIMENT_STATUS_COMPLETED, objective_value=value),
    )


def test_stream_of_a_task_that_is_deleted_meanwhile_ends_with_not_found_after_what_was_kept(client, stubs, task):
    requests: queue.SimpleQueue[meta_pb2.RecordExperimentsRequest | None] = queue.SimpleQueue()
    answers = stubs.meta.RecordExperiments(iter(requests.get, None))
    requests.put(meta_pb2.RecordExperimentsRequest(chunk=1, records=[a_record(task.task_id)] * 2))
    first = next(answers)
    assert (first.chunk, first.recorded_count, first.already_known_count) == (1, 1, 1)
    assert client.delete_task(task.task_id) == 1
    requests.put(meta_pb2.RecordExperimentsRequest(chunk=2, records=[a_record(task.task_id)]))
    with pytest.raises(grpc.RpcError) as raised:
        next(answers)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    requests.put(None)
    with pytest.raises(headstart.NotFound):
        client.record(task.task_id, SPACE.search_space_id, CANDIDATE, headstart.completed(0.5))


def test_chunks_before_a_broken_one_are_answered_and_the_broken_one_names_its_record(stubs, task):
    """While one is committed the next is decoded already: what is wrong with it is told in its turn."""
    broken = a_record(task.task_id)
    broken.candidate.values["op0"].string_value = "nothing like that"
    chunks = [
        meta_pb2.RecordExperimentsRequest(chunk=1, records=[a_record(task.task_id) for _ in range(50)]),
        meta_pb2.RecordExperimentsRequest(chunk=2, records=[a_record(task.task_id), broken]),
        meta_pb2.RecordExperimentsRequest(chunk=3, records=[a_record(task.task_id)]),
    ]
    answers = stubs.meta.RecordExperiments(iter(chunks))
    assert next(answers).recorded_count == 50
    with pytest.raises(grpc.RpcError) as raised:
        next(answers)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "records[1].candidate" in raised.value.details()


def test_a_stream_that_is_cancelled_leaves_the_service_in_order(client, stubs, task):
    for _ in range(5):
        answers = stubs.meta.RecordExperiments(
            iter([meta_pb2.RecordExperimentsRequest(chunk=n, records=[a_record(task.task_id)]) for n in range(1, 4)])
        )
        next(answers)
        answers.cancel()
    assert client.get_task(task.task_id).summaries[0].experiment_count >= 5


def test_deletion_that_is_asked_again_while_it_runs_is_answered_as_the_first(stubs, task):
    """As by a client whose patience ended: who waits for the deletion must not find the task gone."""
    for value in (0.1, 0.2, 0.3):
        stubs.meta.RecordExperiment(a_record(task.task_id, value))
    request = knowledge_pb2.DeleteTaskRequest(request_id=str(uuid.uuid4()), task_id=task.task_id)
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: stubs.knowledge.DeleteTask(request), range(16)))
    assert [answer.deleted_experiment_count for answer in answers] == [3] * 16
