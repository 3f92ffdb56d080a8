"""The table of authorisation covers every call of the contract, and says what each role may."""

from __future__ import annotations

from headstart.v1 import knowledge_base_service_pb2, meta_learning_service_pb2, predictor_service_pb2
from headstart_server.access.quotas import CallRate
from headstart_server.access.roles import NEEDED, Role, may

MODULES = (meta_learning_service_pb2, knowledge_base_service_pb2, predictor_service_pb2)


def methods() -> set[str]:
    return {
        f"/{service.full_name}/{method.name}"
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_call_is_in_the_table_and_nothing_else() -> None:
    assert set(NEEDED) == methods()


def test_readers_change_nothing() -> None:
    changing = ("Create", "Update", "Delete", "Record", "Select", "WarmStart")
    for method in methods():
        if method.rpartition("/")[2].startswith(changing):
            assert not may(Role.READER, method), method


def test_each_role_may_what_the_one_before_it_may() -> None:
    allowed = [{method for method in methods() if may(role, method)} for role in (Role.READER, Role.WRITER, Role.ADMIN)]
    assert allowed[0] < allowed[1] < allowed[2]
    service = {method for method in methods() if may(Role.SERVICE, method)}
    assert service and not service & allowed[2]


def test_unknown_calls_are_refused() -> None:
    assert not may(Role.ADMIN, "/headstart.v1.KnowledgeBaseService/Forgotten")


def test_calls_are_let_through_at_the_rate_and_told_when_to_come_again() -> None:
    now = 0.0
    rate = CallRate(lambda: now)
    passed = sum(rate.wait_seconds(10.0) == 0 for _ in range(100))
    assert passed == 20, "two seconds' worth at once"
    wait = rate.wait_seconds(10.0)
    assert 0.05 < wait <= 0.1
    now += 1.0
    assert sum(rate.wait_seconds(10.0) == 0 for _ in range(100)) == 10
