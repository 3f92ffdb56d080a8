"""Whether past tasks take part in an answer at all.

Before the task has results, every source takes part as far as it is expected to agree. From then on transfer must earn
its place: the processes that sources lead are held against the process of the task alone by what each said of every
result before it was seen. That is the bar, and not a weak one: it is the search as it would be without any transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart_server.knowledge.similarity.tasks import Basis, SimilarTask
from headstart_server.warm_start.suggestions import ENOUGH_RESULTS

# Before this many architectures are measured on the target and known of a source, disagreement proves nothing.
_ENOUGH = 10
# The share of sources below which they are not worth following. Of a task with few results nothing is known but what is
# expected of its sources, and random candidates tell more of the space than those that few sources promise.
_LEAST_SHARE, _LEAST_SHARE_AT_FIRST = 0.1, 0.2


@dataclass(frozen=True)
class Gate:
    """``weights`` of the tasks that take part, by task id; empty where the gate is closed."""

    open: bool
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)


def judge(similar: Sequence[SimilarTask], count: int, share: float) -> Gate:
    """``share``: what the sources are worth by the evidence of the task's ``count`` results, 0 to 1.

    Closed where there is no source, where measurements speak against every one, or where the results were told better
    without them.
    """
    if not similar:
        return Gate(False, "no other task has completed experiments in this search space")
    taking_part = [task for task in similar if task.weight > 0 and not _disagrees(task)]
    if not taking_part:
        contradicted = sum(_disagrees(task) for task in similar)
        reason = f"none of {len(similar)} other tasks agrees with this one"
        return Gate(False, reason + (f"; the results here contradict {contradicted} of them" if contradicted else ""))
    worth = f"by the evidence of {_results(count)} here they are worth {share:.0%}"
    first = taking_part[0]
    if share < (_LEAST_SHARE_AT_FIRST if count < ENOUGH_RESULTS else _LEAST_SHARE):
        if count:
            return Gate(False, f"the results here are told better without the {len(similar)} other tasks; {worth}")
        agree = f"even {first.task_id} is expected to agree with it by a Kendall tau of {first.weight:.2f} only"
        return Gate(False, f"past tasks promise too little for this one: {agree}")
    followed = f"{len(taking_part)} of {len(similar)} other tasks take part, led by {first.task_id}"
    if count:
        return Gate(True, f"{followed}; {worth}", {task.task_id: task.weight for task in taking_part})
    expected = f"which is expected to rank candidates as this one will by a Kendall tau of {first.weight:.2f}"
    return Gate(True, f"{followed}, {expected}", {task.task_id: task.weight for task in taking_part})


def _results(count: int) -> str:
    return "the one result" if count == 1 else f"the {count} results"


def _disagrees(task: SimilarTask) -> bool:
    return any(
        evidence.basis is Basis.MEASURED_AGREEMENT and evidence.count >= _ENOUGH and evidence.value <= 0
        for evidence in task.evidence
    )
