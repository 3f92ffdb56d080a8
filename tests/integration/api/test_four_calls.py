"""The four questions, asked of a running service with a history: what it answers, and what it does without parts."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import headstart
from headstart import SuggestionOrigin
from headstart.spaces import Candidate, canonicalize, nas_bench_201, sample

SPACE = nas_bench_201()
WORTH = {"none": -1.0, "skip_connect": 0.2, "nor_conv_1x1": 0.5, "nor_conv_3x3": 1.0, "avg_pool_3x3": 0.0}


def quality(candidate: Candidate) -> float:
    """A made-up accuracy in which convolutions help, those near the output most."""
    return sum(WORTH[str(candidate.values[f"op{i}"])] * (1 + 0.1 * i) for i in range(6))


def history(task_id: str, count: int, seed: int, sign: float = 1.0) -> list[headstart.Record]:
    generator = random.Random(seed)
    drawn = [sample(SPACE, generator) for _ in range(count)]
    return [
        headstart.Record(task_id, SPACE.search_space_id, candidate, headstart.completed(sign * quality(candidate)))
        for candidate in drawn
    ]


@pytest.fixture
def with_history(service):
    """A service that knows a task like the target and one that is its opposite."""
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        for task_id, words in (("friend", "image"), ("foe", "text"), ("target", "image")):
            client.create_task(headstart.Task(task_id, headstart.Objective("accuracy"), descriptor={"domain": words}))
        client.record_many(iter(history("friend", 150, seed=1)))
        client.record_many(iter(history("foe", 150, seed=2, sign=-1.0)))
        yield client


def test_search_through_all_four_calls(with_history, service):
    client = with_history
    first = client.warm_start("target", SPACE.search_space_id, 10, exploration_share=0.2, seed=1)
    origins = [suggestion.origin for suggestion in first.suggestions]
    assert origins.count(SuggestionOrigin.TRANSFERRED) == 8
    assert origins.count(SuggestionOrigin.EXPLORATION) == 2
    assert [task.task_id for task in first.similar_tasks] == ["friend", "foe"]
    best = first.suggestions[0]
    seen = client.get_experiment(best.sources[0].experiment_id)
    assert canonicalize(SPACE, seen.candidate).fingerprint == best.fingerprint
    assert seen.outcome.objective_value == best.sources[0].objective_value

    service.run_worker()
    predictor = client.get_predictor(SPACE.search_space_id)
    assert predictor.training_size > 0
    assert all(figures.held_out_count > 0 for figures in predictor.validation)

    for candidate in [suggestion.candidate for suggestion in first.suggestions]:
        client.record("target", SPACE.search_space_id, candidate, headstart.completed(quality(candidate)))
    generator = random.Random(7)
    strangers = [sample(SPACE, generator) for _ in range(200)]
    answer = client.predict("target", SPACE.search_space_id, strangers)
    assert answer.model_version == predictor.model_version
    assert not answer.degraded
    order = sorted(range(200), key=lambda i: -answer.predictions[i].estimate.mean)
    top, bottom = order[:50], order[-50:]
    assert sum(quality(strangers[i]) for i in top) > sum(quality(strangers[i]) for i in bottom)
    assert all(p.estimate.interval.lower <= p.estimate.mean <= p.estimate.interval.upper for p in answer.predictions)
    assert abs(sum(member.weight for member in answer.predictions[0].members) - 1) < 1e-6

    [decision] = client.select_strategy("target", [headstart.Arm("random"), headstart.Arm("evolution")])
    recorded = client.record(
        "target", SPACE.search_space_id, strangers[0], headstart.completed(9.0), decision_id=decision.decision_id
    )
    assert recorded.incumbent.objective_value == 9.0


def test_measured_disagreement_turns_away_from_the_foe(with_history):
    client = with_history
    client.record_many(iter(history("target", 60, seed=3)))
    answer = client.warm_start("target", SPACE.search_space_id, 20, exploration_share=0.0)
    weights = {task.task_id: task.weight for task in answer.similar_tasks}
    assert weights["friend"] > 0.5
    assert weights["foe"] == 0.0
    assert not any(source.task_id == "foe" for suggestion in answer.suggestions for source in suggestion.sources)
    known = sorted(record.outcome.objective_value for record in history("friend", 150, seed=1))
    assert sum(quality(suggestion.candidate) for suggestion in answer.suggestions) / 20 > known[135]


def test_nothing_evaluated_or_just_suggested_is_suggested_again(with_history):
    client = with_history
    client.record_many(iter(history("target", 40, seed=4)))
    evaluated = {e.fingerprint for e in client.list_experiments("target", SPACE.search_space_id)}

    def ask(_: int) -> list[str]:
        answer = client.warm_start("target", SPACE.search_space_id, 5)
        return [suggestion.fingerprint for suggestion in answer.suggestions]

    with ThreadPoolExecutor(8) as threads:
        batches = list(threads.map(ask, range(16)))
    suggested = [fingerprint for batch in batches for fingerprint in batch]
    assert len(suggested) == 80
    assert len(set(suggested)) == 80
    assert not evaluated & set(suggested)


def test_own_pool_is_all_that_is_suggested_from(with_history):
    client = with_history
    generator = random.Random(5)
    pool = [sample(SPACE, generator) for _ in range(6)]
    names = {canonicalize(SPACE, candidate).fingerprint for candidate in pool}
    answer = client.warm_start("target", SPACE.search_space_id, 50, pool=pool)
    assert {suggestion.fingerprint for suggestion in answer.suggestions} == names


def test_without_a_model_the_nearest_recorded_architectures_answer_and_say_so(with_history):
    client = with_history
    client.record_many(iter(history("target", 30, seed=6)))
    answer = client.predict("target", SPACE.search_space_id, [sample(SPACE, random.Random(8))])
    assert answer.model_version == ""
    assert "nearest" in answer.basis
    assert [member.member for member in answer.predictions[0].members] == ["gaussian_process", "k_nearest"]


def test_nearest_architectures_come_from_the_index_and_without_it_from_the_records(with_history, service):
    client = with_history
    some = history("friend", 3, seed=1)[0].candidate
    before = client.search_architectures(SPACE.search_space_id, some, count=5)
    assert before.degraded
    assert before.embedding_version == "structural-1"
    assert before.matches[0].fingerprint == canonicalize(SPACE, some).fingerprint
    service.run_worker()
    after = client.search_architectures(SPACE.search_space_id, some, count=5)
    assert not after.degraded
    assert after.matches[0].distance == pytest.approx(0.0, abs=1e-3)
    assert after.matches[0].fingerprint == canonicalize(SPACE, some).fingerprint
    # The worker has trained a model meanwhile.
    assert after.embedding_version == client.get_predictor(SPACE.search_space_id).model_version
    assert [m.distance for m in after.matches] == sorted(m.distance for m in after.matches)
    assert after.matches[0].results[0].task_id == "friend"


def test_a_match_tells_the_best_result_on_each_task(with_history):
    client = with_history
    client.create_task(headstart.Task("loss", headstart.Objective("loss", headstart.Direction.MINIMIZE)))
    candidate = Candidate({f"op{i}": "nor_conv_1x1" for i in range(6)})
    for task_id in ("target", "loss"):
        for value in (0.3, 0.1, 0.9, 0.9):
            client.record(task_id, SPACE.search_space_id, candidate, headstart.completed(value))
    match = client.search_architectures(SPACE.search_space_id, candidate, count=1).matches[0]
    told = [(result.experiment_id, result.objective_value) for result in match.results if result.task_id != "friend"]
    assert told == [("loss/nas-bench-201/2", 0.1), ("target/nas-bench-201/3", 0.9)]


def test_pages_with_long_curves_stay_below_the_limit_of_a_message(with_history):
    client = with_history
    curve = tuple(headstart.CurvePoint(step, 1 / step) for step in range(1, 10_001))
    outcome = headstart.completed(0.5, learning_curve=curve)
    for candidate in (record.candidate for record in history("target", 60, seed=9)):
        client.record("target", SPACE.search_space_id, candidate, outcome)
    kept = list(client.list_experiments("target", SPACE.search_space_id, page_size=1000))
    assert [experiment.sequence for experiment in kept] == list(range(1, 61))
    assert kept[-1].outcome.learning_curve == curve


def test_pages_of_experiments_are_complete_and_in_order(with_history):
    client = with_history
    kept = list(client.list_experiments("friend", SPACE.search_space_id, page_size=7))
    assert [experiment.sequence for experiment in kept] == list(range(1, 151))
    later = list(client.list_experiments("friend", SPACE.search_space_id, after_sequence=148))
    assert [experiment.sequence for experiment in later] == [149, 150]
