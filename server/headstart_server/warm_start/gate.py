"""Whether the past takes part in an answer at all.

Before the task has results of its own, whatever resembles it and shows a pattern takes part. From then on transfer must
earn its place: what a process that other tasks lead said of each result before it was seen is held against what the
same process said without them. That is the bar, and not a weak one: it is the search as it would be without any
transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart_server.knowledge.similarity import Basis, SimilarTask

# Before this many architectures are measured on the target and known of a source, disagreement proves nothing.
_ENOUGH = 10


# The share of others below which they are not worth following.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Validated:
    """What other tasks are worth by the evidence of the task's ``count`` results, 0 to 1."""

    count: int
    share: float


@dataclass(frozen=True)
class Gate:
    """``weights`` of the tasks that take part, by task id; empty where the gate is closed."""

    open: bool
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)


def judge(similar: Sequence[SimilarTask], validated: Validated | None = None, patternless: int = 0) -> Gate:
    """Closed where there is no source, where measurements speak against every one that resembles the target, or where
    the task's results were told better without them. ``patternless``: how many sources show no pattern of their own."""
    if not similar:
        return Gate(False, "no other task has completed experiments in this search space")
    taking_part = [task for task in similar if task.weight > 0 and not _disagrees(task)]
    if not taking_part:
        contradicted = sum(_disagrees(task) for task in similar)
        return Gate(
            False,
            f"none of {len(similar)} other tasks resembles this one"
            + (f"; the results measured here contradict {contradicted} of them" if contradicted else "")
            + (f"; the results of {patternless} of them show no pattern" if patternless else ""),
        )
    told = f"{len(taking_part)} of {len(similar)} other tasks take part, led by {taking_part[0].task_id}"
    if validated is not None:
        compared = f"by the evidence of the {validated.count} results here they are worth {validated.share:.0%}"
        if validated.share < _LEAST_SHARE:
            return Gate(False, compared)
        told = f"{told}; {compared}"
    return Gate(True, told, {task.task_id: task.weight for task in taking_part})


def _disagrees(task: SimilarTask) -> bool:
    return any(
        evidence.basis is Basis.MEASURED_AGREEMENT and evidence.count >= _ENOUGH and evidence.value <= 0
        for evidence in task.evidence
    )
