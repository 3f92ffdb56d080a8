"""Nobody gets in without a token or sees another namespace; roles and quotas hold; what is done is written down."""

from __future__ import annotations

import random
import time
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import select

import headstart
from headstart.errors import PermissionDenied, Unauthenticated
from headstart.spaces import nas_bench_201, sample
from headstart_server.access.audit import latest_entries
from headstart_server.access.quotas import Quota, set_quota
from headstart_server.access.roles import Role
from headstart_server.access.tables import tokens
from headstart_server.access.tokens import revoke_token
from headstart_server.api.admission.authentication import REMEMBERED_SECONDS

SPACE = nas_bench_201()
TASK = headstart.Task("cifar", headstart.Objective("accuracy"))


def fill(client: headstart.Client) -> None:
    client.create_search_space(SPACE)
    client.create_task(TASK)
    client.record("cifar", SPACE.search_space_id, sample(SPACE, random.Random(0)), headstart.completed(0.5))


def test_without_a_valid_token_nobody_gets_in_and_health_still_answers(guarded, make_token) -> None:
    _, text = make_token("team-a")
    number, secret = text.split("_", 2)[1:]
    wrong = (
        None,
        "nonsense",
        f"hst_{number}_{'A' * 43}",
        f"hst_{int(number) + 1}_{secret}",
        f"hst_{number}_{secret[:-1]}",
        f"hst_{number}_{secret}x",
        "hst_99999999999999999999_" + "A" * 43,
    )
    for token in wrong:
        with headstart.connect(guarded.address, token=token) as client, pytest.raises(Unauthenticated):
            list(client.list_tasks())
    with grpc.insecure_channel(guarded.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with headstart.connect(guarded.address, token=text) as client:
        assert list(client.list_tasks()) == []


def test_namespaces_do_not_see_each_other(guarded, make_token) -> None:
    (_, mine), (_, theirs) = make_token("team-a"), make_token("team-b")
    with headstart.connect(guarded.address, token=mine) as a, headstart.connect(guarded.address, token=theirs) as b:
        fill(a)
        assert [task.task_id for task in a.list_tasks()] == ["cifar"]
        assert list(b.list_tasks()) == [] and list(b.list_search_spaces()) == []
        for ask in (
            lambda: b.get_task("cifar"),
            lambda: b.get_experiment(f"cifar/{SPACE.search_space_id}/1"),
            lambda: list(b.list_experiments("cifar", SPACE.search_space_id)),
            lambda: b.select_strategy("cifar", ["random"]),
            lambda: b.warm_start("cifar", SPACE.search_space_id, 1),
            lambda: list(b.list_decisions("cifar")),
            lambda: b.explain_strategies("cifar"),
            lambda: b.search_tasks("cifar"),
        ):
            with pytest.raises(headstart.NotFound):
                ask()
        fill(b)
        assert b.get_task("cifar").summaries[0].experiment_count == 1


def test_streams_work_in_the_namespace_of_their_token_too(guarded, make_token) -> None:
    (_, mine), (_, theirs), (_, read) = make_token("team-a"), make_token("team-b"), make_token("team-a", Role.READER)
    drawn = random.Random(2)
    records = [
        headstart.Record("cifar", SPACE.search_space_id, sample(SPACE, drawn), headstart.completed(0.1))
        for _ in range(20)
    ]
    with headstart.connect(guarded.address, token=mine) as client:
        fill(client)
        assert client.record_many(iter(records)).recorded_count == 20
        assert client.get_task("cifar").summaries[0].experiment_count == 21
    with headstart.connect(guarded.address, token=theirs) as other:
        with pytest.raises(headstart.NotFound):
            other.record_many(iter(records))
        assert list(other.list_tasks()) == []
    with headstart.connect(guarded.address, token=read) as reader, pytest.raises(PermissionDenied):
        reader.record_many(iter(records))
    with headstart.connect(guarded.address) as nobody, pytest.raises(Unauthenticated):
        nobody.record_many(iter(records))


def test_roles_bound_what_may_be_called_and_deletions_are_written_down(guarded, make_token, engine) -> None:
    (_, read), (_, write), (admin, all_of_it) = (
        make_token("team-a", role) for role in (Role.READER, Role.WRITER, Role.ADMIN)
    )
    with (
        headstart.connect(guarded.address, token=read) as reader,
        headstart.connect(guarded.address, token=write) as writer,
        headstart.connect(guarded.address, token=all_of_it) as administrator,
    ):
        fill(writer)
        assert reader.get_task("cifar").task_id == "cifar"
        with pytest.raises(PermissionDenied, match="READER"):
            reader.create_task(TASK)
        with pytest.raises(PermissionDenied, match="DeleteTask"):
            writer.delete_task("cifar")
        assert administrator.delete_task("cifar") == 1
    with engine.connect() as connection:
        [entry] = [each for each in latest_entries(connection, 10) if each.action == "task.delete"]
    assert (entry.namespace, entry.subject) == ("team-a", "cifar, 1 experiments")
    assert entry.actor.startswith(f"token {admin.number}")


def test_expired_and_revoked_tokens_open_nothing(guarded, make_token, engine) -> None:
    (_, short), (long, text) = make_token("team-a", lifetime=timedelta(seconds=0)), make_token("team-a")
    with headstart.connect(guarded.address, token=short) as client, pytest.raises(Unauthenticated):
        list(client.list_tasks())
    with headstart.connect(guarded.address, token=text) as client:
        assert list(client.list_tasks()) == []
        with engine.begin() as connection:
            revoke_token(connection, long.number, "test")
        time.sleep(REMEMBERED_SECONDS + 0.5)
        with pytest.raises(Unauthenticated):
            list(client.list_tasks())


def test_only_a_hash_of_the_secret_is_kept(make_token, engine) -> None:
    _, text = make_token("team-a")
    secret = text.split("_", 2)[2]
    with engine.connect() as connection:
        row = connection.execute(select(tokens)).one()
    assert secret not in str(row._mapping) and len(row.digest) == 32


def test_quotas_bound_tasks_experiments_and_calls(guarded, make_token, engine) -> None:
    _, text = make_token("team-a")
    _, other = make_token("team-b")
    with headstart.connect(guarded.address, token=text, timeout=2.0) as client:
        fill(client)
        with engine.begin() as connection:
            set_quota(connection, "team-a", Quota(experiments=1, tasks=1), "test")
        time.sleep(REMEMBERED_SECONDS + 0.5)
        with pytest.raises(headstart.ResourceExhausted, match="1 experiments"):
            client.record("cifar", SPACE.search_space_id, sample(SPACE, random.Random(1)), headstart.completed(0.5))
        with pytest.raises(headstart.ResourceExhausted, match="1 tasks"):
            client.create_task(headstart.Task("second", headstart.Objective("accuracy")))
        with headstart.connect(guarded.address, token=other) as untouched:
            fill(untouched)
        with engine.begin() as connection:
            set_quota(connection, "team-a", Quota(calls_per_second=0.5), "test")
        time.sleep(REMEMBERED_SECONDS + 0.5)
        hasty = client.with_patience(0.0)
        outcomes = []
        for _ in range(5):
            try:
                hasty.get_task("cifar")
                outcomes.append(0.0)
            except headstart.ResourceExhausted as error:
                outcomes.append(error.retry_seconds or -1.0)
        assert outcomes[0] == 0.0 and max(outcomes) > 0.5 and min(outcomes) >= 0.0
