"""A small file of the same layout as the table of XGBoost on OpenML, with made-up values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.tables.xgboost_openml import XGBOOST_FILE

_TREES = {"parent": "booster", "values": ["dart", "gbtree"]}
_COLUMNS = [
    {"name": "nrounds", "kind": "integer", "low": 7, "high": 2981, "log": True},
    {"name": "eta", "kind": "float", "low": 0.001, "high": 1.0, "log": True, "condition": _TREES},
    {
        "name": "rate_drop",
        "kind": "float",
        "low": 0.0,
        "high": 1.0,
        "log": False,
        "condition": {"parent": "booster", "values": ["dart"]},
    },
    {"name": "booster", "kind": "categorical", "choices": ["gblinear", "gbtree", "dart"]},
]
_BOOSTERS = {"gblinear": 0.0, "gbtree": 1.0, "dart": 2.0}


def write_xgboost_table(folder: Path, tasks: int = 50, configurations: int = 240) -> None:
    """The last task has no plausible values; the last configuration is the default, the one before has dart."""
    generator = np.random.default_rng(0)
    path = folder / XGBOOST_FILE
    path.parent.mkdir(parents=True)
    config = np.stack([_row(generator, "gblinear" if n % 3 == 0 else "gbtree") for n in range(configurations)])
    config[-2] = _row(generator, "dart")
    config[-1] = [100, 0.3, np.nan, 1.0]
    elite = np.stack([_row(generator, "gbtree") for _ in range(5)])
    quality = generator.uniform(0.4, 0.8, (1, configurations + 5, 1))
    values = np.clip(quality + generator.normal(0, 0.05, (tasks, configurations + 5, 1)), 0, 1)
    values = np.concatenate([values, 1 - values], axis=2)
    np.savez(
        path,
        tasks=np.array([str(number) for number in range(1, tasks + 1)]),
        name=np.array(["known" if number % 2 else "" for number in range(tasks)]),
        targets=np.array(["acc", "logloss"]),
        space_json=np.array(json.dumps(_COLUMNS)),
        config=config.astype(np.float32),
        value=values[:, :configurations].astype(np.float32),
        elite_config=elite.astype(np.float32),
        elite_value=values[:, configurations:].astype(np.float32),
        default_names=np.array(["dart_default", "xgboost_default_100"]),
        task_ok=np.arange(tasks) < tasks - 1,
        n_instances=np.full(tasks, 1000, np.int32),
        n_features=np.full(tasks, 20, np.int32),
        n_classes=np.where(np.arange(tasks) == 0, -1, 2).astype(np.int32),
    )


def _row(generator: np.random.Generator, booster: str) -> np.ndarray:
    trees = booster != "gblinear"
    return np.array(
        [
            generator.integers(7, 2982),
            10 ** generator.uniform(-3, 0) if trees else np.nan,
            generator.uniform() if booster == "dart" else np.nan,
            _BOOSTERS[booster],
        ]
    )
