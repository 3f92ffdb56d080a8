"""What becomes of Optuna trials with content that no float holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import optuna

from headstart.history.model import Run
from headstart.history.sources import optuna_storage


def test_a_whole_number_that_no_float_holds_is_left_out() -> None:
    trial = optuna.trial.create_trial(value=1.0, user_attrs={"size": 10**400, "epochs": 3})
    objective: Any = SimpleNamespace(index=0, others={})
    run = optuna_storage._run(trial, "study", objective, several=False)
    assert isinstance(run, Run)
    assert run.metrics == {"epochs": 3.0}
