"""Descriptions of data whose numbers are known, of hard data, and of none."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, make_classification

from headstart import Objective, Task
from headstart.metafeatures import NAMES, WORDS, Description, describe


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


# Tables


def test_a_table_is_described_by_what_is_known_of_it() -> None:
    iris = load_iris()
    found = describe(iris.data, iris.target)
    assert found.descriptor == {"modality": "table", "problem": "classification"}
    numbers = found.meta_features
    assert {name: numbers[name] for name in ("instances", "features", "classes")} == {
        "instances": 150.0,
        "features": 4.0,
        "classes": 3.0,
    }
    assert (numbers["class_entropy"], numbers["class_imbalance"]) == (near(1.0), near(1.0))
    assert numbers["missing_share"] == 0.0
    # Of standardized iris: Jolliffe and others report 73 % for the first component, and 96 % for two.
    assert numbers["principal_first_share"] == pytest.approx(0.7296, abs=1e-3)
    assert numbers["principal_95_share"] == near(0.5)
    correlations = np.abs(np.corrcoef(iris.data.T)[np.triu_indices(4, 1)])
    assert numbers["correlation_mean"] == near(correlations.mean())
    assert numbers["landmark_linear"] > 0.9 > numbers["landmark_stump"] > 0.6
    assert found.missing == {}


def test_moments_are_those_of_scipy() -> None:
    import scipy.stats

    data = np.random.default_rng(0).gamma(1.0, 1.0, (500, 3))
    numbers = describe(data).meta_features
    assert numbers["skewness_mean"] == near(scipy.stats.skew(data).mean())
    assert numbers["kurtosis_mean"] == near(scipy.stats.kurtosis(data).mean())
    assert numbers["kurtosis_std"] == near(scipy.stats.kurtosis(data).std())


def test_a_data_frame_tells_numbers_words_and_gaps() -> None:
    frame = pd.DataFrame(
        {
            "age": [20.0, np.nan, 40.0, 60.0],
            "colour": ["red", "blue", None, "red"],
            "member": [True, False, True, True],
            "zip": [10115, 10115, 20095, 20095],
        }
    )
    numbers = describe(frame, pd.Series(["a", "b", "a", "a"]), categorical=["zip"]).meta_features
    assert (numbers["numeric_features"], numbers["categorical_features"]) == (1.0, 3.0)
    assert numbers["numeric_share"] == 0.25
    assert (numbers["missing_share"], numbers["incomplete_instances_share"]) == (near(2 / 16), near(0.5))
    assert (numbers["categories_mean"], numbers["categories_max"]) == (2.0, 2.0)
    assert (numbers["majority_share"], numbers["minority_share"], numbers["class_imbalance"]) == (0.75, 0.25, 3.0)
    assert numbers["class_entropy"] == near(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))


def test_the_form_of_a_table_makes_no_difference() -> None:
    data, target = make_classification(200, 8, random_state=0)
    data[data < 0] = 0.0
    plain = describe(data, target)
    assert describe(pd.DataFrame(data), pd.Series(target)) == plain
    assert describe(data.tolist(), target.tolist()) == plain
    sparse = describe(scipy.sparse.coo_matrix(data), target)
    assert sparse.meta_features == pytest.approx(plain.meta_features)
    assert plain.meta_features["zero_share"] == near((data == 0).mean())


def test_a_number_as_target_is_a_regression() -> None:
    diabetes = load_diabetes()
    found = describe(diabetes.data, diabetes.target, problem="regression")
    assert found.descriptor["problem"] == "regression"
    numbers = found.meta_features
    assert "classes" not in numbers and "landmark_naive_bayes" not in numbers
    correlations = [abs(np.corrcoef(column, diabetes.target)[0, 1]) for column in diabetes.data.T]
    assert numbers["target_correlation_max"] == near(max(correlations))
    assert 0.3 < numbers["landmark_linear"] < 0.6
    assert describe(diabetes.data, diabetes.target + 0.5).descriptor["problem"] == "regression"


def test_landmarkers_tell_what_kind_of_problem_it_is() -> None:
    generator = np.random.default_rng(0)
    data = generator.uniform(-1, 1, (600, 2))
    exclusive_or = describe(data, (data[:, 0] > 0) ^ (data[:, 1] > 0)).meta_features
    halves = describe(data, data[:, 0] + data[:, 1] > 0).meta_features
    nothing = describe(data, generator.integers(0, 2, 600)).meta_features
    assert exclusive_or["landmark_one_nn"] > 0.9
    assert exclusive_or["landmark_linear"] < 0.65
    assert halves["landmark_linear"] > 0.95 > halves["landmark_stump"]
    assert abs(nothing["landmark_one_nn"] - 0.5) < 0.1
    assert halves["mutual_information_max"] > nothing["mutual_information_max"] + 0.1
    assert "landmark_linear" not in describe(data, data[:, 0] > 0, landmarkers=False).meta_features


def test_columns_are_compared_over_the_whole_of_a_long_table() -> None:
    half = np.repeat([0.0, 1.0], 10_000)
    numbers = describe(np.column_stack([half, half])).meta_features
    assert numbers["correlation_max"] == near(1.0)
    generator = np.random.default_rng(0)
    wide = np.column_stack([generator.normal(size=(50, 100)), np.tile(generator.normal(size=(50, 1)), 900)])
    assert describe(wide).meta_features["correlation_mean"] > 0.5


def test_information_is_that_of_a_column_not_of_its_categories() -> None:
    labels = np.random.default_rng(0).permutation(np.tile(np.arange(10), 30))
    table = pd.DataFrame({"same": [f"word {label}" for label in labels], "constant": ["word"] * 300})
    numbers = describe(table, labels, landmarkers=False).meta_features
    assert numbers["mutual_information_max"] == numbers["mutual_information_mean"] == near(math.log(10))


def test_a_date_that_is_missing_counts_as_missing() -> None:
    dates = pd.to_datetime(pd.Series(["2026-01-01", None, "2026-01-02", "2026-01-02"]))
    numbers = describe(pd.DataFrame({"day": dates})).meta_features
    assert (numbers["missing_share"], numbers["categories_max"]) == (0.25, 2.0)


def test_the_same_seed_gives_the_same_numbers() -> None:
    data, target = make_classification(30_000, 20, random_state=0)
    assert describe(data, target, seed=3) == describe(data, target, seed=3)
    assert describe(data, target, seed=3) != describe(data, target, seed=4)


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (np.zeros((0, 3)), None),
        (np.zeros((5, 0)), [0, 1, 0, 1, 0]),
        (np.zeros((1, 1)), [0]),
        (np.ones((50, 3)), np.zeros(50)),
        (np.full((50, 3), np.nan), np.arange(50) % 2),
        (np.random.default_rng(0).normal(size=(50, 3)), np.full(50, np.nan)),
        (np.random.default_rng(0).normal(size=(50, 3)), np.arange(50)),
        (np.random.default_rng(0).normal(size=(50, 3)) * 1e300, np.arange(50) % 2),
        (np.array([[1.0, np.inf], [2.0, -np.inf], [3.0, 1.0]]), [0.5, np.inf, 0.25]),
        ([["a", 1], [None, 2.5], ["b", None]], ["x", None, "y"]),
        (np.random.default_rng(0).normal(size=(40, 500)), np.arange(40) % 20),
        (pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None]), "c": pd.Categorical(["u", "v"])}), [1, 2]),
        (np.random.default_rng(0).normal(size=(50, 3)), np.random.default_rng(0).integers(0, 2, (50, 4))),
    ],
)
def test_hard_tables_give_finite_numbers_and_reasons_for_the_rest(data: Any, target: Any) -> None:
    found = describe(data, target)
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.meta_features.values())
    assert all(isinstance(word, str) for word in found.descriptor.values())
    assert set(found.meta_features).isdisjoint(found.missing)
    assert all(found.missing.values())


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match="two dimensions"):
        describe(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="4 entries, the data 3"):
        describe(np.zeros((3, 2)), [1, 2, 3, 4])
    with pytest.raises(ValueError, match="no column 'b'"):
        describe(pd.DataFrame({"a": [1]}), categorical=["b"])
    with pytest.raises(ValueError, match="no data to describe"):
        describe()


def test_a_large_table_takes_seconds() -> None:
    data = np.random.default_rng(0).normal(size=(300_000, 60))
    begin = time.process_time()
    describe(data, data[:, 0] > 0)
    assert time.process_time() - begin < 20


# Images


def test_digits_are_described_as_images() -> None:
    digits = load_digits()
    found = describe(digits.images, digits.target, kind="image", layout="NHW", value_range=(0, 16))
    assert found.descriptor == {"modality": "image", "problem": "classification"}
    numbers = found.meta_features
    expected = {
        "instances": 1797,
        "width": 8,
        "height": 8,
        "resolution": 64,
        "channels": 1,
        "features": 64,
        "classes": 10,
    }
    assert {name: numbers[name] for name in expected} == expected
    pixels = digits.images / 16
    assert numbers["pixel_mean"] == near(pixels.mean())
    assert numbers["pixel_std"] == near(pixels.std())
    assert numbers["brightness_std"] == near(pixels.mean(axis=(1, 2)).std())
    assert numbers["contrast"] == near(pixels.std(axis=(1, 2)).mean())
    assert numbers["landmark_one_nn"] > 0.95
    assert "colourfulness" not in numbers


def test_the_layout_is_a_matter_of_form() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
    labels = np.arange(20) % 2
    upright = describe(images, labels, kind="image")
    assert (upright.meta_features["height"], upright.meta_features["width"]) == (6.0, 5.0)
    assert upright.meta_features["pixel_mean"] == near(images.mean() / 255)
    assert describe(np.moveaxis(images, -1, 1), labels, kind="image", layout="NCHW") == upright
    assert describe(iter(list(images)), labels, kind="image", layout="HWC") == upright
    assert describe(zip(images, labels, strict=True), kind="image") == upright
    assert describe(images.astype(np.float32) / 255, labels, kind="image").meta_features == pytest.approx(
        upright.meta_features, abs=1e-5
    )


def test_a_flat_image_has_no_entropy_and_noise_has_much() -> None:
    generator = np.random.default_rng(0)
    flat = describe(np.full((4, 64, 64, 3), 128, dtype=np.uint8), kind="image").meta_features
    noise = describe(generator.integers(0, 256, (4, 64, 64, 1), dtype=np.uint8), kind="image").meta_features
    assert (flat["pixel_entropy"], flat["contrast"], flat["edge_strength"], flat["colourfulness"]) == (0, 0, 0, 0)
    assert noise["pixel_entropy"] > 7.8
    assert noise["edge_strength"] == pytest.approx(1 / 3, abs=0.02)


def test_images_of_many_sizes_are_read_once() -> None:
    sizes = [(4, 8), (8, 8), (12, 8)]
    numbers = describe((np.zeros(size, dtype=np.uint8) for size in sizes), kind="image", layout="HW").meta_features
    assert (numbers["instances"], numbers["height"], numbers["width"]) == (3.0, 8.0, 8.0)
    assert numbers["resolution_variation"] == near(np.std([4, 8, 12]) / 8)
    assert describe([], kind="image").meta_features == {"instances": 0.0}


def test_floats_beyond_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match="value_range"):
        describe(np.full((2, 4, 4, 3), 200.0), kind="image")
    with pytest.raises(ValueError, match="4 dimensions, got 3"):
        describe(np.zeros((4, 4, 3)), kind="image")


# Graphs


def test_a_small_graph_is_counted_right() -> None:
    # A triangle with a tail, and a node alone; both directions of one edge, and a loop, are listed too.
    edges = np.array([[0, 1, 2, 2, 1, 3], [1, 2, 0, 3, 0, 3]])
    labels = [0, 0, 1, 1, -1]
    found = describe(edges, labels, kind="graph", node_count=5)
    assert found.descriptor == {"modality": "graph", "direction": "undirected", "problem": "node classification"}
    numbers = found.meta_features
    expected = {
        "nodes": 5,
        "edges": 4,
        "mean_degree": 1.6,
        "degree_max": 3,
        "density": 0.4,
        "isolated_share": 0.2,
        "loop_share": 0.2,
        "components": 2,
        "largest_component_share": 0.8,
        "homophily": 0.5,
        "labelled_share": 0.8,
        "classes": 2,
        # Two of the triangle's nodes have joined neighbours only, the third one pair of three.
        "clustering": (1 + 1 + 1 / 3) / 3,
    }
    assert {name: numbers[name] for name in expected} == pytest.approx(expected)
    assert describe(edges.T, labels, kind="graph") == found
    adjacency = scipy.sparse.coo_matrix((np.ones(6), edges), shape=(5, 5))
    assert describe(adjacency, labels, kind="graph") == found


def test_a_directed_graph_counts_each_direction() -> None:
    numbers = describe([[0, 1, 2], [1, 0, 0]], kind="graph", directed=True).meta_features
    assert (numbers["edges"], numbers["mean_degree"], numbers["reciprocity"]) == (3.0, 1.0, near(2 / 3))
    assert numbers["density"] == near(0.5)


def test_neighbours_help_where_labels_are_homophilous() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    friends = [generator.choice(np.flatnonzero(labels == labels[node]), 8) for node in range(400)]
    edges = np.array([[node, friend] for node in range(400) for friend in friends[node]])
    features = generator.normal(size=(400, 10)) + 0.4 * labels[:, None]
    numbers = describe(edges, labels, kind="graph", features=features).meta_features
    assert numbers["homophily"] == 1.0
    assert numbers["landmark_neighbours_linear"] > numbers["landmark_linear"] + 0.05
    sparse = describe(edges, labels, kind="graph", features=scipy.sparse.csr_matrix(features)).meta_features
    assert sparse == pytest.approx(numbers)


def test_negative_labels_of_a_graph_are_none_also_as_floats() -> None:
    edges = np.array([[0, 1, 2, 3], [1, 2, 3, 0]])
    found = describe(edges, np.array([0.0, 1.0, 1.0, -1.0]), kind="graph")
    assert (found.descriptor["problem"], found.meta_features["labelled_share"]) == ("node classification", 0.75)
    found = describe(edges, np.array([0.5, 1.5, 2.5, -1.0]), kind="graph")
    assert (found.descriptor["problem"], found.meta_features["labelled_share"]) == ("node regression", 1.0)


def test_the_data_of_the_caller_stay_as_they_are() -> None:
    features = scipy.sparse.csr_matrix(np.array([[1.0, np.nan], [2.0, 3.0]]))
    describe(np.array([[0], [1]]), kind="graph", features=features)
    assert np.isnan(features.toarray()[0, 1])


def test_wrong_graphs_are_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 2"):
        describe([[0], [3]], kind="graph", node_count=3)
    with pytest.raises(ValueError, match="disagree"):
        describe([[0], [1]], [0, 1], kind="graph", node_count=3)
    with pytest.raises(ValueError, match=r"\[2, edges\]"):
        describe(np.zeros((3, 3), dtype=int), kind="graph")
    empty = describe(np.zeros((2, 0), dtype=int), kind="graph", node_count=3).meta_features
    assert (empty["nodes"], empty["edges"], empty["isolated_share"]) == (3.0, 0.0, 1.0)


# Facts


def test_facts_stand_alone_or_above_what_is_computed() -> None:
    facts: dict[str, float | str] = {
        "modality": "image",
        "instances": 50_000,
        "classes": 10,
        "domain": "natural images",
    }
    assert describe(kind="facts", facts=facts) == Description(
        {"modality": "image", "domain": "natural images"}, {"instances": 50_000.0, "classes": 10.0}
    )
    sample = load_breast_cancer()
    found = describe(sample.data, sample.target, facts={"instances": 1e9, "domain": "medicine"})
    assert found.meta_features["instances"] == 1e9
    assert found.descriptor["domain"] == "medicine"


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ({"rows": 3.0}, "'rows' is no name of a meta-feature"),
        ({"classes": math.nan}, "must be a finite number"),
        ({"classes": "ten"}, "classes is a number"),
        ({"modality": 3.0}, "modality is a word"),
    ],
)
def test_wrong_facts_are_refused(fact: dict[str, float | str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        describe(kind="facts", facts=fact)


def test_a_description_goes_straight_into_a_task() -> None:
    iris = load_iris()
    found = describe(iris.data, iris.target)
    task = Task("iris", Objective("accuracy"), descriptor=found.descriptor, meta_features=found.meta_features)
    assert task.meta_features["classes"] == 3.0


# The package


def test_the_extra_is_named_where_it_is_missing() -> None:
    code = """
