"""The order of suggestions and their reasons."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from headstart.spaces import Candidate, SearchSpace, canonicalize, mlp_classifier, sample
from headstart_server.knowledge.observations.interning import Fingerprints
from headstart_server.prediction.sources.model_averaging import ModelPredictions
from headstart_server.prediction.sources.surrogate import ScoredCandidates
from headstart_server.warm_start.candidate_generation import GeneratedCandidate
from headstart_server.warm_start.proposals import Proposal, Proposals, new_candidates
from headstart_server.warm_start.ranked_results import RankedResults, Ranking, SourceEvidence
from headstart_server.warm_start.suggestions import Origin, Selection, Suggestion

SPACE: SearchSpace = mlp_classifier()
GENERATOR = random.Random(0)
SEEN = (SourceEvidence("past", 1, 0.9, 0.98),)


def proposal(recorded: bool) -> Proposal:
    candidate = sample(SPACE, GENERATOR)
    generated = GeneratedCandidate(candidate, "a change of the best here", recorded)
    return Proposal(generated, canonicalize(SPACE, candidate))


def suggestion(origin: Origin) -> Suggestion:
    candidate = sample(SPACE, GENERATOR)
    return Suggestion(candidate, canonicalize(SPACE, candidate), origin, "")


def proposals(
    scores: Sequence[float],
    recorded: Sequence[bool],
    default: Suggestion | None = None,
    control: Suggestion | None = None,
    tried: int = 0,
) -> Proposals:
    """Candidates that one source gives these scores, which it has by far the most weight for."""
    candidates = [proposal(each) for each in recorded]
    tried_before = [each.canonical.fingerprint for each in candidates if each.generated.recorded]
    columns = np.array(scores)[:, None]
    predictions = ModelPredictions(np.vstack([np.zeros(len(scores)), columns[:, 0]]), np.ones((2, len(scores))))
    scored = ScoredCandidates(np.arange(len(scores))[:, None] * 1.0, columns, predictions, np.array([0.1, 0.9]), 0.0)
    return Proposals(candidates, scored, ("past",), ranking_of(tried_before), default, control, tried)


def ranking_of(fingerprints: Sequence[str]) -> Ranking:
    """One source that has the evidence ``SEEN`` for each of them."""
    names, [seen] = Fingerprints(), SEEN
    column = np.ones(len(fingerprints))
    results = RankedResults(
        seen.task_id,
        names,
        names.codes(fingerprints),
        column,
        column * seen.quantile,
        column * seen.objective_value,
        np.full(len(fingerprints), seen.sequence),
    )
    return Ranking([(results, 1.0)])


def taken(of: Proposals, count: int, excluded: set[str] | None = None) -> list[Suggestion]:
    selection = Selection(excluded or set())
    of.take(selection, count)
    return selection.suggestions


def test_the_very_first_proposal_was_measured_then_the_best_comes() -> None:
    first, second = taken(proposals([2.0, 1.5, 0.1], [False, True, True]), 2)
    assert (first.origin, first.evidence) == (Origin.TRANSFERRED, SEEN)
    assert second.evidence == ()
    # Once anything has been tried the best comes first.
    assert taken(proposals([2.0, 1.5, 0.1], [False, True, True]), 1, {"tried"})[0].evidence == ()


def test_the_default_comes_second_and_first_where_there_is_no_past() -> None:
    default = suggestion(Origin.DEFAULT)
    origins = [each.origin for each in taken(proposals([2.0, 1.5], [True, True], default), 3)]
    assert origins == [Origin.TRANSFERRED, Origin.DEFAULT, Origin.TRANSFERRED]
    assert [each.origin for each in taken(proposals([], [], default), 3)] == [Origin.DEFAULT]
    # While others try it, it does not come again.
    again = taken(proposals([2.0, 1.5], [True, True], default), 3, {default.canonical.fingerprint})
    assert [each.origin for each in again] == [Origin.TRANSFERRED] * 2


def test_a_control_comes_third_and_only_then() -> None:
    control = suggestion(Origin.EXPLORATION)
    origins = [each.origin for each in taken(proposals([2.0, 1.5, 1.4], [True] * 3, None, control), 4)]
    assert origins == [Origin.TRANSFERRED, Origin.TRANSFERRED, Origin.EXPLORATION, Origin.TRANSFERRED]
    later = taken(proposals([2.0, 1.5], [True] * 2, None, control), 2, {"a", "b", "c"})
    assert Origin.EXPLORATION not in {each.origin for each in later}


def test_a_new_candidate_is_transferred_where_sources_hold_it_for_good() -> None:
    good, poor = taken(proposals([1.5, 0.1], [False, False], tried=9), 2, {"tried"})
    assert (good.origin, poor.origin) == (Origin.TRANSFERRED, Origin.GENERATED)
    assert "good by the results of past" in good.reason
    assert "to beat the best here" in good.reason
    assert "to beat the best here" in poor.reason


def test_equivalent_candidates_come_once_and_known_ones_not_at_all() -> None:
    candidate = sample(SPACE, GENERATOR)
    known = sample(SPACE, GENERATOR)
    generated = [GeneratedCandidate(each, "") for each in (candidate, Candidate(dict(candidate.values)), known)]
    canonicals = [canonicalize(SPACE, each.candidate) for each in generated]
    proposals = new_candidates(generated, canonicals, {canonicals[2].fingerprint})
    assert [each.generated.candidate for each in proposals] == [candidate]
