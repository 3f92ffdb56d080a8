"""Members of the ensemble, one file each. A new file with a subclass of ``Learner`` is a new member.

``learners()`` returns all of them, in the order in which ensembles and answers list them.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from headstart_server.prediction.learners.members.learner import FittedLearner, Learner, Training

__all__ = ["FittedLearner", "Learner", "Training", "learners", "load"]


def load() -> None:
    """Import every module of this folder, so that its learners are registered."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def learners() -> list[Learner]:
    """All registered learners, by rank and name."""
    return sorted(Learner.registered.values(), key=lambda learner: (learner.rank, learner.name))


load()
