"""Which recorded learning curves tell how a task's trainings go on."""

from __future__ import annotations

from dataclasses import dataclass

from headstart_server.knowledge.curves import RecordedCurve
from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.prediction.curve_forecasts import CurveTask
from headstart_server.prediction.evidence import incumbent, same_objective

# Curves of its own from which on a task needs none of other tasks; of how many tasks those come, from each the newest.
_ENOUGH = 20
_MOST_SOURCES = 16
_MOST_OF_SOURCE = 64


@dataclass(frozen=True)
class CurveHistory:
    """Curves, those of the task itself last, and what they rest on in words."""

    task: CurveTask
    curves: list[RecordedCurve]
    basis: str


def curve_history(knowledge: KnowledgeService, namespace: str, observations: Observations) -> CurveHistory:
    """Of a task, and while it has few, of those that measure the same over the same fidelities."""
    task = observations.task
    curves = list(knowledge.curves(namespace, observations))
    others = 0
    if len(curves) < _ENOUGH:
        for other in _tasks_alike(knowledge, namespace, observations):
            found = knowledge.curves(namespace, other)[-_MOST_OF_SOURCE:]
            others += bool(found)
            curves = [*found, *curves]
    elsewhere = f", those of {others} other task{'' if others == 1 else 's'} among them" if others else ""
    rest_on = f"{len(curves)} recorded learning curves{elsewhere}" if curves else "no recorded learning curve"
    return CurveHistory(
        CurveTask(
            (namespace, task.task_id, observations.search_space_id),
            task.maximize,
            task.max_fidelity,
            incumbent(observations),
        ),
        curves,
        f"learning curves carried on by {rest_on}",
    )


def _tasks_alike(knowledge: KnowledgeService, namespace: str, target: Observations) -> list[Observations]:
    """Those with most results first."""
    alike = [
        other
        for other in knowledge.tasks_observed(namespace, target.search_space_id)
        if other.task.task_id != target.task.task_id
        and same_objective(other.task, target.task)
        and (other.task.fidelity_unit, other.task.max_fidelity) == (target.task.fidelity_unit, target.task.max_fidelity)
    ]
    return sorted(alike, key=lambda other: -other.count)[:_MOST_SOURCES]