import sys
sys.modules["sklearn"] = sys.modules["numpy"] = None
from headstart.metafeatures import describe
print(describe(kind="facts", facts={"classes": 2}).meta_features)
try:
    describe([[1.0]], [1])
except ImportError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [
        "{'classes': 2.0}",
        'meta-features of data need numpy: pip install "headstart[metafeatures]"',
    ]


def test_every_name_is_documented_with_its_unit() -> None:
    page = (Path(__file__).parents[4] / "docs" / "meta_features.md").read_text()
    for name, (unit, meaning) in NAMES.items():
        assert f"| `{name}` | {unit} | {meaning} |" in page, name
    for word, meaning in WORDS.items():
        assert f"| `{word}` | {meaning} |" in page, word


def test_categories_of_whole_numbers_are_categories() -> None:
    codes = pd.Series(range(60)).astype("category")
    told = describe(pd.DataFrame({"zip": codes, "size": range(60)}), codes)
    assert (told.meta_features["numeric_features"], told.meta_features["categorical_features"]) == (1.0, 1.0)
    assert told.descriptor["problem"] == "classification"
    framed = describe(pd.DataFrame({"size": range(60)}), pd.DataFrame({"label": codes}))
    assert framed.descriptor["problem"] == "classification"


@pytest.mark.parametrize("gone", [math.inf, -math.inf, np.float32("inf"), Decimal("Infinity"), Decimal("sNaN"), None])
def test_what_is_not_finite_is_missing_in_columns_of_objects(gone: Any) -> None:
    table = pd.DataFrame({"x": pd.Series([1, 2.5, gone, 4], dtype=object)})
    told = describe(table)
    assert told.meta_features["missing_share"] == 0.25
    assert told.meta_features["numeric_features"] == 1.0


@pytest.mark.parametrize("number", [Decimal, Fraction])
def test_decimals_and_fractions_are_numbers(number: Any) -> None:
    values = [number(value) / 8 for value in range(40)]
    told = describe(pd.DataFrame({"price": pd.Series(values, dtype=object)}), pd.Series(values, dtype=object))
    assert told.meta_features["numeric_features"] == 1.0
    assert told.descriptor["problem"] == "regression"
