"""The gate: whether past tasks take part in an answer, and with which weights.

Before the task has results, every source takes part as far as it is expected to agree. From then on transfer must
earn its place: the source-led components of the surrogate are compared with the component of the task alone, by how
well each predicted every result before it was seen. The component of the task alone is the search without any
transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart_server.knowledge.similarity.tasks import Basis, SimilarTask
from headstart_server.warm_start.suggestions import ENOUGH_RESULTS

# Architectures measured on the target and known of a source from which on their disagreement counts.
_ENOUGH = 10
# The gate closes where the sources' share is smaller. It is larger at first: while a task has few results its sources
# are only expected to agree, and random candidates show more of the space than those that few sources rank high.
_LEAST_SHARE, _LEAST_SHARE_AT_FIRST = 0.1, 0.2


@dataclass(frozen=True)
class Gate:
    """``weights`` of the tasks that take part, by task id; empty where the gate is closed."""

    open: bool
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)


def evaluate_gate(similar: Sequence[SimilarTask], count: int, source_share: float) -> Gate:
    """Open or close the gate by the task's ``count`` results and the ``source_share`` (0 to 1) that they support.

    It closes where there is no source, where measurements contradict every source, or where the results are predicted
    better without sources.
    """
    if not similar:
        return Gate(False, "no other task has completed experiments in this search space")
    taking_part = [task for task in similar if task.weight > 0 and not _disagrees(task)]
    if not taking_part:
        contradicted = sum(_disagrees(task) for task in similar)
        reason = f"none of {len(similar)} other tasks agrees with this one"
        return Gate(False, reason + (f"; the results here contradict {contradicted} of them" if contradicted else ""))
    worth = f"by the evidence of {_results(count)} here they are worth {source_share:.0%}"
    first = taking_part[0]
    if source_share < (_LEAST_SHARE_AT_FIRST if count < ENOUGH_RESULTS else _LEAST_SHARE):
        if count:
            return Gate(False, f"the results here are predicted better without the {len(similar)} other tasks; {worth}")
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
