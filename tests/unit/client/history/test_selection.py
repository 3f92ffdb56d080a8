"""What a mapping file changes in the runs of a source that knows its own columns."""

from __future__ import annotations

from typing import Any

import pytest

from headstart.history.mapping import mapping_of
from headstart.history.model import Run, UsageProblem
from headstart.history.selection import selected, text_value
from headstart.history.sources import SourceHistory
from headstart.values import CurvePoint, Direction, ExperimentStatus, Objective, Task


def history(*runs: Run) -> SourceHistory:
    return SourceHistory("runs", Task("", Objective("acc", Direction.MAXIMIZE)), lambda: iter(runs))


def run(**fields: Any) -> Run:
    return Run("trial 1", "1", {"lr": 0.1}, ExperimentStatus.COMPLETED, **fields)


def test_the_objective_and_its_curve_are_converted_with_their_column() -> None:
    given = run(
        objective_value=90.0,
        metrics={"acc": 1.0, "loss": 50.0, "f1": 0.5},
        learning_curve=(CurvePoint(1.0, 80.0), CurvePoint(2.0, 90.0)),
    )
    mapping = mapping_of({"convert": {"acc": {"scale": 0.5, "offset": 1.0}, "loss": {"scale": 0.5}}})
    (read,) = selected(history(given), mapping).runs()
    assert isinstance(read, Run)
    assert read.objective_value == 46.0
    assert read.learning_curve == (CurvePoint(1.0, 41.0), CurvePoint(2.0, 46.0))
    assert read.metrics == {"acc": 1.5, "loss": 25.0, "f1": 0.5}


def test_a_run_without_a_value_has_none_after_a_conversion() -> None:
    (read,) = selected(history(run()), mapping_of({"convert": {"acc": {"scale": 0.01}}})).runs()
    assert isinstance(read, Run) and read.objective_value is None


@pytest.mark.parametrize("column", ["acc", "loss", "size"])
@pytest.mark.parametrize("conversion", [{"type": "integer"}, {"values": {"high": 1}}])
def test_words_and_types_of_metrics_cannot_be_converted(column: str, conversion: dict[str, Any]) -> None:
    content = {"columns": {"metrics": ["loss"], "proxies": ["size"]}, "convert": {column: conversion}}
    with pytest.raises(UsageProblem, match=f"convert.{column}"):
        selected(history(), mapping_of(content))


def test_columns_that_no_run_has_are_known_after_reading() -> None:
    mapping = mapping_of(
        {
            "columns": {"parameters": ["lr", "layrs"], "metrics": ["loss", "los"], "proxies": ["size"], "seed": "sede"},
            "convert": {"acc": {"scale": 2}, "loss": {"scale": 2}, "lr": {"scale": 2}, "f1": {"type": "text"}, "b": {}},
        }
    )
    read = selected(history(run(objective_value=1.0, metrics={"loss": 1.0, "f1": 0.5})), mapping)
    assert read.met is not None
    assert (read.met.missing_parameters(), read.met.missing()) == ([], [])
    list(read.runs())
    assert read.met.missing_parameters() == ["layrs"]
    assert read.met.missing() == [
        "columns.parameters 'layrs'",
        "columns.seed 'sede'",
        "columns.metrics 'los'",
        "columns.proxies 'size'",
        "convert.f1",
        "convert.b",
    ]


def test_a_text_with_a_type_is_left_to_the_conversion() -> None:
    mapping = mapping_of({"convert": {"arch": {"type": "text"}, "lr": {"scale": 2.0}}})
    assert text_value("12e4", "arch", mapping) == "12e4"
    assert text_value("0.5", "lr", mapping) == 0.5
    assert text_value("true", "bias", mapping) is True
