"""Worker processes search one task together and use all four questions of the service."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.search import Advice, PredictorGuidedEvolution
from headstart.spaces import Candidate, canonicalize, nas_bench_201, sample

WORKER = Path(__file__).with_name("search_worker.py")
SPACE = nas_bench_201()


@pytest.fixture
def client(service: Any) -> Iterator[headstart.Client]:
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        for task_id in ("target", "source"):
            client.create_task(
                headstart.Task(task_id, headstart.Objective("accuracy"), descriptor={"domain": "images"})
            )
        yield client


def quality(candidate: Candidate) -> float:
    worth = {"nor_conv_3x3": 1.0, "nor_conv_1x1": 0.6, "skip_connect": 0.5, "avg_pool_3x3": 0.2, "none": 0.0}
    return sum(worth[str(op)] for op in candidate.values.values())


def start_worker(address: str, budget: int, seed: int, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), address, "target", str(budget), str(seed), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results_of(workers: list[subprocess.Popen[str]], seconds: float = 100) -> list[dict[str, Any]]:
    results = []
    for worker in workers:
        told, problems = worker.communicate(timeout=seconds)
        assert worker.returncode == 0, problems
        results.append(json.loads(told))
    return results


def record_history(client: headstart.Client, count: int) -> None:
    generator = random.Random(0)
    drawn = [sample(SPACE, generator) for _ in range(count)]
    client.record_many(
        headstart.Record("source", SPACE.search_space_id, candidate, headstart.completed(quality(candidate)))
        for candidate in drawn
    )


def test_two_processes_share_a_search_that_asks_all_four_questions(service: Any, client: headstart.Client) -> None:
    record_history(client, 150)
    budget = 60
    results = results_of([start_worker(service.address, budget, seed) for seed in (1, 2)])
    experiments = list(client.list_experiments("target", SPACE.search_space_id))
    assert budget <= len(experiments) <= budget + 1
    assert sum(len(result["steps"]) for result in results) == len(experiments)
    assert {experiment.worker_id for experiment in experiments} == {"worker-1", "worker-2"}
    proposed_by = {step["proposed_by"] for result in results for step in result["steps"]}
    assert "warm_start" in proposed_by
    assert len(proposed_by) >= 3, f"one strategy only beside the warm start: {proposed_by}"
    # Every result of a selected strategy was reported under its decision.
    decided = [step for result in results for step in result["steps"] if step["proposed_by"] != "warm_start"]
    assert decided and all(step["decision_id"] for step in decided)
    assert {step["decision_id"] for step in decided} == {e.decision_id for e in experiments if e.decision_id}
    # Only what both workers had under way at the same moment may repeat.
    distinct = {experiment.fingerprint for experiment in experiments}
    assert len(distinct) >= 0.8 * len(experiments)
    best = max(experiment.outcome.objective_value or 0.0 for experiment in experiments)
    assert all(result["best"] == best for result in results)
    assert best >= 4.6


def test_search_outlives_the_service(service: Any, client: headstart.Client) -> None:
    """The server is killed under a running search and started again: every result is recorded once."""
    worker = start_worker(service.address, 40, 1, pause=0.1)
    try:
        while sum(1 for _ in client.list_experiments("target", SPACE.search_space_id)) < 10:
            assert worker.poll() is None
            time.sleep(0.1)
        service.kill()
        time.sleep(1.0)
        service.start()
        (result,) = results_of([worker])
    finally:
        worker.kill()
    assert result["unrecorded"] == 0
    client.wait_until_reachable()
    experiments = list(client.list_experiments("target", SPACE.search_space_id))
    assert len(experiments) == len(result["steps"]) == 40
    assert [e.outcome.objective_value for e in experiments] == [step["value"] for step in result["steps"]]


def test_search_without_advice_only_records(client: headstart.Client) -> None:
    result = headstart.search(client, "target", SPACE, quality, 55, advice=None, worker_id="alone")
    assert {step.proposed_by for step in result.steps} == {"regularized_evolution"}
    assert len({canonicalize(SPACE, step.candidate).fingerprint for step in result.steps}) == 55
    assert [e.candidate for e in client.list_experiments("target", SPACE.search_space_id)] == [
        step.candidate for step in result.steps
    ]


def test_budget_counts_from_the_given_sequence_on(client: headstart.Client) -> None:
    first = headstart.search(client, "target", SPACE, quality, 10, advice=None)
    assert first.evaluations == 10
    again = headstart.search(client, "target", SPACE, quality, 10, advice=None)
    assert again.steps == () and again.evaluations == 10
    further = headstart.search(client, "target", SPACE, quality, 5, advice=None, after_sequence=10)
    assert len(further.steps) == 5
    # It knew what had been tried before.
    assert client.get_task("target").summaries[0].experiment_count == 15
    assert len({e.fingerprint for e in client.list_experiments("target", SPACE.search_space_id)}) == 15


ALL_WARM = Advice(warm_start_share=1.0)


def test_failures_are_recorded_as_such(client: headstart.Client) -> None:
    def evaluate(candidate: Candidate) -> float:
        raise RuntimeError("out of memory")

    result = headstart.search(client, "target", SPACE, evaluate, 3, catch=RuntimeError, advice=ALL_WARM)
    assert result.best is None
    summary = client.get_task("target").summaries[0]
    assert (summary.experiment_count, summary.completed_count, summary.incumbent) == (3, 0, None)


def test_predictor_guided_search_asks_the_trained_model(service: Any, client: headstart.Client) -> None:
    record_history(client, 150)
    service.run_worker()
    versions: list[str] = []

    def predict(candidates: Any) -> Any:
        answer = client.predict("target", SPACE.search_space_id, candidates)
        versions.append(answer.model_version)
        return answer.predictions

    arms = {"guided": PredictorGuidedEvolution(predict, mutants=48, strangers=16)}
    result = headstart.search(client, "target", SPACE, quality, 20, strategies=arms, worker_id="guided")
    assert versions and all(versions), "no model took part"
    assert result.best_value is not None and result.best_value >= 4.6
