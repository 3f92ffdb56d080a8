"""Small files of the same layout as the tables of measured learning curves, with made-up curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.tables.learning_curves import NLP_FILE, TASKSET_FILE

_OPS = ("linear", "activation_tanh", "activation_sigm", "elementwise_sum", "blend")


def write_curve_tables(folder: Path, candidates: int = 210) -> None:
    generator = np.random.default_rng(0)
    nlp, taskset = folder / NLP_FILE, folder / TASKSET_FILE
    nlp.parent.mkdir(parents=True)
    taskset.parent.mkdir(parents=True)
    losses = _losses(generator, (candidates,), 50)
    losses[3, 10:] = np.nan
    np.savez(nlp, recepie=np.array([_recipe(generator) for _ in range(candidates)]), val_losses=losses)
    losses = 0.2 * _losses(generator, (12, candidates), 51)
    losses[:, 5, 20:] = np.nan
    np.savez(
        taskset,
        tasks=np.array([f"FixedTextRNNClassification_task-{number}" for number in range(12)]),
        hp_names=np.array(["learning_rate", "beta1"]),
        hp=generator.uniform(0.01, 0.99, (candidates, 2)),
        valid_loss=losses,
    )


def _losses(generator: np.random.Generator, shape: tuple[int, ...], points: int) -> np.ndarray:
    level, size = generator.uniform(1, 2, (*shape, 1)), generator.uniform(0.5, 2, (*shape, 1))
    speed = generator.uniform(0.3, 1.2, (*shape, 1))
    return level + size * np.arange(1, points + 1) ** -speed + generator.normal(0, 0.01, (*shape, points))


def _recipe(generator: np.random.Generator) -> str:
    recipe: dict[str, dict[str, object]] = {}
    for number in range(int(generator.integers(1, 6))):
        known = ["x", "h_prev_0", *recipe]
        chosen = generator.choice(len(known), 2, replace=False)
        recipe[f"node_{number}"] = {"op": str(generator.choice(_OPS)), "input": [known[place] for place in chosen]}
    recipe["h_new_0"] = {"op": "activation_tanh", "input": [list(recipe)[-1]]}
    return json.dumps(recipe)
