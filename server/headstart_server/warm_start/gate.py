"""Whether the past takes part in an answer at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart_server.knowledge.similarity import Basis, SimilarTask

# Before this many architectures are measured on the target and known of a source, disagreement proves nothing.
_ENOUGH = 10


@dataclass(frozen=True)
class Gate:
    open: bool
    reason: str


def judge(similar: Sequence[SimilarTask]) -> Gate:
    """Closed where there is no source, or where measurements speak against every one of them."""
    if not similar:
        return Gate(False, "no other task has completed experiments in this search space")
    if not any(task.weight > 0 for task in similar):
        return Gate(False, f"none of {len(similar)} other tasks resembles this one")
    if all(_disagrees(task) for task in similar):
        return Gate(False, f"the results measured here contradict all {len(similar)} other tasks")
    used = [task for task in similar if task.weight > 0 and not _disagrees(task)]
    return Gate(True, f"{len(used)} of {len(similar)} other tasks take part, led by {used[0].task_id}")


def _disagrees(task: SimilarTask) -> bool:
    return any(
        evidence.basis is Basis.MEASURED_AGREEMENT and evidence.count >= _ENOUGH and evidence.value <= 0
        for evidence in task.evidence
    )
