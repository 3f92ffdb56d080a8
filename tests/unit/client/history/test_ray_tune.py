"""What becomes of Ray Tune trials whose files disagree or are broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.history.model import Note, Run
from headstart.history.sources import Request, ray_tune
from headstart.values import Direction, ExperimentStatus


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A trial that failed, was tried again and came to its end."""
    folder = tmp_path / "results" / "train_1"
    folder.mkdir(parents=True)
    (folder / "params.json").write_text('{"lr": 0.1}')
    (folder / "result.json").write_text('{"acc": 0.9, "training_iteration": 1}\n')
    (folder / "error.txt").write_text("the first attempt died")
    return folder


def read(folder: Path) -> list[Run | Note]:
    return list(ray_tune.open_history(Request("ray", str(folder), None, (), "acc", Direction.MAXIMIZE)).runs())


def test_how_a_trial_ended_is_what_the_state_says_not_an_old_error(trial: Path) -> None:
    told = json.dumps({"relative_logdir": trial.name, "status": "TERMINATED"})
    (trial.parent / "experiment_state-1.json").write_text(json.dumps({"trial_data": [[told, "{}"]]}))
    (run,) = read(trial.parent)
    assert isinstance(run, Run)
    assert run.status is ExperimentStatus.COMPLETED


def test_without_a_state_the_error_says_that_a_trial_failed(trial: Path) -> None:
    (run,) = read(trial.parent)
    assert isinstance(run, Run)
    assert run.status is ExperimentStatus.FAILED


def test_a_report_that_nobody_can_parse_or_hold_is_told(trial: Path) -> None:
    deep = "[" * 100_000
    (trial / "result.json").write_text(f'{deep}\n{{"acc": 0.9, "training_iteration": 1, "size": 1{"0" * 400}}}\n')
    (run,) = read(trial.parent)
    assert isinstance(run, Run)
    assert run.notes == ("result.json:1 is not a JSON object: left out",)
    assert (run.objective_value, run.metrics) == (0.9, {"size": float("inf")})
