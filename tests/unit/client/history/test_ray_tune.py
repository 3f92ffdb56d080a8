"""What becomes of Ray Tune trials whose files disagree or are broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.history.model import Note, Run, UsageProblem
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


def reported(trial: Path, *reports: dict[str, object]) -> None:
    (trial / "error.txt").unlink(missing_ok=True)
    lines = ({"training_iteration": place, **report} for place, report in enumerate(reports, start=1))
    (trial / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_last_value_that_was_reported_counts(trial: Path) -> None:
    reported(trial, {"acc": 0.5}, {"acc": 0.7}, {"done": True})
    (run,) = read(trial.parent)
    assert isinstance(run, Run)
    assert (run.objective_value, run.fidelity) == (0.7, 3.0)
    assert run.notes == ("the last report has no 'acc': its value is that of iteration 2",)


def test_a_configuration_that_only_the_reports_have_is_taken_from_them(trial: Path) -> None:
    (trial / "params.json").unlink()
    reported(trial, {"acc": 0.5, "config": {"lr": 0.1, "model": {"layers": 2}}})
    (run,) = read(trial.parent)
    assert isinstance(run, Run)
    assert run.values == {"lr": 0.1, "model/layers": 2}


def test_a_trial_without_configuration_or_folder_is_counted_and_told(trial: Path) -> None:
    bare = trial.parent / "train_2"
    bare.mkdir()
    (bare / "progress.csv").write_text("acc,training_iteration\n0.5,1\n")
    (trial.parent / "logs").mkdir()
    entries = [[json.dumps({"relative_logdir": name, "status": "TERMINATED"}), "{}"] for name in ("train_1", "gone")]
    (trial.parent / "experiment_state-1.json").write_text(json.dumps({"trial_data": entries}))
    history = ray_tune.open_history(Request("ray", str(trial.parent), None, (), "acc", Direction.MAXIMIZE))
    notes = [entry for entry in history.runs() if isinstance(entry, Note)]
    assert history.count == 3
    assert [(note.locator, note.reason) for note in notes] == [
        ("gone", "the folder of the trial is missing"),
        ("train_2", "it has no params.json, and no report that repeats its configuration"),
    ]


def test_trials_that_ended_early_are_told_where_nobody_says_what_a_full_training_is(
    trial: Path, tmp_path: Path
) -> None:
    longer = trial.parent / "train_2"
    longer.mkdir()
    (longer / "params.json").write_text('{"lr": 0.2}')
    reported(trial, {"acc": 0.5})
    reported(longer, {"acc": 0.5}, {"acc": 0.6})
    history = ray_tune.open_history(Request("ray", str(trial.parent), None, (), "acc", Direction.MAXIMIZE))
    assert list(history.remarks()) == []
    # Read twice, as an import does that derives the space: each trial counts once.
    for _ in range(2):
        assert [run.fidelity for run in history.runs() if isinstance(run, Run)] == [1.0, 2.0]
    (remark,) = history.remarks()
    assert remark.startswith("1 of 2 completed trials ended before iteration 2") and "max_fidelity = 2" in remark
    mapping = tmp_path / "mapping.json"
    mapping.write_text('{"task": {"max_fidelity": 2}}')
    said = ray_tune.open_history(Request("ray", str(trial.parent), mapping, (), "acc", Direction.MAXIMIZE))
    assert len(list(said.runs())) == 2 and list(said.remarks()) == []


def test_a_table_of_long_cells_is_read_and_a_broken_one_told(trial: Path) -> None:
    (trial / "result.json").unlink()
    (trial / "error.txt").unlink()
    (trial / "progress.csv").write_text(f"acc,training_iteration,note\n0.5,1,{'x' * 200_000}\n")
    (run,) = read(trial.parent)
    assert isinstance(run, Run) and run.objective_value == 0.5
    (trial / "progress.csv").write_text(f"acc,training_iteration,note\n0.5,1,a\n0.6,2,{'x' * 2**24}x\n")
    (run,) = read(trial.parent)
    assert isinstance(run, Run) and run.objective_value == 0.5
    assert run.notes[0].startswith("progress.csv is read to where it is no CSV any more")


def test_who_names_no_metric_is_told_the_option_and_the_metrics(trial: Path) -> None:
    reported(trial, {"acc": 0.5, "inner": {"f1": 0.1}, "time_total_s": 1.0})
    with pytest.raises(UsageProblem, match=r"--objective METRIC; there are: acc, inner/f1$"):
        ray_tune.open_history(Request("ray", str(trial.parent), direction=Direction.MAXIMIZE))
    with pytest.raises(UsageProblem, match="--direction maximize or minimize"):
        ray_tune.open_history(Request("ray", str(trial.parent), objective="acc"))
