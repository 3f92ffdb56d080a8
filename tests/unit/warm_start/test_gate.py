"""Gate: when past tasks take part, and the reason where they do not."""

from __future__ import annotations

from headstart_server.knowledge.similarity.tasks import Basis, SimilarityEvidence, SimilarTask
from headstart_server.warm_start.gate import evaluate_gate
from headstart_server.warm_start.sources import with_surrogate_weights


def similar(task_id: str, weight: float, *evidence: SimilarityEvidence) -> SimilarTask:
    return SimilarTask(task_id, weight, evidence)


AGREEING = similar("friend", 0.6)
CONTRADICTED = similar("foe", 0.2, SimilarityEvidence(Basis.MEASURED_AGREEMENT, -0.05, 12))


def test_without_other_tasks_it_is_closed() -> None:
    assert evaluate_gate([], 0, 0.0).reason == "no other task has completed experiments in this search space"


def test_before_results_it_is_open_for_what_is_expected_to_agree() -> None:
    gate = evaluate_gate([AGREEING], 0, 0.6)
    assert gate.open
    assert gate.weights == {"friend": 0.6}
    assert "Kendall tau of 0.60" in gate.reason
    closed = evaluate_gate([similar("stranger", 0.05)], 0, 0.05)
    assert not closed.open
    assert closed.weights == {}
    assert "Kendall tau of 0.05 only" in closed.reason


def test_with_results_transfer_earns_its_place_by_their_evidence() -> None:
    assert evaluate_gate([AGREEING], 20, 0.6).open
    # Of a few results a share must be larger: random candidates tell more of the space.
    assert evaluate_gate([AGREEING], 20, 0.15).open
    assert not evaluate_gate([AGREEING], 3, 0.15).open
    closed = evaluate_gate([AGREEING], 20, 0.04)
    assert closed.weights == {}
    assert "by the evidence of the 20 results here they are worth 4%" in closed.reason


def test_a_source_that_measurements_contradict_takes_no_part() -> None:
    assert evaluate_gate([AGREEING, CONTRADICTED], 12, 0.6).weights == {"friend": 0.6}
    alone = evaluate_gate([CONTRADICTED], 12, 0.6)
    assert not alone.open
    assert "contradict 1 of them" in alone.reason


def test_weights_are_those_of_the_surrogate() -> None:
    weighed = with_surrogate_weights([similar("liked", 0.9), similar("useful", 0.1)], {"useful": 0.4})
    assert [(each.task_id, each.weight) for each in weighed] == [("useful", 0.4), ("liked", 0.0)]
