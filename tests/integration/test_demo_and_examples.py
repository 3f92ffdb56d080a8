"""The commands that a newcomer runs end as promised, against a whole service: databases, server and worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import headstart
from benchmarks.history import load_history
from benchmarks.service import ServiceProblem, own_service, running_service
from benchmarks.tables import nas_bench_graph_table

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with own_service(print) as address:
        yield address


def run(*command: str, seconds: float = 150.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.mark.timeout(180)
def test_demo_ends_with_the_table_and_the_picture(address: str, tmp_path: Path) -> None:
    picture = tmp_path / "demo.png"
    done = run("-m", "benchmarks.demo", "--quick", "--address", address, "--output", str(picture))
    assert done.returncode == 0, done.stderr
    assert "with the service" in done.stdout and "cold, alone" in done.stdout
    assert "evaluations to the goal" in done.stdout
    assert "warm start" in done.stdout
    assert picture.read_bytes().startswith(PNG)
    with headstart.connect(address) as client:
        assert not [task.task_id for task in client.list_tasks() if "-demo-" in task.task_id]


@pytest.mark.timeout(180)
def test_history_loaded_again_is_recorded_once(address: str) -> None:
    table = nas_bench_graph_table("computers")
    with headstart.connect(address) as client:
        first = load_history(client, [table], seed=5, evaluations=70)
        second = load_history(client, [table], seed=5, evaluations=70)
        experiments = list(client.list_experiments(table.name, table.space.search_space_id))
    assert (first.recorded_count, second.recorded_count, second.already_known_count) == (70, 0, 70)
    assert len(experiments) == 70


@pytest.mark.timeout(180)
def test_demo_refuses_a_service_that_knows_the_target(address: str, tmp_path: Path) -> None:
    with headstart.connect(address) as client:
        load_history(client, [nas_bench_graph_table("physics")], seed=5, evaluations=50)
    done = run("-m", "benchmarks.demo", "--quick", "--address", address, "--target", "physics")
    assert done.returncode == 2
    assert "already has results of nas-bench-graph-physics" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(180)
def test_prediction_benchmark_prints_and_writes_its_figures(address: str, tmp_path: Path) -> None:
    results, image = tmp_path / "prediction.json", tmp_path / "prediction.png"
    done = run(
        *("-m", "benchmarks.prediction", "--quick", "--address", address),
        *("--results", str(results), "--image", str(image)),
    )
    assert done.returncode == 0, done.stderr
    assert "Kendall tau" in done.stdout
    assert "--data" in done.stdout
    figures = json.loads(results.read_text())
    (measured,) = figures["parts"]["labels"]
    assert measured["labels"] == 120
    assert measured["rankings"]["headstart"]["tau"]["mean"] > 0.6
    assert (
        measured["rankings"]["headstart"]["tau"]["mean"] > measured["rankings"]["extra trees, one-hot"]["tau"]["mean"]
    )
    assert 0.7 < measured["figures"]["coverage"]["mean"] <= 1.0
    assert measured["calibration"]["0.5"] < measured["calibration"]["0.95"]
    assert figures["machine"]["cores"] >= 1 and figures["commit"]
    assert image.read_bytes().startswith(PNG)
    assert image.with_name("prediction_calibration.png").read_bytes().startswith(PNG)


@pytest.mark.timeout(180)
def test_speed_benchmark_prints_and_writes_its_figures(tmp_path: Path) -> None:
    results, image = tmp_path / "speed.json", tmp_path / "speed.png"
    done = run("-m", "benchmarks.prediction.speed", "--quick", "--results", str(results), "--image", str(image))
    assert done.returncode == 0, done.stderr
    figures = json.loads(results.read_text())["figures"]
    assert figures["candidates_per_second_new"] > 100
    assert figures["call_over_forward"] > 1
    assert image.read_bytes().startswith(PNG)


@pytest.mark.timeout(180)
def test_example_trains_real_networks_and_records_their_curves(address: str) -> None:
    done = run("examples/digits/run.py", "--quick", "--address", address)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("wine", "breast-cancer", "digits"))
    with headstart.connect(address) as client:
        tasks = [task for task in client.list_tasks() if task.task_id.startswith("sklearn-")]
        experiments = [e for task in tasks for e in client.list_experiments(task.task_id, "small-networks")]
    assert len(tasks) == 3 and len(experiments) >= 18
    completed = [e.outcome for e in experiments if e.outcome.status is headstart.ExperimentStatus.COMPLETED]
    assert completed
    for outcome in completed:
        assert [point.fidelity for point in outcome.learning_curve] == [1.0, 2.0, 3.0, 4.0]
        assert outcome.learning_curve[-1].value == outcome.objective_value
        assert outcome.proxies["parameters"] > 0 and (outcome.cost_seconds or 0) > 0


@pytest.mark.timeout(180)
def test_quickstart_runs_and_runs_again_on_its_own_results(address: str) -> None:
    for total in (4, 8):
        done = run("examples/quickstart.py", "--address", address, "--evaluations", "4")
        assert done.returncode == 0, done.stderr
        assert f"Best of all {total}:" in done.stdout


@pytest.mark.parametrize("command", [("-m", "benchmarks.demo", "--quick"), ("-m", "benchmarks.prediction", "--quick")])
def test_address_without_a_service_is_one_clear_line(command: tuple[str, ...]) -> None:
    done = run(*command, "--address", "127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "no Headstart service answers on 127.0.0.1:9: start one there with `make run`"
    ]


def test_running_service_is_used_as_it_is(address: str) -> None:
    with running_service(address, print) as used:
        assert used == address
    with headstart.connect(address) as client:
        list(client.list_tasks())


def test_service_that_ends_while_starting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_TORCH_THREADS", "none")
    with pytest.raises(ServiceProblem, match="HEADSTART_TORCH_THREADS") as problem, own_service(print):
        pass
    log = Path(str(problem.value).rpartition("all of it in ")[2].rstrip(")"))
    assert "HEADSTART_TORCH_THREADS" in log.read_text()
    shutil.rmtree(log.parent)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_command_leaves_nothing_running(tmp_path: Path, end: signal.Signals) -> None:
    place = tmp_path / "says"
    with place.open("w") as output:
        demo = subprocess.Popen(
            [sys.executable, "-c", _OWN_SERVICE], cwd=REPOSITORY, stdout=output, stderr=output, start_new_session=True
        )
    until = time.monotonic() + 60
    while "address " not in place.read_text():
        assert time.monotonic() < until and demo.poll() is None, place.read_text()
        time.sleep(0.1)
    address = place.read_text().split("address ")[1].split()[0]
    demo.send_signal(end)
    demo.wait(60)
    with pytest.raises(ServiceProblem, match="no Headstart service answers"), running_service(address, print):
        pass


# A command started by a shell in the background, or by what such a command starts, ignores Ctrl-C unless told.
_OWN_SERVICE = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)
from benchmarks.service import own_service
with own_service(lambda text: None) as address:
    print("address", address, flush=True)
    time.sleep(60)
"""


@pytest.mark.timeout(300)
def test_example_survives_the_death_of_a_worker_and_can_be_continued(address: str) -> None:
    command = [sys.executable, "examples/digits/run.py", "--quick", "--address", address, "--run", "killed"]
    environment = {**os.environ, "COLUMNS": "160"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True, env=environment) as running:
        worker = wait_for_child(running.pid, "spawn_main")
        worker.kill()
        told, errors = running.communicate(timeout=200)
    assert running.returncode == 0, errors
    assert "died and is started again" in errors
    assert all(name in told for name in ("wine", "breast-cancer", "digits"))
    again = run(*command[1:])
    assert again.returncode == 0, again.stderr
    with headstart.connect(address) as client:
        tasks = [task for task in client.list_tasks() if task.task_id.endswith("killed")]
        counts = [summary.experiment_count for task in tasks for summary in task.summaries]
    assert len(counts) == 3 and all(count in (6, 7) for count in counts)


def wait_for_child(parent: int, named: str) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process(parent).children():
            if any(named in word for word in child.cmdline()):
                return child
        time.sleep(0.1)
    raise AssertionError(f"no child {named}")
