"""What the texts of MLflow runs become; no store is needed for that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from headstart.history.mapping import mapping_of
from headstart.history.model import Run
from headstart.history.sources import mlflow_runs


def test_a_parameter_with_a_type_keeps_its_text() -> None:
    info = SimpleNamespace(run_id="r1", status="FINISHED", start_time=0, end_time=1000)
    data = SimpleNamespace(params={"arch": "12e4", "width": "64"}, metrics={})
    store: Any = None
    mapping = mapping_of({"convert": {"arch": {"type": "text"}}})
    run = mlflow_runs._run(store, SimpleNamespace(info=info, data=data), "acc", mapping, "")
    assert isinstance(run, Run)
    assert run.values == {"arch": "12e4", "width": 64}
