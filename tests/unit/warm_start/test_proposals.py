"""The order of suggestions, and what is said of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from headstart.spaces import Candidate, SearchSpace, canonicalize, mlp_classifier, sample
from headstart_server.prediction.sources.model_averaging import ModelPredictions
from headstart_server.prediction.sources.surrogate import Judged
from headstart_server.warm_start.candidate_generation import Generated
from headstart_server.warm_start.proposals import Proposals, Proposed, new_candidates
from headstart_server.warm_start.ranked_results import SourceEvidence
from headstart_server.warm_start.suggestions import Choice, Origin, Suggestion

SPACE: SearchSpace = mlp_classifier()
GENERATOR = random.Random(0)
SEEN = (SourceEvidence("past", 1, 0.9, 0.98),)


def proposed(recorded: bool) -> Proposed:
    candidate = sample(SPACE, GENERATOR)
    return Proposed(Generated(candidate, "a change of the best here", recorded), canonicalize(SPACE, candidate))


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
    candidates = [proposed(each) for each in recorded]
    evidence = {
        each.canonical.fingerprint: SEEN if known else () for each, known in zip(candidates, recorded, strict=True)
    }
    columns = np.array(scores)[:, None]
    predictions = ModelPredictions(np.vstack([np.zeros(len(scores)), columns[:, 0]]), np.ones((2, len(scores))))
    judged = Judged(np.arange(len(scores))[:, None] * 1.0, columns, predictions, np.array([0.1, 0.9]), 0.0)
    return Proposals(
        candidates, judged, ("past",), lambda names: [evidence[name] for name in names], default, control, tried
    )


def taken(of: Proposals, count: int, excluded: set[str] | None = None) -> list[Suggestion]:
    choice = Choice(excluded or set())
    of.take(choice, count)
    return choice.suggestions


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
    generated = [Generated(each, "") for each in (candidate, Candidate(dict(candidate.values)), known)]
    found = new_candidates(generated, lambda each: canonicalize(SPACE, each), {canonicalize(SPACE, known).fingerprint})
    assert [each.generated.candidate for each in found] == [candidate]
