"""How much the past tasks agree with one another, which is the best guess of how much a new one will agree with them.

Where they do, the first proposals are what they found good; where they do not, a search that begins with their best
begins in places that are good elsewhere, close together, and takes long to leave them. So of the first eight proposals
the share of the portfolio is the agreement of the tasks on what each found better than its median; the rest are drawn
at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart_server.knowledge.rank_agreement import kendall_taus
from headstart_server.prediction.service import SourceScores
from headstart_server.warm_start.transfer_ranking import Standings

# Of each task so many results are looked at, evenly by rank.
_RESULTS = 48
# Fewer say nothing of agreement.
_LEAST = 8
# Tasks that agree on everything seldom show more of it: their results are few, and the better halves are compared.
_FULL = 0.5
# What is taken for the agreement where there is only one past task.
_UNKNOWN = 0.25


def taste_samples(standings: Mapping[str, Standings], task_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By task id, fingerprints of some of its results, from the best to the worst."""
    found = {}
    for task_id in task_ids:
        codes = standings[task_id].codes
        places = np.unique(np.linspace(0, len(codes) - 1, min(_RESULTS, len(codes))).astype(int))
        found[task_id] = tuple(standings[task_id].names.names(codes[places].tolist()))
    return found


def common_taste(
    told: SourceScores | None, samples: Mapping[str, Sequence[str]], standings: Mapping[str, Standings]
) -> float:
    """Mean agreement (Kendall's tau, 0 to 1) between what each task measured of its sample and what others say of it.

    ``told`` is of all samples, one after the other.
    """
    if told is None or len(samples) < 2:
        return _UNKNOWN
    found = []
    start = 0
    for task_id, sample in samples.items():
        scores = told.scores[start : start + len(sample)]
        start += len(sample)
        measured = standings[task_id].normal_scores_of(sample)
        heard = (np.isfinite(scores) & np.isfinite(measured)[:, None]).sum(axis=0)
        others = (np.array(told.task_ids) != task_id) & (heard >= _LEAST)
        found.append(kendall_taus(measured, scores)[others])
    taus = np.concatenate(found)
    return max(0.0, float(taus.mean())) if len(taus) else _UNKNOWN


def portfolio_size(agreement: float, first: int) -> int:
    """How many of the ``first`` proposals are what other tasks found good."""
    return round(first * min(agreement / _FULL, 1.0))
