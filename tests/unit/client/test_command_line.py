"""What the command line makes of values, words and clusters, without a service."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import typer

from headstart.command_line import cluster_map, options, words
from headstart.command_line.documents import document
from headstart.command_line.history import _usage_told
from headstart.command_line.strategies import colours_of
from headstart.command_line.tables import Column, print_facts, print_table, print_text
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    EdgeTemplate,
    Float,
    Graph,
    GraphTemplate,
    Integer,
    Node,
    NodeTemplate,
    OpRole,
    Ordering,
    Parameter,
    ParameterRole,
    SearchSpace,
    ValueOf,
)
from headstart.v1 import experiment_pb2, search_space_pb2, task_pb2
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart.values import (
    ArchitectureChange,
    ArchitectureMatch,
    ArchitectureMatches,
    ArchitectureResult,
    CurvePoint,
    Estimate,
    Experiment,
    ExperimentStatus,
    Explanation,
    FineTuningPlan,
    FineTuningStage,
    Gate,
    GateState,
    Incumbent,
    Interval,
    MultiTaskProposal,
    NumberRange,
    Objective,
    Outcome,
    Predictor,
    SimilarityBasis,
    SimilarityKind,
    SimilarTask,
    SourceEvidence,
    Suggestion,
    SuggestionOrigin,
    Task,
    TaskCluster,
    TaskPosition,
    TaskSummary,
    Transfer,
    TransferredArchitecture,
    ValidationFigures,
    WarmStart,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
GRAPH = Graph((Node("in"), Node("conv", {"width": 8})), ((0, 1),))
CANDIDATE = Candidate({"rate": 0.1, "layers": 2, "bias": True, "op": "relu"}, GRAPH)
SIMILAR = SimilarTask("cora", 0.5, (SimilarityBasis(SimilarityKind.MEASURED_AGREEMENT, 0.8, 60, ("graphs",)),))
SUGGESTION = Suggestion(
    CANDIDATE,
    "f1",
    SuggestionOrigin.TRANSFERRED,
    Estimate(0.5, 0.1, Interval(0.4, 0.6, 0.9)),
    (SourceEvidence("cora", "cora/mlp/1", 0.9, 1.0),),
    "good on cora",
)

VALUES: dict[Any, Any] = {
    knowledge_pb2.ListTaskClustersResponse: {
        "clusters": [TaskCluster("graphs", ("cora",), "share graphs", (TaskPosition(0, 1),), "cora", 0.5, NOON)],
        "next_page_token": "",
    },
    experiment_pb2.Experiment: Experiment(
        "cora/mlp/1",
        "cora",
        "mlp",
        CANDIDATE,
        "f1",
        Outcome(
            ExperimentStatus.COMPLETED, 0.5, {"loss": 1.0}, (CurvePoint(1, 0.5),), 1.0, 2.0, {"parameters": 10.0}, 7
        ),
        "decision",
        "worker",
        NOON,
    ),
    search_space_pb2.SearchSpace: SearchSpace(
        "mlp",
        (
            Parameter("op", Categorical(("relu", 1, 0.5, False), Ordering.ORDERED), default=False),
            Parameter("layers", Integer(1, 4, logarithmic=True), Condition("op", ("relu",)), ParameterRole.DEPTH),
            Parameter("rate", Float(0.1, 1.0)),
        ),
        GraphTemplate(
            (NodeTemplate("a", "in"), NodeTemplate("b", ValueOf("op"), {"width": 8, "depth": ValueOf("layers")})),
            (EdgeTemplate("a", "b", Condition("op", ("relu",))),),
        ),
        {"in": OpRole.INPUT},
    ),
    task_pb2.Task: Task(
        "cora",
        Objective("accuracy"),
        "papers",
        {"domain": "graphs"},
        {"nodes": 2708.0},
        "epoch",
        200.0,
        NOON,
        NOON,
        (TaskSummary("mlp", 2, 1, Incumbent("cora/mlp/1", 0.5)),),
    ),
    meta_pb2.WarmStartResponse: WarmStart((SUGGESTION,), (SIMILAR,), Gate(GateState.OPEN, "alike"), "mlp/1", True),
    knowledge_pb2.ExplainTaskResponse: Explanation((SIMILAR,), Gate(GateState.CLOSED), "because", (SUGGESTION,)),
    knowledge_pb2.GetPredictorResponse: Predictor(
        "mlp/1", "gcn", 100, 1000, 2.5, NOON, (ValidationFigures("cora", 20, 0.8, 0.9),)
    ),
    meta_pb2.TransferArchitectureResponse: Transfer(
        (
            TransferredArchitecture(
                "cora",
                CANDIDATE,
                "f1",
                (ArchitectureChange("width", 8, 16, "more data"), ArchitectureChange("units", None, 4, "in effect")),
                Estimate(0.4, 0.2, Interval(0.1, 0.7, 0.9)),
                "words",
                FineTuningPlan((FineTuningStage(4, 1.0, 0.5),), "near", True),
            ),
        ),
        MultiTaskProposal(CANDIDATE, "f1", {"cora": 0.9}, "best"),
    ),
    knowledge_pb2.SearchArchitecturesResponse: ArchitectureMatches(
        (ArchitectureMatch(CANDIDATE, "f1", 0.5, (ArchitectureResult("cora", "cora/mlp/1", 0.9),), True),), True, "v1"
    ),
}


def assert_named_as_in(message: Any, made: Any, path: str) -> None:
    """Every name in a document is a field of the message it stands for, through all levels."""
    for name, value in made.items():
        assert name in message.fields_by_name, f"{path}.{name} is not in the contract"
        field = message.fields_by_name[name]
        inner = field.message_type
        if inner is None or inner.name in {"ParameterValue", "Timestamp"}:
            continue
        if inner.GetOptions().map_entry:
            inner = inner.fields_by_name["value"].message_type
            held = list(value.values()) if inner is not None and inner.name != "ParameterValue" else []
        else:
            held = value if isinstance(value, list) else [] if value is None else [value]
        for each in held:
            assert_named_as_in(inner, each, f"{path}.{name}")


@pytest.mark.parametrize("message", VALUES, ids=lambda message: message.DESCRIPTOR.name)
def test_fields_of_documents_are_those_of_the_contract(message: Any) -> None:
    made = document(VALUES[message])
    descriptor = message.DESCRIPTOR
    assert_named_as_in(descriptor, made, descriptor.name)
    output_only_unknown = {"create_time"} if descriptor.name == "SearchSpace" else set()
    assert set(made) == set(descriptor.fields_by_name) - output_only_unknown


def test_roles_of_parameters_are_told() -> None:
    told = document(VALUES[search_space_pb2.SearchSpace])["parameters"]
    assert [each["role"] for each in told] == [None, "DEPTH", None]


def test_orders_and_defaults_of_parameters_are_told() -> None:
    told = document(VALUES[search_space_pb2.SearchSpace])["parameters"]
    assert told[0]["categorical"] == {"choices": ["relu", 1, 0.5, False], "ordering": "ORDERED"}
    assert document(Categorical((1, 2)))["ordering"] is None
    assert [each["default_value"] for each in told] == [False, None, None]
    assert words.domain(Parameter("a", Categorical((64, 8, 32)))) == "8 < 32 < 64"
    assert words.domain(Parameter("a", Categorical((64, 8, 32), Ordering.UNORDERED))) == "64, 8, 32"


def test_words_of_others_give_a_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((Column("DESCRIPTION", wide=True),), [("two\nlines \x1b[31mred\x07",)])
    print_facts([("description", "\x1b]0;title\x07")])
    print_text("first\nsecond \x1b[2J")
    told = capsys.readouterr().out
    assert "two lines" in told and "first\nsecond" in told
    assert all(each.isprintable() or each == "\n" for each in told)


def test_what_json_has_no_word_for() -> None:
    held = document({"a": math.nan, "b": math.inf, "c": -math.inf, "d": None, "e": NOON, "f": GateState.OPEN, "g": 0.1})
    assert held == {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
        "d": None,
        "e": "2026-01-31T12:00:00Z",
        "f": "OPEN",
        "g": 0.1,
    }


def test_a_candidate_is_read_as_it_was_printed() -> None:
    assert options.candidate(json.dumps(document(CANDIDATE))) == CANDIDATE
    assert options.candidate('{"rate": 0.1, "graph": 3}') == Candidate({"rate": 0.1, "graph": 3})
    assert options.candidate("{}") == Candidate()


@pytest.mark.parametrize(
    "text",
    ["[]", "nothing", '{"rate": [1]}', '{"values": {"rate": null}}', '{"graph": {"nodes": 3, "edges": []}}'],
)
def test_a_candidate_that_is_none(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        options.candidate(text)


def test_ranges() -> None:
    assert options.number_range("-1..2.5") == NumberRange(-1, 2.5)
    assert options.number_range("1e6..") == NumberRange(1e6, None)
    assert options.number_range("..3") == NumberRange(None, 3)
    assert options.number_range("4") == NumberRange(4, 4)
    assert options.named_range("a=b=1..2") == ("a=b", NumberRange(1, 2))
    for wrong in ("..", "", "a..b", "1..2..3", "nan..1", "inf"):
        with pytest.raises(typer.BadParameter):
            options.number_range(wrong)


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC where they say nothing else, also on a machine elsewhere."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    assert options.point_in_time("2026-01-31T12:00") == NOON
    assert options.point_in_time("2026-01-31T12:00:00Z") == NOON
    assert options.point_in_time("2026-01-31T13:00+01:00") == NOON
    assert options.point_in_time("2026-01-31") == NOON - timedelta(hours=12)
    assert options.point_in_time("2026-01-31T13:00+01:00").utcoffset() == timezone(timedelta(hours=1)).utcoffset(None)
    monkeypatch.undo()
    time.tzset()


def crowded(count: int, clusters: int = 3) -> list[TaskCluster]:
    """Tasks on a few spots close to each other."""
    return [
        TaskCluster(
            f"group {number} of $tasks$",
            tuple(f"task-{number}-{index}" for index in range(count)),
            positions=tuple(
                TaskPosition(3 * number + math.sin(index) / 2, math.cos(2.5 * index) / 2) for index in range(count)
            ),
            medoid_task_id=f"task-{number}-0",
        )
        for number in range(clusters)
    ]


def test_labels_of_a_map_do_not_overlap() -> None:
    _, labels, left_out = cluster_map.draw_figure(crowded(20))
    assert left_out == 0 and len(labels) == 60
    boxes = [label.get_window_extent() for label in labels]
    overlapping = [
        (one, other)
        for one in range(len(boxes))
        for other in range(one)
        if boxes[one].x0 < boxes[other].x1 - 0.5
        and boxes[other].x0 < boxes[one].x1 - 0.5
        and boxes[one].y0 < boxes[other].y1 - 0.5
        and boxes[other].y0 < boxes[one].y1 - 0.5
    ]
    assert overlapping == []
    assert {label.get_text() for label in labels if label.get_fontweight() == "bold"} == {
        f"task-{number}-0" for number in range(3)
    }


def test_a_map_tells_what_it_had_no_room_for() -> None:
    spots = tuple(TaskPosition(index * 1e-9, 0) for index in range(300))
    far = (TaskPosition(1, 1),)
    one_spot = TaskCluster("one", tuple(f"task-{index}" for index in range(299)), "", (*spots[:298], *far))
    _, labels, left_out = cluster_map.draw_figure([one_spot])
    assert labels and left_out and len(labels) + left_out == 299


def test_clusters_of_a_map_look_different() -> None:
    assert len({cluster_map._look(number) for number in range(56)}) == 56
    assert len({cluster_map._look(number)[1] for number in range(8)}) == 8


def test_map_files(tmp_path: Path) -> None:
    cluster_map.draw(crowded(3), tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    cluster_map.draw(crowded(3), tmp_path / "map.svg")
    told = (tmp_path / "map.svg").read_text()
    for text in ("9 tasks in 3 clusters", "group 1 of $tasks$ (3)", "task-2-1"):
        assert re.search(re.escape(text), told)
    with pytest.raises(OSError):
        cluster_map.draw(crowded(3), tmp_path / "nowhere" / "map.png")


def test_a_source_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, _usage_told():
        tmp_path.read_bytes()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == f"headstart: {tmp_path}: Is a directory\n"
    with pytest.raises(BrokenPipeError), _usage_told():
        raise BrokenPipeError


@pytest.mark.parametrize("count", [1, 10, 11, 20, 21, 40])
def test_every_strategy_of_a_picture_has_a_colour_of_its_own(count: int) -> None:
    assert len(set(colours_of(count))) == count


def test_tasks_of_one_place_are_drawn_apart() -> None:
    same = TaskPosition(0.5, 0.5)
    names = tuple(f"task-{number}" for number in range(30))
    cluster = TaskCluster("all alike", names, "", (same,) * 30)
    figure, labels, _ = cluster_map.draw_figure([cluster])
    points = [
        (x, y)
        for line in figure.axes[0].lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)  # type: ignore[arg-type]
    ]
    assert len(set(points)) == 30
    assert len(labels) > 3
