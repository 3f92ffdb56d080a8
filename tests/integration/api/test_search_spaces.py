"""Declarations through the real service: orders of choices, default values, and what is assumed."""

from __future__ import annotations

import re
import uuid
import warnings

import grpc
import pytest

import headstart
from headstart.codec.spaces import space_to_proto
from headstart.spaces import Categorical, Integer, Ordering, Parameter, SearchSpace, default_candidate
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.v1 import search_space_pb2


def declared(space_id: str) -> SearchSpace:
    return SearchSpace(
        space_id,
        (
            Parameter("width", Categorical((64, 8, 512)), default=8),
            Parameter("grade", Categorical(("low", "middle", "high"), Ordering.ORDERED)),
            Parameter("code", Categorical((101, 201, 301), Ordering.UNORDERED)),
            Parameter("bias", Categorical((False, True)), default=False),
        ),
    )


def test_orders_and_defaults_come_back_as_they_were_declared(client, unique_id):
    space = declared(unique_id("orders"))
    with pytest.warns(headstart.DeclarationWarning):
        client.create_search_space(space)
    stored = client.get_search_space(space.search_space_id)
    assert repr(stored) == repr(space)
    assert default_candidate(stored).values == {"width": 8, "grade": "middle", "code": 101, "bias": False}


def test_an_order_that_is_taken_is_told_at_the_line_that_declares_the_space(client, unique_id):
    space = declared(unique_id("told"))
    for _ in range(2):
        with pytest.warns(headstart.DeclarationWarning) as caught:
            client.create_search_space(space)
        [told] = caught
        assert str(told.message).startswith("search_space.parameters[0].categorical.ordering: ")
        assert "'width'" in str(told.message)
        assert told.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        confirmed = Parameter("width", Categorical((8, 64, 512), Ordering.ORDERED))
        client.create_search_space(SearchSpace(unique_id("confirmed"), (confirmed,)))


def test_a_repeated_request_has_the_same_warnings(stubs, unique_id):
    request = knowledge_pb2.CreateSearchSpaceRequest(
        request_id=str(uuid.uuid4()), search_space=space_to_proto(declared(unique_id("repeated")))
    )
    first, second = (stubs.knowledge.CreateSearchSpace(request) for _ in range(2))
    assert len(first.warnings) == 1
    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        Parameter("width", Categorical((8, 64, 512), Ordering.ORDERED)),
        Parameter("width", Categorical((8, 64, 512), Ordering.UNORDERED)),
        Parameter("width", Categorical((8, 64, 512)), default=8),
    ],
)
@pytest.mark.filterwarnings("ignore::headstart.DeclarationWarning")
def test_another_order_or_default_is_another_declaration(client, unique_id, other):
    space_id = unique_id("width")
    client.create_search_space(SearchSpace(space_id, (Parameter("width", Categorical((8, 64, 512))),)))
    with pytest.raises(headstart.AlreadyExists):
        client.create_search_space(SearchSpace(space_id, (other,)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda m: setattr(m.default_value, "integer_value", 9), "search_space.parameters[0].default_value"),
        (lambda m: setattr(m.default_value, "string_value", "8"), "search_space.parameters[0].default_value"),
        (lambda m: m.default_value.ClearField("integer_value"), "search_space.parameters[0].default_value"),
        (lambda m: setattr(m.categorical, "ordering", 7), "search_space.parameters[0].categorical.ordering"),
    ],
)
def test_a_wrong_default_or_order_is_refused_by_field(stubs, change, field):
    message = search_space_pb2.SearchSpace(search_space_id="wrong")
    message.parameters.append(space_to_proto(declared("wrong")).parameters[0])
    change(message.parameters[0])
    request = knowledge_pb2.CreateSearchSpaceRequest(request_id=str(uuid.uuid4()), search_space=message)
    with pytest.raises(grpc.RpcError, match=re.escape(field)) as raised:
        stubs.knowledge.CreateSearchSpace(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.filterwarnings("ignore::headstart.DeclarationWarning")
def test_the_numbers_3_and_3_0_are_one_architecture(client, task, unique_id):
    space_id = unique_id("numbers")
    client.create_search_space(
        SearchSpace(space_id, (Parameter("size", Categorical((1, 3, 9))), Parameter("depth", Integer(1, 2))))
    )
    outcome = headstart.completed(0.5)
    first, second = (
        client.record(task.task_id, space_id, headstart.Candidate({"size": size, "depth": 1}), outcome)
        for size in (3, 3.0)
    )
    assert first.fingerprint == second.fingerprint
    assert second.equivalent_count == first.equivalent_count + 1
