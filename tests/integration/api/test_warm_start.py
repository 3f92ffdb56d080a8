"""A search that asks WarmStart all along, against the real parts."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

import headstart
from headstart import Direction, Objective, SuggestionOrigin, Task
from headstart.spaces import Candidate, canonicalize, mlp_classifier, nas_bench_201, sample
from headstart.values import ExperimentStatus, GateState, Outcome

SPACE = nas_bench_201()
MLP = mlp_classifier()
WORTH = {"none": -1.0, "skip_connect": 0.2, "nor_conv_1x1": 0.5, "nor_conv_3x3": 1.0, "avg_pool_3x3": 0.0}


def quality(candidate: Candidate) -> float:
    """A made-up accuracy in which convolutions help, those near the output most."""
    return sum(WORTH[str(candidate.values[f"op{i}"])] * (1 + 0.1 * i) for i in range(6))


def fit(candidate: Candidate) -> float:
    """A made-up loss with its best at a width of 64 and a learning rate of 0.01."""
    values = candidate.values
    rate, width = float(values["learning_rate"]), float(values["width"])
    return abs(rate - 0.01) * 20 + abs(width - 64) / 64 + float(values["dropout"])


@pytest.fixture
def client(service):
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        client.create_search_space(MLP)
        client.create_task(Task("target", Objective("accuracy")))
        yield client


def record(client, task_id, candidates, value, space=SPACE):
    for candidate in candidates:
        client.record(task_id, space.search_space_id, candidate, headstart.completed(value(candidate)))


def drawn(count, seed, space=SPACE):
    generator = random.Random(seed)
    return [sample(space, generator) for _ in range(count)]


def test_without_any_past_a_batch_to_explore_says_so(client):
    answer = client.warm_start("target", SPACE.search_space_id, 6)
    assert {suggestion.origin for suggestion in answer.suggestions} == {SuggestionOrigin.EXPLORATION}
    assert len({suggestion.fingerprint for suggestion in answer.suggestions}) == 6
    assert answer.gate.state is GateState.CLOSED
    assert "no other task" in answer.gate.reason


def test_from_a_few_results_on_better_candidates_are_grown(client):
    record(client, "target", drawn(12, seed=1), quality)
    best = max(quality(candidate) for candidate in drawn(12, seed=1))
    answer = client.warm_start("target", SPACE.search_space_id, 20, exploration_share=0.0, seed=1)
    assert {suggestion.origin for suggestion in answer.suggestions} == {SuggestionOrigin.GENERATED}
    at_random = sorted(quality(candidate) for candidate in drawn(200, seed=2))
    assert sum(quality(each.candidate) for each in answer.suggestions) / 20 > at_random[150]
    assert max(quality(each.candidate) for each in answer.suggestions) > best


def test_a_failed_start_does_not_keep_a_search_from_going_on(client):
    for candidate in drawn(10, seed=3):
        client.record("target", SPACE.search_space_id, candidate, Outcome(ExperimentStatus.FAILED))
    assert len(client.warm_start("target", SPACE.search_space_id, 5).suggestions) == 5


def test_a_source_of_opposite_direction_teaches_by_its_direction(client):
    client.create_task(Task("loss", Objective("loss", Direction.MINIMIZE)))
    record(client, "loss", drawn(80, seed=4), lambda candidate: -quality(candidate))
    answer = client.warm_start("target", SPACE.search_space_id, 5, exploration_share=0.0)
    assert {suggestion.origin for suggestion in answer.suggestions} == {SuggestionOrigin.TRANSFERRED}
    typical = sorted(quality(candidate) for candidate in drawn(80, seed=4))
    assert all(quality(suggestion.candidate) > typical[50] for suggestion in answer.suggestions)


def test_the_gate_closes_on_a_past_that_misleads_and_opens_for_one_that_helps(client):
    for task_id, worth in (("same", quality), ("noise", lambda candidate: random.Random(str(candidate)).random())):
        client.create_task(Task(task_id, Objective("accuracy")))
        record(client, task_id, drawn(100, seed=5), worth)
    record(client, "target", drawn(40, seed=6), quality)
    answer = client.warm_start("target", SPACE.search_space_id, 3)
    weights = {task.task_id: task.weight for task in answer.similar_tasks}
    assert answer.gate.state is GateState.OPEN
    assert weights["same"] > 0.5
    assert weights["noise"] < 0.2
    client.delete_task("same")
    alone = client.warm_start("target", SPACE.search_space_id, 3)
    assert all(task.weight < 0.2 for task in alone.similar_tasks)


def test_how_much_each_source_counted_is_told_over_time(client):
    for task_id, worth in (("same", quality), ("opposite", lambda candidate: -quality(candidate))):
        client.create_task(Task(task_id, Objective("accuracy"), descriptor={"domain": "image"}))
        record(client, task_id, drawn(100, seed=7), worth)
    record(client, "target", drawn(40, seed=8), quality)
    history = client.explain_task("target", SPACE.search_space_id).history
    counts = [point.completed_count for point in history]
    assert counts[0] == 0
    assert counts == sorted(counts)
    own = [point.own_share for point in history]
    assert own == sorted(own)
    assert history[0].weights["opposite"] > 0.0
    assert history[-1].weights["opposite"] == 0.0
    assert history[-1].weights["same"] > 0.5
    now = {task.task_id: task.weight for task in client.explain_task("target", SPACE.search_space_id).similar_tasks}
    assert history[-1].weights == pytest.approx(now)


def test_hyperparameters_without_a_graph(client):
    space = MLP.search_space_id
    for task_id in ("mlp-old", "mlp-new"):
        client.create_task(Task(task_id, Objective("loss", Direction.MINIMIZE)))
    record(client, "mlp-old", drawn(100, seed=9, space=MLP), fit, MLP)
    losses = []
    while len(losses) < 40:
        for suggestion in client.warm_start("mlp-new", space, 4, seed=len(losses)).suggestions:
            losses.append(fit(suggestion.candidate))
            client.record("mlp-new", space, suggestion.candidate, headstart.completed(losses[-1]))
    by_chance = min(fit(candidate) for candidate in drawn(40, seed=10, space=MLP))
    assert min(losses) < by_chance


def test_an_own_pool_is_ranked_and_its_mistakes_are_told_by_index(client):
    client.create_task(Task("other", Objective("accuracy")))
    record(client, "other", drawn(100, seed=11), quality)
    pool = drawn(60, seed=12)
    known = sorted({canonicalize(SPACE, each).fingerprint: quality(each) for each in pool}.values())
    for results in (0, 20):
        record(client, "target", drawn(results, seed=13), quality)
        answer = client.warm_start("target", SPACE.search_space_id, 5, pool=pool, exploration_share=0.0)
        chosen = [quality(suggestion.candidate) for suggestion in answer.suggestions]
        assert len(chosen) == 5
        assert sum(chosen) / 5 > known[len(known) * 3 // 4]
    with pytest.raises(headstart.InvalidArgument, match=r"pool\[1\]"):
        client.warm_start("target", SPACE.search_space_id, 2, pool=[pool[0], Candidate({"op0": "fish"})])


def test_eight_workers_at_once_try_nothing_twice(client):
    client.create_task(Task("other", Objective("accuracy")))
    record(client, "other", drawn(60, seed=14), quality)

    def work(number: int) -> list[str]:
        tried = []
        with headstart.connect(client.address) as own:
            for _ in range(12):
                [suggestion] = own.warm_start("target", SPACE.search_space_id, 1).suggestions
                outcome = headstart.completed(quality(suggestion.candidate))
                own.record("target", SPACE.search_space_id, suggestion.candidate, outcome)
                tried.append(suggestion.fingerprint)
        return tried

    with ThreadPoolExecutor(8) as threads:
        tried = [name for own in threads.map(work, range(8)) for name in own]
    assert len(tried) == 96
    assert len(set(tried)) == 96


def first_origins(client, tastes) -> list[SuggestionOrigin]:
    """Of the first eight proposals, after as many tasks as tastes."""
    for number, taste in enumerate(tastes):
        client.create_task(Task(f"other-{number}", Objective("accuracy")))
        record(client, f"other-{number}", drawn(60, seed=15 + number), taste)
    return [client.warm_start("target", SPACE.search_space_id, 1).suggestions[0].origin for _ in range(8)]


def test_first_proposals_are_a_portfolio_where_past_tasks_agree(client):
    origins = first_origins(client, [quality, quality, quality])
    assert origins.count(SuggestionOrigin.TRANSFERRED) >= 5
    assert origins == sorted(origins, key=lambda origin: origin is SuggestionOrigin.EXPLORATION)


def test_where_two_past_tasks_contradict_each_other_the_new_one_is_found_by_its_results(client):
    """Whatever is tried first: the best of twenty is among the best tenth."""
    for number, taste in enumerate([quality, lambda candidate: -quality(candidate)]):
        client.create_task(Task(f"other-{number}", Objective("accuracy")))
        record(client, f"other-{number}", drawn(60, seed=15 + number), taste)
    reached = []
    for _ in range(20):
        [suggestion] = client.warm_start("target", SPACE.search_space_id, 1).suggestions
        reached.append(quality(suggestion.candidate))
        record(client, "target", [suggestion.candidate], quality)
    assert max(reached) > sorted(quality(candidate) for candidate in drawn(200, seed=2))[180]
    weights = {
        task.task_id: task.weight for task in client.warm_start("target", SPACE.search_space_id, 1).similar_tasks
    }
    assert weights["other-1"] < weights["other-0"]


def test_results_handed_out_at_random_count_for_little(client):
    client.create_task(Task("noise", Objective("accuracy")))
    record(client, "noise", drawn(100, seed=16), lambda candidate: random.Random(str(candidate)).random())
    record(client, "target", drawn(20, seed=17), quality)
    answer = client.warm_start("target", SPACE.search_space_id, 5)
    assert all(task.weight < 0.2 for task in answer.similar_tasks)
    explained = client.explain_task("target", SPACE.search_space_id)
    assert explained.history[-1].weights["noise"] < 0.2
    assert answer.gate.reason in explained.explanation
    assert re.search("none of 1 other tasks agrees|the 20 results here they are worth", answer.gate.reason)
