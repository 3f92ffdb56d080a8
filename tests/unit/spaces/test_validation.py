"""Whatever is wrong with an input is named by the path of its field."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

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
    Parameter,
    ParameterRole,
    SearchSpace,
    Value,
    ValueOf,
    candidate_violations,
    mlp_classifier,
    nas_bench_201,
    space_violations,
)
from headstart.spaces.validation import InvalidInput, require

A = Parameter("a", Categorical(("x", "y")))


def fields_of(space: SearchSpace) -> list[str]:
    return [violation.field for violation in space_violations(space)]


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        (Parameter("", Integer(0, 1)), "name"),
        (Parameter("n" * 64, Integer(0, 1)), "name"),
        (Parameter("a", Integer(0, 1)), "name"),
        (Parameter("b", Categorical(())), "categorical.choices"),
        (Parameter("b", Categorical(("x", "x"))), "categorical.choices"),
        (Parameter("b", Categorical((1.0, math.nan))), "categorical.choices"),
        (Parameter("b", Integer(2, 1)), "integer"),
        (Parameter("b", Integer(0, 1, logarithmic=True)), "integer.lower"),
        (Parameter("b", Float(0.0, math.inf)), "float"),
        (Parameter("b", Float(math.nan, 1.0)), "float"),
        (Parameter("b", Float(-1.0, 1.0, logarithmic=True)), "float.lower"),
        (Parameter("b", Integer(0, 1), default=2), "default_value"),
        (Parameter("b", Integer(0, 1), default=1.0), "default_value"),
        (Parameter("b", Float(0.0, 1.0), default=math.nan), "default_value"),
        (Parameter("b", Categorical((0, 1)), default=False), "default_value"),
        (Parameter("b", Integer(0, 1), Condition("later", ("x",))), "condition.parameter"),
        (Parameter("b", Integer(0, 1), Condition("b", (1,))), "condition.parameter"),
        (Parameter("b", Integer(0, 1), Condition("a", ())), "condition.values"),
        (Parameter("b", Integer(0, 1), Condition("a", ("x", "z"))), "condition.values[1]"),
    ],
)
def test_wrong_parameter_is_named(parameter: Parameter, field: str) -> None:
    assert fields_of(SearchSpace("s", (A, parameter))) == [f"search_space.parameters[1].{field}"]


@pytest.mark.parametrize("choices", [("8", "16"), (False, True), (1, True)])
def test_a_role_needs_numbers(choices: tuple[Value, ...]) -> None:
    wrong = Parameter("a", Categorical(choices), role=ParameterRole.WIDTH)
    assert fields_of(SearchSpace("s", (wrong,))) == ["search_space.parameters[0].role"]
    assert fields_of(SearchSpace("s", (replace(wrong, domain=Categorical((8, 16.5))),))) == []


def test_a_default_lies_in_the_domain() -> None:
    defaults: list[tuple[Categorical | Integer | Float, Value]] = [
        (Integer(0, 1), 0),
        (Float(0.0, 1.0), 1),
        (Categorical((False, True)), False),
        (Categorical((8, 16.0)), 16),
    ]
    space = SearchSpace("s", tuple(Parameter(f"p{i}", domain, default=v) for i, (domain, v) in enumerate(defaults)))
    assert fields_of(space) == []


def test_true_and_one_are_two_choices() -> None:
    assert fields_of(SearchSpace("s", (Parameter("b", Categorical((True, 1))),))) == []


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-a", "a-", "a" * 64, "a_b", "é", "a\n"])
def test_ids_are_slugs(name: str) -> None:
    assert fields_of(SearchSpace(name, (A,))) == ["search_space.search_space_id"]


def test_space_of_nothing_is_refused() -> None:
    assert fields_of(SearchSpace("s")) == ["search_space.parameters"]


def test_template_and_explicit_graphs_exclude_each_other() -> None:
    assert fields_of(replace(nas_bench_201(), explicit_graphs=True)) == ["search_space.explicit_graphs"]


@pytest.mark.parametrize(
    ("template", "field"),
    [
        (GraphTemplate((), ()), "nodes"),
        (GraphTemplate((NodeTemplate("n", "op"), NodeTemplate("n", "op")), ()), "nodes[1].name"),
        (GraphTemplate((NodeTemplate("n", ""),), ()), "nodes[0].op"),
        (GraphTemplate((NodeTemplate("n", ValueOf("missing")),), ()), "nodes[0].op_parameter"),
        (GraphTemplate((NodeTemplate("n", ValueOf("i")),), ()), "nodes[0].op_parameter"),
        (GraphTemplate((NodeTemplate("n", "op", {"w": ValueOf("missing")}),), ()), "nodes[0].attributes[w]"),
        (GraphTemplate((NodeTemplate("n", "op", {"w\0": ValueOf("i")}),), ()), "nodes[0].attributes[w\0]"),
        (GraphTemplate((NodeTemplate("n", "op", {"": ValueOf("i")}),), ()), "nodes[0].attributes[]"),
        (GraphTemplate((NodeTemplate("n", "op", {"w" * 64: ValueOf("i")}),), ()), f"nodes[0].attributes[{'w' * 63}]"),
        (GraphTemplate((NodeTemplate("n", "op"),), (EdgeTemplate("n", "m"),)), "edges[0].target"),
        (GraphTemplate((NodeTemplate("n", "op"),), (EdgeTemplate("m", "n"),)), "edges[0].source"),
        (GraphTemplate((NodeTemplate("n", "op"),), (EdgeTemplate("n", "n"),)), "edges"),
        (
            GraphTemplate(
                (NodeTemplate("n", "op"), NodeTemplate("m", "op")), (EdgeTemplate("n", "m"), EdgeTemplate("m", "n"))
            ),
            "edges",
        ),
        (
            GraphTemplate(
                (NodeTemplate("n", "op"), NodeTemplate("m", "op")),
                (EdgeTemplate("n", "m", Condition("a", ("z",))),),
            ),
            "edges[0].condition.values[0]",
        ),
    ],
)
def test_wrong_template_is_named(template: GraphTemplate, field: str) -> None:
    space = SearchSpace("s", (A, Parameter("i", Integer(0, 3))), template)
    assert fields_of(space) == [f"search_space.graph_template.{field}"]


RIGHT: dict[str, Value] = {
    "depth": 2,
    "width": 32,
    "activation": "relu",
    "optimizer": "sgd",
    "momentum": 0.9,
    "learning_rate": 0.01,
    "weight_decay": 1e-4,
    "dropout": 0.1,
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"depth": 4}, "depth"),
        ({"depth": 2.0}, "depth"),
        ({"depth": True}, "depth"),
        ({"depth": "2"}, "depth"),
        ({"dropout": math.nan}, "dropout"),
        ({"dropout": math.inf}, "dropout"),
        ({"dropout": "0.1"}, "dropout"),
        ({"activation": "swish"}, "activation"),
        ({"activation": 1}, "activation"),
        ({"unknown": 1}, "unknown"),
        ({"optimizer": "adam"}, "momentum"),
        ({"depth": None}, "depth"),
        ({"momentum": None}, "momentum"),
    ],
)
def test_wrong_value_is_named(change: dict[str, Value | None], field: str) -> None:
    values = {name: value for name, value in {**RIGHT, **change}.items() if value is not None}
    violations = list(candidate_violations(mlp_classifier(), Candidate(values)))
    assert [violation.field for violation in violations] == [f"candidate.values[{field}]"]


def test_right_values_pass_and_integers_are_numbers() -> None:
    assert list(candidate_violations(mlp_classifier(), Candidate(RIGHT))) == []
    assert list(candidate_violations(mlp_classifier(), Candidate({**RIGHT, "dropout": 0}))) == []


EXPLICIT = SearchSpace("evolved", explicit_graphs=True)


@pytest.mark.parametrize(
    ("graph", "field"),
    [
        (Graph((), ()), "nodes"),
        (Graph((Node(""),), ()), "nodes[0].op"),
        (Graph((Node("a" * 64),), ()), "nodes[0].op"),
        (Graph((Node("a", {"w": math.nan}),), ()), "nodes[0].attributes[w]"),
        (Graph((Node("a"),), ((0, 1),)), "edges[0].target"),
        (Graph((Node("a"), Node("b"), Node("c")), ((0, 1), (1, 2), (2, 0))), "edges"),
        (Graph(tuple(Node("a") for _ in range(2049)), ()), "nodes"),
        (Graph((Node("a"), Node("b")), ((0, 1),) * 8193), "edges"),
    ],
)
def test_wrong_graph_is_named(graph: Graph, field: str) -> None:
    violations = list(candidate_violations(EXPLICIT, Candidate(graph=graph)))
    assert [violation.field for violation in violations] == [f"candidate.graph.{field}"]


def test_graph_where_none_belongs_and_none_where_one_belongs() -> None:
    graph = Graph((Node("a"),), ())
    assert [v.field for v in candidate_violations(EXPLICIT, Candidate())] == ["candidate.graph"]
    assert [v.field for v in candidate_violations(mlp_classifier(), Candidate(RIGHT, graph))] == ["candidate.graph"]


def test_require_raises_with_every_violation() -> None:
    wrong = Candidate({**RIGHT, "depth": 9, "width": 0})
    with pytest.raises(InvalidInput) as caught:
        require(candidate_violations(mlp_classifier(), wrong))
    assert [violation.field for violation in caught.value.violations] == [
        "candidate.values[depth]",
        "candidate.values[width]",
    ]
    assert "candidate.values[depth]" in str(caught.value)
