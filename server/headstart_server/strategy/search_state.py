"""Progress of a search: the state that the choice of a strategy depends on besides the task."""

from __future__ import annotations

from dataclasses import dataclass

from headstart_server.knowledge.tasks import StoredTask

# Results after which a search of unknown budget counts as half done.
_HALF_WAY = 100.0


@dataclass(frozen=True)
class SearchState:
    """``observations``: experiments of the task; ``stagnation``: those of them after the best one.

    ``spent`` and ``total`` budget are in evaluations, as the caller counts them; total is 0 if unknown.
    """

    observations: int
    stagnation: int
    spent: float = 0.0
    total: float = 0.0

    @property
    def phase(self) -> float:
        """Share of the budget that is spent, 0 to 1; for an unknown budget, estimated from the number of results."""
        if self.total > 0:
            return min(self.spent / self.total, 1.0)
        return self.observations / (self.observations + _HALF_WAY)


def state_of(task: StoredTask, budget: tuple[float, float]) -> SearchState:
    """The state from the task's summaries; ``budget`` is (spent, total)."""
    summaries = [summary for summary in task.summaries if summary.incumbent is not None]
    stagnation = 0
    if summaries:
        sign = 1 if task.task.maximize else -1
        best = max(summaries, key=lambda each: sign * each.incumbent.objective_value if each.incumbent else 0.0)
        assert best.incumbent is not None
        stagnation = best.experiment_count - best.incumbent.sequence
    observations = sum(summary.experiment_count for summary in task.summaries)
    return SearchState(observations, stagnation, *budget)
