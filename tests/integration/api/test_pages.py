"""Lists come in pages that fit a message, whole and in order."""

from __future__ import annotations

import uuid

import pytest

from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.v1 import task_pb2
from headstart_server.api.handlers.pagination import in_batches, page_of

# With these, a page of 100 tasks would take more than the limit of a message.
DESCRIPTOR = {f"word {number}": "x" * 4000 for number in range(60)}


def test_tasks_with_long_descriptions_are_listed_in_as_many_pages_as_they_need(stubs, unique_id):
    sent = {unique_id("long") for _ in range(45)}
    for task_id in sent:
        task = task_pb2.Task(
            task_id=task_id,
            objective=task_pb2.Objective(metric="accuracy", direction=task_pb2.DIRECTION_MAXIMIZE),
            descriptor=DESCRIPTOR,
        )
        stubs.knowledge.CreateTask(pb2.CreateTaskRequest(request_id=str(uuid.uuid4()), task=task))
    found, token, pages = [], "", 0
    while pages == 0 or token:
        answer = stubs.knowledge.ListTasks(pb2.ListTasksRequest(page_token=token, page_size=1000))
        assert answer.ByteSize() < 3 * 1024 * 1024
        found += [task.task_id for task in answer.tasks]
        token, pages = answer.next_page_token, pages + 1
    assert found == sorted(set(found))
    assert sent <= set(found)
    assert pages >= 5


def test_page_ends_by_count_or_bytes_but_takes_one():
    small, large = task_pb2.Task(task_id="a"), task_pb2.Task(description="x" * 3 * 1024 * 1024)
    assert page_of([small] * 3, 3) == ([small] * 3, False)
    assert page_of([small] * 4, 3) == ([small] * 3, True)
    assert page_of([small, large, small], 3) == ([small], True)
    assert page_of([large, small], 3) == ([large], True)
    assert page_of([], 3) == ([], False)


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 120])
def test_rows_are_read_in_batches_and_only_those_needed(count):
    reads = []

    def read(after: int, limit: int) -> list[int]:
        reads.append(after)
        return list(range(after + 1, count + 1))[:limit]

    assert list(in_batches(read, lambda row: row, 0)) == list(range(1, count + 1))
    assert len(reads) == count // 50 + 1
    reads.clear()
    if count:
        next(in_batches(read, lambda row: row, 0))
        assert reads == [0]
