"""Whether the past takes part in an answer at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart_server.knowledge.similarity import Basis, SimilarTask

# Before this many architectures are measured on the target and known of a source, disagreement proves nothing.
_ENOUGH = 10


@dataclass(frozen=True)
class Gate:
    """``weights`` of the tasks that take part, by task id; empty where the gate is closed."""

    open: bool
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)


def judge(similar: Sequence[SimilarTask]) -> Gate:
    """Closed where there is no source, or where measurements speak against every one that resembles the target."""
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
    reason = f"{len(taking_part)} of {len(similar)} other tasks take part, led by {taking_part[0].task_id}"
    return Gate(True, reason, {task.task_id: task.weight for task in taking_part})


def _disagrees(task: SimilarTask) -> bool:
    return any(
        evidence.basis is Basis.MEASURED_AGREEMENT and evidence.count >= _ENOUGH and evidence.value <= 0
        for evidence in task.evidence
    )
