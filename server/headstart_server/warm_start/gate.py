"""Whether the past takes part in an answer at all.

Before the task has results of its own, whatever resembles it takes part. From then on transfer must earn its place:
what a predictor that knows other tasks says of each result, that one left out, is held against what the same predictor
says without them. That is the bar, and not a weak one: it is the search as it would be without any transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart_server.knowledge.similarity import Basis, SimilarTask

# Before this many architectures are measured on the target and known of a source, disagreement proves nothing.
_ENOUGH = 10


@dataclass(frozen=True)
class Validated:
    """Kendall's tau of the task's ``count`` results with left-out predictions, without and with other tasks."""

    count: int
    alone: float
    informed: float


@dataclass(frozen=True)
class Gate:
    """``weights`` of the tasks that take part, by task id; empty where the gate is closed."""

    open: bool
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)


def judge(similar: Sequence[SimilarTask], validated: Validated | None = None) -> Gate:
    """Closed where there is no source, where measurements speak against every one that resembles the target, or where
    the task's results are predicted better without them."""
    if not similar:
        return Gate(False, "no other task has completed experiments in this search space")
    taking_part = [task for task in similar if task.weight > 0 and not _disagrees(task)]
    if not taking_part:
        contradicted = sum(_disagrees(task) for task in similar)
        return Gate(
            False,
            f"none of {len(similar)} other tasks resembles this one"
            + (f"; the results measured here contradict {contradicted} of them" if contradicted else ""),
        )
    told = f"{len(taking_part)} of {len(similar)} other tasks take part, led by {taking_part[0].task_id}"
    if validated is not None:
        compared = (
            f"left out, the {validated.count} results here are ranked with a Kendall tau of {validated.informed:.2f} "
            f"with other tasks and {validated.alone:.2f} without"
        )
        if validated.informed < validated.alone:
            return Gate(False, compared)
        told = f"{told}; {compared}"
    return Gate(True, told, {task.task_id: task.weight for task in taking_part})


def _disagrees(task: SimilarTask) -> bool:
    return any(
        evidence.basis is Basis.MEASURED_AGREEMENT and evidence.count >= _ENOUGH and evidence.value <= 0
        for evidence in task.evidence
    )
