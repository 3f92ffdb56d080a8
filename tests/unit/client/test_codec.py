"""What is encoded comes back as it was; what is malformed is named by its field."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.codec import answers as codec_answers
from headstart.codec import knowledge as codec_knowledge
from headstart.codec import strategies as codec_strategies
from headstart.codec import transfer as codec_transfer
from headstart.codec import values as codec
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    EdgeTemplate,
    Float,
    Graph,
    GraphTemplate,
    Integer,
    InvalidInput,
    Node,
    NodeTemplate,
    OpRole,
    Ordering,
    Parameter,
    ParameterRole,
    SearchSpace,
    ValueOf,
    mlp_classifier,
    nas_bench_201,
    nas_bench_graph,
    sample,
)
from headstart.v1 import (
    experiment_pb2,
    knowledge_base_service_pb2,
    meta_learning_service_pb2,
    search_space_pb2,
    task_pb2,
)
from headstart.values import (
    ArchitectureChange,
    Arm,
    ArmStatistics,
    CurvePoint,
    Decision,
    DecisionCredit,
    Direction,
    Estimate,
    Experiment,
    ExperimentFilter,
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
    Query,
    Record,
    Recorded,
    RecordedDecision,
    SimilarityBasis,
    SimilarityKind,
    SimilarTask,
    SourceEvidence,
    SourceWeights,
    StrategyExplanation,
    StrategyModel,
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

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(TEXT, INTEGERS, FINITE, st.booleans())
NAMED_VALUES = st.dictionaries(TEXT, VALUES, max_size=5)
NUMBERS = st.dictionaries(TEXT, FINITE, max_size=4)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))
CONDITIONS = st.builds(Condition, TEXT, st.lists(VALUES, max_size=3).map(tuple))
DOMAINS = st.one_of(
    st.builds(Categorical, st.lists(VALUES, max_size=4).map(tuple), st.sampled_from(Ordering)),
    st.builds(Integer, INTEGERS, INTEGERS, st.booleans()),
    st.builds(Float, FINITE, FINITE, st.booleans()),
)
PARAMETERS = st.builds(
    Parameter, TEXT, DOMAINS, st.none() | CONDITIONS, st.none() | st.sampled_from(ParameterRole), st.none() | VALUES
)
OPERATIONS = st.one_of(TEXT, st.builds(ValueOf, TEXT))
TEMPLATES = st.builds(
    GraphTemplate,
    st.lists(
        st.builds(NodeTemplate, TEXT, OPERATIONS, st.dictionaries(TEXT, VALUES | st.builds(ValueOf, TEXT), max_size=3)),
        max_size=4,
    ).map(tuple),
    st.lists(st.builds(EdgeTemplate, TEXT, TEXT, st.none() | CONDITIONS), max_size=4).map(tuple),
)
SPACES = st.builds(
    SearchSpace,
    TEXT,
    st.lists(PARAMETERS, max_size=4).map(tuple),
    st.none() | TEMPLATES,
    st.dictionaries(TEXT, st.sampled_from(OpRole), max_size=3),
    st.booleans(),
    TEXT,
)
GRAPHS = st.lists(st.builds(Node, TEXT, NAMED_VALUES), min_size=1, max_size=4).flatmap(
    lambda nodes: st.lists(st.tuples(*[st.integers(0, len(nodes) - 1)] * 2), max_size=5).map(
        lambda edges: Graph(tuple(nodes), tuple(edges))
    )
)
CANDIDATES = st.builds(Candidate, NAMED_VALUES, st.none() | GRAPHS)
OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(ExperimentStatus),
    st.none() | FINITE,
    NUMBERS,
    st.lists(st.builds(CurvePoint, FINITE, FINITE), max_size=4).map(tuple),
    st.none() | FINITE,
    st.none() | FINITE,
    NUMBERS,
    st.none() | INTEGERS,
)
INCUMBENTS = st.none() | st.builds(Incumbent, TEXT, FINITE)
TASKS = st.builds(
    Task,
    TEXT,
    st.builds(Objective, TEXT, st.sampled_from(Direction)),
    TEXT,
    st.dictionaries(TEXT, TEXT, max_size=3),
    NUMBERS,
    TEXT,
    FINITE,
    st.none() | TIMES,
    st.none() | TIMES,
    st.lists(st.builds(TaskSummary, TEXT, st.integers(0, 2**40), st.integers(0, 2**40), INCUMBENTS), max_size=2).map(
        tuple
    ),
)
EXPERIMENTS = st.builds(Experiment, TEXT, TEXT, TEXT, CANDIDATES, TEXT, OUTCOMES, TEXT, TEXT, st.none() | TIMES)
RECORDS = st.builds(Record, TEXT, TEXT, CANDIDATES, OUTCOMES, TEXT, TEXT, TEXT)
QUERIES = st.builds(
    Query,
    CANDIDATES,
    st.lists(st.builds(CurvePoint, FINITE, FINITE), max_size=3).map(tuple),
    NUMBERS,
    st.none() | FINITE,
)


def over_the_wire(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize(
    ("values", "encode", "decode"),
    [
        (VALUES, codec.value_to_proto, codec.value_from_proto),
        (SPACES, codec.space_to_proto, codec.space_from_proto),
        (PARAMETERS, codec.parameter_to_proto, codec.parameter_from_proto),
        (CANDIDATES, codec.candidate_to_proto, codec.candidate_from_proto),
        (GRAPHS, codec.graph_to_proto, codec.graph_from_proto),
        (TASKS, codec.task_to_proto, codec.task_from_proto),
        (OUTCOMES, codec.outcome_to_proto, codec.outcome_from_proto),
        (EXPERIMENTS, codec.experiment_to_proto, codec.experiment_from_proto),
        (RECORDS, codec_answers.record_to_proto, codec_answers.record_from_proto),
        (QUERIES, codec_answers.query_to_proto, codec_answers.query_from_proto),
    ],
    ids=["value", "space", "parameter", "candidate", "graph", "task", "outcome", "experiment", "record", "query"],
)
def test_round_trip(values: st.SearchStrategy[Any], encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
    @settings(max_examples=60, deadline=None)
    @given(values)
    def check(value: Any) -> None:
        back = decode(over_the_wire(encode(value)))
        assert back == value
        assert type(back) is type(value)

    check()


@pytest.mark.parametrize("space", [nas_bench_201(), nas_bench_graph(), mlp_classifier()])
def test_ready_made_spaces_and_their_candidates_round_trip(space: SearchSpace) -> None:
    assert codec.space_from_proto(over_the_wire(codec.space_to_proto(space))) == space
    generator = random.Random(0)
    for _ in range(50):
        candidate = sample(space, generator)
        assert codec.candidate_from_proto(over_the_wire(codec.candidate_to_proto(candidate))) == candidate


ESTIMATE = Estimate(0.5, 0.1, Interval(0.3, 0.7, 0.9))
CURVE = (CurvePoint(1.0, 0.2), CurvePoint(2.0, 0.4))
TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


@pytest.mark.parametrize(
    ("value", "encode", "decode"),
    [
        (
            WarmStart(
                (
                    Suggestion(
                        Candidate({"a": 1}),
                        "f",
                        SuggestionOrigin.TRANSFERRED,
                        ESTIMATE,
                        (SourceEvidence("cora", "cora/s/1", 0.8, 0.99),),
                        "good there",
                    ),
                    Suggestion(Candidate({"a": True}), "g", SuggestionOrigin.EXPLORATION),
                ),
                (SimilarTask("cora", 0.7, (SimilarityBasis(SimilarityKind.MEASURED_AGREEMENT, -0.2, 12),)),),
                Gate(GateState.OPEN, "they agree"),
                "default/s/3",
                True,
            ),
            codec_answers.warm_start_to_proto,
            codec_answers.warm_start_from_proto,
        ),
        (WarmStart(()), codec_answers.warm_start_to_proto, codec_answers.warm_start_from_proto),
        (
            Recorded("t/s/1", True, "f", Incumbent("t/s/1", 0.0), 2),
            codec_answers.recorded_to_proto,
            codec_answers.recorded_from_proto,
        ),
        (
            Recorded("t/s/1", False, "f", None, 1, DecisionCredit.CREDITED_LATE),
            codec_answers.recorded_to_proto,
            codec_answers.recorded_from_proto,
        ),
        (Recorded("t/s/1", False, "f", None, 1), codec_answers.recorded_to_proto, codec_answers.recorded_from_proto),
        (
            Decision("d", "random", {"rate": 0.5, "name": "x"}, 0.25, 0.5, "untried", TIME, "policy"),
            codec_answers.decision_to_proto,
            codec_answers.decision_from_proto,
        ),
        (
            RecordedDecision(Decision("d", "random", expire_time=TIME), TIME, 3, 0.75, 10.0, 200.0, 42, 7),
            codec_strategies.recorded_decision_to_proto,
            codec_strategies.recorded_decision_from_proto,
        ),
        (
            StrategyExplanation(
                (ArmStatistics("random", True, 5, 0.25, 0.5, 2, 300, 0.125),),
                (
                    StrategyModel("policy", 3, "REJECTED", {"gain_lower": -0.5}, 12, TIME),
                    StrategyModel("prior", 1, "x"),
                ),
            ),
            codec_strategies.explanation_to_proto,
            codec_strategies.explanation_from_proto,
        ),
        (
            Arm("evolution", (Parameter("size", Integer(10, 100, True)),)),
            codec_answers.arm_to_proto,
            codec_answers.arm_from_proto,
        ),
        (
            Predictor(
                "v",
                "graph_network",
                300,
                1000,
                2.5,
                TIME,
                (ValidationFigures("t", 30, 0.7, None), ValidationFigures("u", 40, 0.8, 0.91, {0.5: 0.48, 0.9: 0.91})),
                "cpu",
            ),
            codec_knowledge.predictor_to_proto,
            codec_knowledge.predictor_from_proto,
        ),
        (
            ExperimentFilter(
                (ExperimentStatus.COMPLETED, ExperimentStatus.FAILED),
                NumberRange(-1.0, None),
                NumberRange(None, 7),
                {"parameters": NumberRange(1e6, 5e6), "flops": NumberRange()},
                TIME,
                TIME,
            ),
            codec_knowledge.filter_to_proto,
            codec_knowledge.filter_from_proto,
        ),
        (ExperimentFilter(), codec_knowledge.filter_to_proto, codec_knowledge.filter_from_proto),
        (
            TaskCluster("images", ("a", "b"), "both images", (TaskPosition(0.0, 1.0),), "a", -0.5, TIME),
            codec_knowledge.cluster_to_proto,
            codec_knowledge.cluster_from_proto,
        ),
        (TaskCluster("all", ("a",)), codec_knowledge.cluster_to_proto, codec_knowledge.cluster_from_proto),
        (
            Explanation(
                (SimilarTask("b", 0.5, (SimilarityBasis(SimilarityKind.PERFORMANCE_PROFILE, 0.7, 64, ("cells",)),)),),
                Gate(GateState.OPEN, "three take part"),
                "b is like it",
                (Suggestion(Candidate({"x": 1}), "f", SuggestionOrigin.TRANSFERRED),),
                (SourceWeights(0, 0.0, {"b": 0.5}), SourceWeights(8, 0.2, {"b": 0.0})),
            ),
            codec_knowledge.explanation_to_proto,
            codec_knowledge.explanation_from_proto,
        ),
        (
            Transfer(
                (
                    TransferredArchitecture(
                        "t",
                        Candidate({"x": 1}),
                        "f",
                        (ArchitectureChange("x", 2, 1, "less"), ArchitectureChange("y", 0.5, None, "without effect")),
                        Estimate(-0.2, 0.1, Interval(-0.4, 0.0, 0.9)),
                        "measured",
                        FineTuningPlan((FineTuningStage(3, 1.0, 1.0), FineTuningStage(9, 0.0, 0.8)), "near", True),
                    ),
                    TransferredArchitecture("u", Candidate({"x": 1}), "f"),
                ),
                MultiTaskProposal(Candidate({"x": 1}), "f", {"t": 0.5, "u": 0.0}, "best"),
            ),
            codec_transfer.transfer_to_proto,
            codec_transfer.transfer_from_proto,
        ),
    ],
)
def test_answers_round_trip(value: Any, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
    assert decode(over_the_wire(encode(value))) == value


def test_nan_of_a_failed_outcome_is_kept() -> None:
    sent = Outcome(ExperimentStatus.FAILED, math.nan, learning_curve=(CurvePoint(1.0, math.inf),))
    back = codec.outcome_from_proto(over_the_wire(codec.outcome_to_proto(sent)))
    assert back.objective_value is not None and math.isnan(back.objective_value)
    assert back.learning_curve[0].value == math.inf


MALFORMED: list[tuple[Callable[[], Any], str]] = [
    (lambda: codec.value_from_proto(search_space_pb2.ParameterValue()), "value"),
    (lambda: codec_knowledge.filter_to_proto(ExperimentFilter(node_count=NumberRange(1.5))), "filter.min_node_count"),
    (
        lambda: codec_knowledge.filter_from_proto(knowledge_base_service_pb2.ExperimentFilter(statuses=[0])),
        "filter.statuses[0]",
    ),
    (
        lambda: codec.candidate_from_proto(search_space_pb2.Candidate(values={"a": search_space_pb2.ParameterValue()})),
        "candidate.values[a]",
    ),
    (
        lambda: codec.candidate_from_proto(
            search_space_pb2.Candidate(values={"a" * 500: search_space_pb2.ParameterValue()}), "queries[7].candidate"
        ),
        f"queries[7].candidate.values[{'a' * 63}]",
    ),
    (
        lambda: codec.candidate_from_proto(
            search_space_pb2.Candidate(
                graph=search_space_pb2.Graph(
                    nodes=[search_space_pb2.Node(op="a", attributes={"w": search_space_pb2.ParameterValue()})]
                )
            )
        ),
        "candidate.graph.nodes[0].attributes[w]",
    ),
    (lambda: codec.parameter_from_proto(search_space_pb2.Parameter(name="a")), "parameter"),
    (
        lambda: codec.space_from_proto(
            search_space_pb2.SearchSpace(
                parameters=[
                    search_space_pb2.Parameter(
                        name="a",
                        categorical=search_space_pb2.CategoricalDomain(choices=[search_space_pb2.ParameterValue()]),
                    )
                ]
            )
        ),
        "search_space.parameters[0].categorical.choices[0]",
    ),
    (
        lambda: codec.space_from_proto(
            search_space_pb2.SearchSpace(
                parameters=[
                    search_space_pb2.Parameter(
                        name="a",
                        integer=search_space_pb2.IntegerDomain(),
                        condition=search_space_pb2.Condition(values=[search_space_pb2.ParameterValue()]),
                    )
                ]
            )
        ),
        "search_space.parameters[0].condition.values[0]",
    ),
    (
        lambda: codec.space_from_proto(
            search_space_pb2.SearchSpace(
                graph_template=search_space_pb2.GraphTemplate(nodes=[search_space_pb2.NodeTemplate(name="n")])
            )
        ),
        "search_space.graph_template.nodes[0]",
    ),
    (
        lambda: codec.space_from_proto(
            search_space_pb2.SearchSpace(
                graph_template=search_space_pb2.GraphTemplate(
                    nodes=[
                        search_space_pb2.NodeTemplate(
                            name="n", op="o", attributes={"w": search_space_pb2.AttributeTemplate()}
                        )
                    ]
                )
            )
        ),
        "search_space.graph_template.nodes[0].attributes[w]",
    ),
    (
        lambda: codec.space_from_proto(
            search_space_pb2.SearchSpace(op_roles={"none": search_space_pb2.OpRole.Value("OP_ROLE_UNSPECIFIED")})
        ),
        "search_space.op_roles[none]",
    ),
    (
        lambda: codec.space_from_proto(search_space_pb2.SearchSpace(op_roles={"none": 77})),
        "search_space.op_roles[none]",
    ),  # type: ignore[dict-item]
    (lambda: codec.task_from_proto(task_pb2.Task(task_id="t")), "task.objective"),
    (
        lambda: codec.task_from_proto(task_pb2.Task(task_id="t", objective=task_pb2.Objective(metric="m"))),
        "task.objective.direction",
    ),
    (lambda: codec.outcome_from_proto(experiment_pb2.Outcome(objective_value=1.0)), "outcome.status"),
    (
        lambda: codec_answers.record_from_proto(meta_learning_service_pb2.RecordExperimentRequest(), "records[3]"),
        "records[3].outcome.status",
    ),
    (lambda: codec_answers.record_from_proto(meta_learning_service_pb2.RecordExperimentRequest()), "outcome.status"),
    (
        lambda: codec_answers.arm_from_proto(
            meta_learning_service_pb2.Arm(name="a", hyperparameters=[search_space_pb2.Parameter(name="p")]), "arms[1]"
        ),
        "arms[1].hyperparameters[0]",
    ),
    (lambda: codec.value_to_proto(2**63), "value"),
    (lambda: codec.value_to_proto(None), "value"),  # type: ignore[arg-type]
    (lambda: codec.candidate_to_proto(Candidate({"a": [1]})), "candidate.values[a]"),  # type: ignore[dict-item]
    (lambda: codec.graph_to_proto(Graph((Node("a"),), ((0, -1),))), "graph.edges[0]"),
    (lambda: codec.parameter_to_proto(Parameter("a", Integer(0, 2**64))), "parameter.integer.upper"),
]


@pytest.mark.parametrize(("act", "field"), MALFORMED, ids=[field[:60] for _, field in MALFORMED])
def test_malformed_message_is_named(act: Callable[[], Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        act()
    assert [violation.field for violation in caught.value.violations] == [field]


def test_numbers_of_numpy_are_taken_for_what_they_are() -> None:
    for given_value, kind in (
        (numpy.int64(3), "integer_value"),
        (numpy.float32(0.5), "float_value"),
        (numpy.float64(0.5), "float_value"),
        (numpy.bool_(True), "bool_value"),
        (numpy.str_("a"), "string_value"),
    ):
        assert codec.value_to_proto(given_value).WhichOneof("kind") == kind
