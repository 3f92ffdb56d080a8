"""The commands that need the worker: nearest architectures, clusters and their map, explanations; and a task out of one
service and back.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.cli import main
from headstart.command_line.documents import document
from headstart.spaces import nas_bench_201, sample

Run = Callable[..., tuple[int, str, str]]

SPACE = nas_bench_201()


@pytest.fixture
def run(service: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--address", service.address, "--timeout", "30", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def fill(address: str, tasks: int, results: int) -> None:
    """Tasks of two kinds: with the same candidates, values rising on one kind and falling on the other."""
    generator = random.Random(0)
    candidates = [sample(SPACE, generator) for _ in range(results)]
    with headstart.connect(address) as client:
        client.create_search_space(SPACE)
        for number in range(tasks):
            kind = "images" if number % 2 else "graphs"
            task_id = f"{kind}-{number}"
            descriptor = {"domain": kind, "source": f"collection of {kind}"}
            features = {"classes": 10.0 + number % 2 * 90, "rows": 1000.0 + number}
            client.create_task(headstart.Task(task_id, headstart.Objective("accuracy"), "", descriptor, features))
            client.record_many(
                headstart.Record(
                    task_id,
                    SPACE.search_space_id,
                    candidate,
                    headstart.completed((index if number % 2 else results - index) / results),
                )
                for index, candidate in enumerate(candidates)
            )


def test_similar_architectures(run: Run, service: Any) -> None:
    fill(service.address, 1, 20)
    service.run_worker()
    for measure in ("embedding", "ops", "edit-distance"):
        arguments = ("similar", "architectures", SPACE.search_space_id, "--measure", measure, "-n", "3")
        code, told, said = run(*arguments, "--experiment", f"graphs-0/{SPACE.search_space_id}/4", "--time-limit", "5")
        assert (code, said) == (0, ""), (told, said)
        first = told.splitlines()[1].split()
        assert first[:2] == ["0", "graphs-0"] and "0.85" in first[2]
    with headstart.connect(service.address) as client:
        candidate = client.get_experiment(f"graphs-0/{SPACE.search_space_id}/4").candidate
    for asked in (document(candidate), candidate.values):
        answer = json.loads(run(*arguments, "--candidate", json.dumps(asked), "--json")[1])
        assert len(answer["matches"]) == 3 and answer["matches"][0]["distance"] == 0
        assert answer["matches"][0]["results"][0]["experiment_id"] == f"graphs-0/{SPACE.search_space_id}/4"


def test_export_and_import(run: Run, service: Any, tmp_path: Path) -> None:
    fill(service.address, 2, 20)
    written = tmp_path / "history.jsonl"
    code, told, said = run("export", str(written), "graphs-0")
    assert (code, said) == (0, "") and "20 experiments of 1 task in 1 search space, " in told
    before = run("experiments", "graphs-0", "--json")[1]
    assert run("delete-task", "graphs-0", "--yes")[0] == 0
    code, told, _ = run("import", "export", str(written), "--dry-run")
    assert code == 0 and "20 would be recorded" in told
    assert run("task", "graphs-0")[0] == 1
    code, told, _ = run("import", "export", str(written))
    assert code == 0 and told.startswith("20 read: 20 recorded, 0 known before, 0 skipped")

    def told_of(lines: str) -> list[Any]:
        return [
            (each["experiment_id"], each["candidate"], each["outcome"]) for each in map(json.loads, lines.splitlines())
        ]

    assert told_of(run("experiments", "graphs-0", "--json")[1]) == told_of(before)
    report = json.loads(run("import", "export", str(written), "--json")[1])
    assert (report["recorded_count"], report["already_known_count"]) == (0, 20)
    code, told, problem = run("import", "export", str(tmp_path / "nowhere.jsonl"))
    assert (code, told) == (2, "") and problem.startswith("headstart: ") and len(problem.splitlines()) == 1


def test_clusters_and_their_map(run: Run, service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, told, said = run("clusters")
    assert code == 0 and told.split() == ["CLUSTER", "TASKS", "MEDOID", "SILHOUETTE", "MEMBERS"]
    assert "no clusters yet" in said
    code, told, said = run("clusters", "--map", str(tmp_path / "map.svg"))
    assert (code, told) == (1, "") and "nothing to draw" in said
    fill(service.address, 8, 20)
    service.run_worker()
    found = json.loads(run("clusters", "--json")[1])["clusters"]
    assert sorted(sorted(cluster["task_ids"]) for cluster in found) == [
        [f"graphs-{number}" for number in (0, 2, 4, 6)],
        [f"images-{number}" for number in (1, 3, 5, 7)],
    ]
    code, told, said = run("clusters", "--map", str(tmp_path / "map.svg"))
    assert code == 0 and said == f"headstart: the map is in {tmp_path / 'map.svg'}\n"
    for cluster in found:
        line = next(line for line in told.splitlines() if line.startswith(cluster["name"]))
        assert line.removeprefix(cluster["name"]).split()[:2] == ["4", cluster["medoid_task_id"]]
    drawn = (tmp_path / "map.svg").read_text()
    for task_id in (task_id for cluster in found for task_id in cluster["task_ids"]):
        assert f">{task_id}<" in drawn
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "headstart.command_line.cluster_map", raising=False)
    code, told, said = run("clusters", "--map", str(tmp_path / "map.png"))
    assert (code, told) == (1, "") and "pip install 'headstart[cli,plot]'" in said
    code, _, said = run("clusters")
    assert (code, said) == (0, "")


def test_explain(run: Run, service: Any) -> None:
    fill(service.address, 3, 30)
    with headstart.connect(service.address) as client:
        new = replace(client.get_task("graphs-0"), task_id="graphs-new")
        client.create_task(new)
    code, told, _ = run("explain", "graphs-new", SPACE.search_space_id)
    assert code == 0 and "transfer open" in told and "SIMILAR TASK" in told and "ORIGIN" in told
    answer = json.loads(run("explain", "graphs-new", SPACE.search_space_id, "--json")[1])
    assert answer["explanation"] and answer["similar_tasks"][0]["task_id"] == "graphs-0"
    assert (
        answer["suggestions"]
        == json.loads(run("explain", "graphs-new", SPACE.search_space_id, "--json")[1])["suggestions"]
    )
