"""Exports hold everything, in both formats, and wrong lines of a file are told one by one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import headstart
from headstart.history.formats import format_named, format_of
from headstart.history.model import Note, UsageProblem
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Graph,
    Integer,
    Node,
    Ordering,
    Parameter,
    ParameterRole,
    SearchSpace,
    mlp_classifier,
    nas_bench_201,
    nas_bench_graph,
)
from headstart.values import CurvePoint, Direction, Experiment, ExperimentStatus, Objective, Outcome, Task

SPACES = (
    mlp_classifier(),
    nas_bench_201(),
    nas_bench_graph(),
    SearchSpace(
        "explicit", explicit_graphs=True, op_roles={"in": headstart.OpRole.INPUT}, description="Graphs, größer"
    ),
    SearchSpace(
        "mixed",
        (
            Parameter("c", Categorical(("1", 1, True, 1.5, ""))),
            Parameter("i", Integer(-(2**63), 2**63 - 1), Condition("c", ("1", True))),
            Parameter("f", Float(1e-300, 1.0, True), role=ParameterRole.WIDTH),
            Parameter("o", Categorical(("small", "large"), Ordering.ORDERED), default="large"),
            Parameter("n", Categorical((1, 2, 3), Ordering.UNORDERED), default=2),
            Parameter("b", Categorical((False, True)), default=False),
        ),
    ),
)
TASKS = (
    Task("bare", Objective("error", Direction.MINIMIZE)),
    Task(
        "full", Objective("accuracy"), "Text \u2028 with\nlines", {"modality": "image"}, {"rows": 0.1}, "epoch", 200.0
    ),
)
EXPERIMENT = Experiment("full/explicit/7", "full", "explicit", Candidate(), "abc", Outcome(ExperimentStatus.FAILED))

# What is zero is there.
ZEROS = Outcome(
    ExperimentStatus.COMPLETED,
    0.0,
    {"a": 0.0},
    (CurvePoint(0.0, -0.0),),
    fidelity=0.0,
    cost_seconds=0.0,
    proxies={"b": 0.0},
    seed=0,
)

number = st.floats(allow_nan=True, allow_infinity=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
value = st.one_of(text, st.booleans(), st.integers(-(2**63), 2**63 - 1), finite)
numbers = st.dictionaries(text, finite, max_size=3)
graphs = st.builds(
    lambda ops, edges: Graph(
        tuple(Node(op, attributes) for op, attributes in ops), tuple((a % len(ops), b % len(ops)) for a, b in edges)
    ),
    st.lists(st.tuples(text, st.dictionaries(text, value, max_size=2)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4),
)
outcomes = st.builds(
    Outcome,
    st.sampled_from(ExperimentStatus),
    st.none() | number,
    numbers,
    st.lists(st.builds(CurvePoint, finite, number), max_size=4).map(tuple),
    st.none() | finite,
    st.none() | finite,
    numbers,
    st.none() | st.integers(-(2**63), 2**63 - 1),
)
experiments = st.builds(
    Experiment,
    st.just("full/explicit/7"),
    st.just("full"),
    st.just("explicit"),
    st.builds(Candidate, st.dictionaries(text, value, max_size=3), st.none() | graphs),
    text,
    outcomes,
    st.sampled_from(["", "7f4c2a56-5a0b-4d6e-9a55-2f0c1f5c7d11"]),
    text,
    st.none()
    | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
        lambda time: time.replace(fold=0)
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
@settings(max_examples=60, deadline=None)
@given(st.lists(experiments, max_size=4))
@example([replace(EXPERIMENT, outcome=ZEROS), EXPERIMENT])
def test_what_is_written_is_read(folder: Path, name: str, held: list[Experiment]) -> None:
    path = folder / f"history.{name}"
    format_named(name).write(path, SPACES, TASKS, held)
    contents = format_of(path).read(path)
    assert (contents.spaces, contents.tasks) == (SPACES, TASKS)
    read = [entry[1] for entry in contents.experiments if isinstance(entry, tuple)]
    # repr tells NaN from NaN, 1 from True and 1 from 1.0, which equality does not.
    assert list(map(repr, map(in_order, read))) == list(map(repr, map(in_order, held)))


def in_order(experiment: Experiment) -> Experiment:
    def ordered(mapping: Any) -> dict[str, Any]:
        return dict(sorted(mapping.items()))

    graph = experiment.candidate.graph
    if graph is not None:
        graph = Graph(tuple(Node(node.op, ordered(node.attributes)) for node in graph.nodes), graph.edges)
    outcome = experiment.outcome
    outcome = replace(outcome, metrics=ordered(outcome.metrics), proxies=ordered(outcome.proxies))
    return replace(experiment, candidate=Candidate(ordered(experiment.candidate.values), graph), outcome=outcome)


def test_the_same_content_makes_the_same_bytes(tmp_path: Path) -> None:
    one = replace(EXPERIMENT, outcome=Outcome(ExperimentStatus.STOPPED, math.nan, {"a": 1.0, "b": 2.0}))
    other = replace(EXPERIMENT, outcome=Outcome(ExperimentStatus.STOPPED, math.nan, {"b": 2.0, "a": 1.0}))
    for name, held in (("one", one), ("other", other)):
        format_named("jsonl").write(tmp_path / name, SPACES, TASKS, [held])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_lines_are_json_for_everyone(tmp_path: Path) -> None:
    held = replace(EXPERIMENT, outcome=Outcome(ExperimentStatus.FAILED, -math.inf))
    format_named("jsonl").write(tmp_path / "history", SPACES, TASKS, [held])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = (tmp_path / "history").read_text(encoding="utf-8").split("\n")
    entries = [json.loads(line, parse_constant=refuse) for line in lines[:-1]]
    assert entries[0] == {"headstart_export": 1}
    assert entries[-1]["experiment"]["objective_value"] == "-Infinity"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not a JSON object"),
        (b"\xff\xfe", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (
            b'{"experiment": {"experiment_id": "a/b/1", "task_id": "a", "search_space_id": "b", "status": "FAILED",'
            b' "candidate": {"values": {}}, "objective_value": 1' + b"0" * 400 + b"}}",
            "not an experiment",
        ),
        (b'{"task": {}}', "no experiment"),
        (b'{"experiment": {}}', "not an experiment"),
        (b'{"experiment": []}', "not an experiment"),
        (
            b'{"experiment": {"experiment_id": "a/b/1", "task_id": "a", "search_space_id": "b", "status": "FAILED",'
            b' "candidate": {"values": 3}}}',
            "not an experiment",
        ),
    ],
)
def test_a_wrong_line_is_told_and_the_next_one_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "history.jsonl"
    format_named("jsonl").write(path, SPACES, TASKS, [EXPERIMENT, EXPERIMENT])
    lines = path.read_bytes().split(b"\n")
    lines.insert(len(lines) - 2, line)
    path.write_bytes(b"\n".join(lines))
    found = list(format_of(path).read(path).experiments)
    assert found[0] == ("history.jsonl:9", EXPERIMENT)
    assert isinstance(found[1], Note) and found[1].locator == "history.jsonl:10" and reason in found[1].reason
    assert found[2] == ("history.jsonl:11", EXPERIMENT)


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    for content in (b"", b"{}\n", b'{"headstart_export": 2}\n', b"PAR1 and no more"):
        path.write_bytes(content)
        with pytest.raises(UsageProblem):
            format_of(path).read(path)
    with pytest.raises(UsageProblem, match="no file"):
        format_of(tmp_path / "none")
    with pytest.raises(UsageProblem, match="no format"):
        format_named("xml")


def test_parquet_of_another_program_is_refused(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "other")
    with pytest.raises(UsageProblem, match="no export of Headstart"):
        format_of(tmp_path / "other").read(tmp_path / "other")


def test_parquet_with_spaces_that_are_none_is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet

    path = tmp_path / "history.parquet"
    format_named("parquet").write(path, SPACES, TASKS, [EXPERIMENT])
    table = pyarrow.parquet.read_table(path)
    broken = {**table.schema.metadata, b"headstart_search_spaces": b'[{"parameters": []}]'}
    pyarrow.parquet.write_table(table.replace_schema_metadata(broken), path)
    with pytest.raises(UsageProblem, match="not as exports have them"):
        format_of(path).read(path)


def test_long_curves_make_small_batches(tmp_path: Path) -> None:
    import pyarrow.parquet

    curve = tuple(CurvePoint(float(step), 0.5) for step in range(10_000))
    long = replace(EXPERIMENT, outcome=Outcome(ExperimentStatus.STOPPED, learning_curve=curve))
    path = tmp_path / "history.parquet"
    format_named("parquet").write(path, SPACES, TASKS, [long] * 25)
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [10, 10, 5]
    assert [entry[1] for entry in format_of(path).read(path).experiments if not isinstance(entry, Note)] == [long] * 25
