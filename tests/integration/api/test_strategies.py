"""SelectStrategy over the network: typed answers about rewards, decisions in pages, what is known of each arm."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import headstart
from headstart.cli import main
from headstart.spaces import Float, Parameter, nas_bench_201, sample
from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart.values import DecisionCredit

SPACE = nas_bench_201()
ARMS = [headstart.Arm("random"), headstart.Arm("evolution", (Parameter("rate", Float(0.1, 1.0)),))]


def record(client: headstart.Client, task_id: str, decision_id: str, value: float = 0.5, **more: str):
    candidate = sample(SPACE, random.Random(value))
    return client.record(
        task_id, SPACE.search_space_id, candidate, headstart.completed(value), decision_id=decision_id, **more
    )


@pytest.fixture
def searched(client: headstart.Client, task: headstart.Task) -> list[headstart.Decision]:
    """Twelve decisions, the first eight with a result."""
    decisions = list(client.select_strategy(task.task_id, ARMS, slots=12, spent_budget=3, total_budget=50))
    for number, decision in enumerate(decisions[:8]):
        record(client, task.task_id, decision.decision_id, number / 10)
    return decisions


def test_answer_says_what_became_of_the_reward(client, task, unique_id: Callable[[str], str]):
    other = client.create_task(headstart.Task(unique_id("other"), headstart.Objective("accuracy")))
    [mine], [foreign] = client.select_strategy(task.task_id, ARMS), client.select_strategy(other.task_id, ARMS)
    where = task.task_id
    assert record(client, where, "").decision_credit is DecisionCredit.NONE_NAMED
    assert record(client, where, mine.decision_id).decision_credit is DecisionCredit.CREDITED
    assert record(client, where, foreign.decision_id).decision_credit is DecisionCredit.OTHER_TASK
    assert record(client, where, str(uuid.uuid4())).decision_credit is DecisionCredit.UNKNOWN_DECISION
    [summary] = client.get_task(where).summaries
    assert summary.experiment_count == 4


def test_a_repeated_record_is_answered_as_the_first_and_credited_once(client, task):
    [decision] = client.select_strategy(task.task_id, ARMS)
    request_id = str(uuid.uuid4())
    first, again = (record(client, task.task_id, decision.decision_id, request_id=request_id) for _ in range(2))
    assert (first.decision_credit, again.decision_credit) == (DecisionCredit.CREDITED, DecisionCredit.CREDITED)
    assert [each.experiment_count for each in client.list_decisions(task.task_id)] == [1]


def test_one_request_sent_many_times_at_once_is_decided_once(client, stubs, task):
    request = pb2.SelectStrategyRequest(
        request_id=str(uuid.uuid4()), task_id=task.task_id, arms=[pb2.Arm(name=arm.name) for arm in ARMS], slots=3
    )
    with ThreadPoolExecutor(8) as callers:
        first, *others = callers.map(lambda _: stubs.meta.SelectStrategy(request), range(16))
    assert all(other == first for other in others)
    told = [each.decision.decision_id for each in client.list_decisions(task.task_id)]
    assert sorted(told) == sorted(each.decision_id for each in first.decisions)


def test_decisions_come_in_pages_with_what_was_known_and_earned(client, task, searched):
    told = list(client.list_decisions(task.task_id, page_size=5))
    assert [each.decision.decision_id for each in told] == [each.decision_id for each in searched]
    assert [each.experiment_count for each in told] == [1] * 8 + [0] * 4
    assert [each.decision for each in told] == searched
    assert {(each.spent_budget, each.total_budget, each.observation_count) for each in told} == {(3.0, 50.0, 0)}
    [later] = client.select_strategy(task.task_id, ARMS)
    last = list(client.list_decisions(task.task_id))[-1]
    assert last.decision == later
    # The values rose with each result.
    assert (last.observation_count, last.stagnation) == (8, 0)
    record(client, task.task_id, "", 0.1)
    client.select_strategy(task.task_id, ARMS)
    assert list(client.list_decisions(task.task_id))[-1].stagnation == 1


def test_arms_are_explained_by_pulls_rewards_and_pending(client, task, searched):
    arms = {(arm.arm, arm.tuned): arm for arm in client.explain_strategies(task.task_id).arms}
    keys = [(each.arm, bool(each.hyperparameters)) for each in searched]
    assert set(arms) == set(keys)
    for key, arm in arms.items():
        assert arm.pull_count == keys[:8].count(key)
        assert arm.pending_count == keys[8:].count(key)
        if arm.pull_count:
            assert 0.0 < arm.mean_reward < 1.0


def test_unknown_task_is_not_found(client):
    with pytest.raises(headstart.NotFound):
        list(client.list_decisions("nowhere"))
    with pytest.raises(headstart.NotFound):
        client.explain_strategies("nowhere")


def test_command_prints_arms_and_reasons_and_draws_them(
    shared_service, client, task, searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    picture = tmp_path / "strategies.png"
    address = ["--address", shared_service.address]
    assert main([*address, "strategies", task.task_id, "--picture", str(picture)]) == 0
    told = capsys.readouterr().out
    assert "evolution" in told and "3 of 50" in told and "REASON" in told and "bandit" in told
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main([*address, "strategies", task.task_id, "--json"]) == 0
    assert searched[0].decision_id in capsys.readouterr().out
