"""Whether to go on with a training: it is stopped when its chance to beat the task's best is too small to pay for.

The chance comes from the posterior over its final value (compare Domhan et al., IJCAI 2015, and Klein et al., ICLR
2017), not from its rank so far, so a slow starter that others like it recovered from goes on.
"""

from __future__ import annotations

# Below this chance a training is not worth its rest.
LEAST_CHANCE = 0.03


def advice(chance: float | None, divergence: float, finished: int) -> tuple[bool, str]:
    """Whether to stop, and why. ``chance`` is None while the task has no finished training to beat."""
    if not finished:
        return False, "too few finished trainings are known to tell how it goes on"
    diverges = f"; {divergence:.0%} chance that it fails" if divergence >= 0.005 else ""
    if chance is None:
        return False, f"nothing to beat yet{diverges} (from {finished} finished trainings)"
    told = f"{chance:.1%} chance to beat the task's best{diverges} (from {finished} finished trainings)"
    return chance < LEAST_CHANCE, told
