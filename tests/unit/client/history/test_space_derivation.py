"""The search space that runs moved in: domains, and when a parameter is there."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from headstart.history.checking import Unfit, to_record
from headstart.history.mapping import mapping_of
from headstart.history.model import Run, UsageProblem
from headstart.history.space_derivation import SpaceDerivation, fitted, merged
from headstart.spaces import Categorical, Condition, Float, Integer, Ordering, SearchSpace, space_violations
from headstart.values import CurvePoint, ExperimentStatus


def derived(*rows: dict[str, Any], failed: tuple[dict[str, Any], ...] = (), **known: Any) -> SearchSpace:
    derivation = SpaceDerivation(**known)
    for row in rows:
        derivation.observe(row, completed=True)
    for row in failed:
        derivation.observe(row, completed=False)
    space = derivation.space("derived")
    assert list(space_violations(space)) == []
    return space


def domains(space: SearchSpace) -> dict[str, Any]:
    return {parameter.name: parameter.domain for parameter in space.parameters}


def conditions(space: SearchSpace) -> dict[str, Any]:
    return {parameter.name: parameter.condition for parameter in space.parameters if parameter.condition}


def run(values: dict[str, Any], **fields: Any) -> Run:
    return Run("line 1", "1", values, fields.pop("status", ExperimentStatus.COMPLETED), **fields)


def test_numbers_span_ranges_and_words_are_choices() -> None:
    space = derived(
        {"depth": 2, "width": 10, "rate": 0.5, "step": 1, "kind": "b", "bias": True, "cap": "none"},
        {"depth": 7, "width": 1000, "rate": -1.0, "step": 0.25, "kind": "a", "bias": False, "cap": 3},
    )
    assert domains(space) == {
        "depth": Integer(2, 7),
        "width": Integer(10, 1000, True),
        "rate": Float(-1.0, 0.5),
        "step": Float(0.25, 1.0),
        "kind": Categorical(("a", "b")),
        "bias": Categorical((False, True)),
        "cap": Categorical((3, "none")),
    }


def test_a_parameter_is_there_where_another_says_so() -> None:
    space = derived(
        {"kind": "net", "momentum": 0.5, "batch": 3},
        {"kind": "tree", "depth": 3, "batch": 3},
        {"kind": "forest", "depth": 4, "trees": 9, "batch": 5},
    )
    assert conditions(space) == {
        "depth": Condition("kind", ("forest", "tree")),
        "momentum": Condition("kind", ("net",)),
        "trees": Condition("kind", ("forest",)),
    }


def test_a_count_that_decides_does_so_to_the_end_of_its_range() -> None:
    rows = [{"layers": count, **{f"units_{index}": 8 for index in range(count)}} for count in (1, 3, 6)]
    assert conditions(derived(*rows, domains={"layers": Integer(1, 8)})) == {
        "units_1": Condition("layers", (3, 4, 5, 6, 7, 8)),
        "units_2": Condition("layers", (3, 4, 5, 6, 7, 8)),
        "units_3": Condition("layers", (6, 7, 8)),
        "units_4": Condition("layers", (6, 7, 8)),
        "units_5": Condition("layers", (6, 7, 8)),
    }


def test_what_nothing_explains_gets_a_parameter_that_says_so() -> None:
    space = derived({"x": 0.1, "extra": 1}, {"x": 0.1}, {"x": 0.2, "extra": 2}, {"x": 0.2})
    assert conditions(space) == {"extra": Condition("has_extra", (True,))}
    with_extra, _ = to_record(run({"x": 0.1, "extra": 1}, objective_value=1.0), space, "task")
    without, _ = to_record(run({"x": 0.1}, objective_value=1.0), space, "task")
    assert with_extra.candidate.values == {"x": 0.1, "extra": 1, "has_extra": True}
    assert without.candidate.values == {"x": 0.1, "has_extra": False}


def test_a_run_that_failed_early_does_not_make_its_missing_parameters_optional() -> None:
    space = derived({"x": 0.1, "y": 1}, {"x": 0.2, "y": 2}, failed=({"x": 0.3},))
    assert conditions(space) == {}
    assert domains(space)["x"] == Float(0.1, 0.3)
    with pytest.raises(Unfit, match=r"values\[y\]: missing"):
        to_record(run({"x": 0.3}, status=ExperimentStatus.FAILED), space, "task")


def test_every_completed_run_fits_the_space_that_it_helped_to_make() -> None:
    generator = random.Random(0)
    for _ in range(200):
        names = "abcdef"[: generator.randint(1, 6)]
        rows = [
            {
                name: generator.choice([1, 2, 2.5, True, "one", "two", -3])
                for name in names
                if generator.random() < 0.8 or name == "a"
            }
            for _ in range(generator.randint(1, 12))
        ]
        space = derived(*rows)
        for row in rows:
            record, _ = to_record(run(row, objective_value=1.0), space, "task")
            kept = {name: value for name, value in record.candidate.values.items() if not name.startswith("has_")}
            assert kept == row


def test_too_many_words_are_no_choices() -> None:
    with pytest.raises(UsageProblem, match="'name' has more than 4096"):
        derived(*({"name": f"run {index}"} for index in range(5000)))
    with pytest.raises(UsageProblem, match="no run with parameters"):
        derived()


def mixed(numbers: int, words: int, **known: Any) -> dict[str, Any]:
    values = [*range(1, numbers + 1), *(f"{index}x" for index in range(words))]
    return domains(derived(*({"n": value} for value in values), **known))


def test_a_few_words_among_many_numbers_of_a_text_source_are_broken_numbers() -> None:
    assert mixed(60, 3, texts=True) == {"n": Integer(1, 60)}
    assert mixed(6000, 1, texts=True) == {"n": Integer(1, 6000, True)}
    space = derived(*({"n": value} for value in [*range(1, 40), "3x"]), texts=True)
    with pytest.raises(Unfit, match="must be an integer, got '3x'"):
        to_record(run({"n": "3x"}, objective_value=1.0), space, "task")


def test_words_are_choices_where_they_are_many_or_the_numbers_few_or_the_source_knows_kinds() -> None:
    for space in (mixed(60, 4, texts=True), mixed(20, 1, texts=True), mixed(60, 1)):
        assert isinstance(space["n"], Categorical)


def test_ranges_that_changed_between_runs_are_joined() -> None:
    assert merged([Integer(1, 5), Integer(3, 9)]) == Integer(1, 9)
    assert merged([Float(0.1, 1.0, True), Float(0.01, 0.5, True)]) == Float(0.01, 1.0, True)
    assert merged([Integer(1, 5), Float(0.5, 2.0)]) == Float(0.5, 5.0)
    assert merged([Categorical(("a", "b")), Categorical(("b", "c"))]) == Categorical(("a", "b", "c"))
    assert merged([Categorical((16, 32)), Categorical((16, 32, 64))]) == Categorical((16, 32, 64))
    assert merged([Categorical((2, 4)), Float(8.0, 16.0)]) == Float(2.0, 16.0)
    assert merged([Integer(2, 8), Float(8.0, 16.0)]) == Float(2.0, 16.0)
    with pytest.raises(UsageProblem):
        merged([Categorical(("a",)), Float(0.0, 1.0)])


@pytest.mark.parametrize(
    ("domains", "whole"),
    [
        ([Categorical(tuple(range(16, 257, 16))), Integer(16, 512)], Integer(16, 512)),
        ([Categorical((16, 32, 64)), Integer(8, 48, True)], Integer(8, 64, True)),
        ([Categorical((16.0, 32.0)), Integer(8, 48)], Integer(8, 48)),
        ([Categorical((0, 16)), Integer(1, 48, True)], Integer(0, 48)),
        ([Categorical((16, 32.5)), Integer(8, 48)], Float(8.0, 48.0)),
    ],
)
def test_whole_numbers_stay_whole_when_steps_and_choices_change(domains: list[Any], whole: Any) -> None:
    assert merged(domains) == whole
    assert merged(reversed(domains)) == whole


def test_whole_numbers_stay_whole_when_some_are_written_with_a_point() -> None:
    assert domains(derived({"batch": 16}, {"batch": 72.0}))["batch"] == Integer(16, 72)
    assert domains(derived({"batch": 16}, {"batch": 72.5}))["batch"] == Float(16.0, 72.5)
    assert domains(derived({"rate": 0.0}, {"rate": 1.0}))["rate"] == Float(0.0, 1.0)


def test_values_take_the_form_of_their_domain_and_no_other_value() -> None:
    assert fitted(3.0, Integer(1, 5)) == 3 and isinstance(fitted(3.0, Integer(1, 5)), int)
    assert fitted(3.5, Integer(1, 5)) == 3.5
    assert fitted(0.1 * 3, Categorical((0.1, 0.3))) == 0.3
    assert fitted(True, Categorical((1, 2))) is True


def test_what_is_beside_the_point_is_left_out_and_told() -> None:
    space = derived({"x": 0.1})
    points = (CurvePoint(2.0, 0.5), CurvePoint(1.0, float("nan")), CurvePoint(2.0, 0.6), CurvePoint(-1.0, 0.1))
    record, notes = to_record(
        run(
            {"x": 0.1},
            objective_value=0.5,
            metrics={"good": 1.0, "bad": float("inf"), "": 2.0},
            learning_curve=points,
            cost_seconds=-3.0,
            seed=2**70,
        ),
        space,
        "task",
    )
    assert record.outcome.metrics == {"good": 1.0}
    assert record.outcome.learning_curve == (CurvePoint(2.0, 0.6),)
    assert (record.outcome.cost_seconds, record.outcome.seed) == (None, None)
    assert len(notes) == 5


def test_a_long_curve_keeps_its_ends() -> None:
    points = tuple(CurvePoint(float(step), float(step)) for step in range(50_000))
    record, notes = to_record(run({"x": 1}, objective_value=1.0, learning_curve=points), derived({"x": 1}), "task")
    curve = record.outcome.learning_curve
    assert (len(curve), curve[0], curve[-1]) == (10_000, points[0], points[-1])
    assert all(earlier.fidelity < later.fidelity for earlier, later in pairwise(curve))
    assert len(notes) == 1


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 1e200])
def test_a_completed_run_needs_a_value_and_a_failed_one_does_not(value: float | None) -> None:
    space = derived({"x": 1})
    with pytest.raises(Unfit):
        to_record(run({"x": 1}, objective_value=value), space, "task")
    record, _ = to_record(run({"x": 1}, objective_value=value, status=ExperimentStatus.FAILED), space, "task")
    assert record.outcome.objective_value is value


def test_the_same_entry_has_the_same_request_id_in_its_task_only() -> None:
    space = derived({"x": 1})
    ids = [
        to_record(run({"x": 1}, objective_value=v), space, task)[0].request_id
        for v, task in ((1, "a"), (2, "a"), (1, "b"))
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_mapping_file_says_that_numbers_are_names() -> None:
    def declared(**fields: Any) -> Any:
        return mapping_of({"space": {"parameters": {"code": {"type": "categorical", "choices": [3, 1, 2], **fields}}}})

    assert declared(ordering="unordered").domains == {"code": Categorical((3, 1, 2), Ordering.UNORDERED)}
    assert declared().domains["code"].ordered_choices == (1, 2, 3)
    with pytest.raises(UsageProblem, match=r"code\.ordering must be one of auto, ordered, unordered, got 'sorted'"):
        declared(ordering="sorted")
