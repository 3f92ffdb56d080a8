"""A client of the shared service, and raw stubs for what the client would refuse to send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import pytest

import headstart
from headstart.spaces import nas_bench_201
from headstart.v1 import knowledge_base_service_pb2_grpc, meta_learning_service_pb2_grpc

SPACE = nas_bench_201()


@dataclass(frozen=True)
class Stubs:
    meta: meta_learning_service_pb2_grpc.MetaLearningServiceStub
    knowledge: knowledge_base_service_pb2_grpc.KnowledgeBaseServiceStub


@pytest.fixture
def client(shared_service) -> Iterator[headstart.Client]:
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(SPACE)
        yield client


@pytest.fixture
def stubs(shared_service) -> Iterator[Stubs]:
    with grpc.insecure_channel(shared_service.address) as channel:
        yield Stubs(
            meta_learning_service_pb2_grpc.MetaLearningServiceStub(channel),
            knowledge_base_service_pb2_grpc.KnowledgeBaseServiceStub(channel),
        )


@pytest.fixture
def task(client: headstart.Client, unique_id: Callable[[str], str]) -> headstart.Task:
    """A task without experiments."""
    return client.create_task(headstart.Task(unique_id("task"), headstart.Objective("accuracy")))
