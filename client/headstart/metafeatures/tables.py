"""Describes tables: sizes, moments, correlations, information, principal components and landmarkers."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.metafeatures.columns import Codes, Columns, read_columns
from headstart.metafeatures.description import Findings
from headstart.metafeatures.moments import excess_kurtosis, outlier_share, skewness, standardized
from headstart.metafeatures.sampling import (
    MODEL_COLUMNS,
    MODEL_ROWS,
    STATISTICS_ROWS,
    Indices,
    Numbers,
    some,
    some_of_each,
)
from headstart.metafeatures.targets import Target, read_target

# Categories of a column that become inputs of the models, the most frequent first.
_MOST_CATEGORIES = 20


def describe(
    findings: Findings,
    data: Any,
    target: Any,
    *,
    landmarkers: bool,
    seed: int,
    categorical: Collection[Any] = (),
    problem: str | None = None,
) -> None:
    generator = np.random.default_rng(seed)
    columns = read_columns(data, lambda count: some(count, STATISTICS_ROWS, generator), categorical, generator)
    findings.words["modality"] = "table"
    _sizes(findings, columns)
    describe_numbers(findings, columns.numbers, generator)
    wanted = read_target(findings, target, columns.instances, problem)
    if wanted is not None:
        _with_target(findings, columns, wanted, landmarkers, seed, generator)


def _sizes(findings: Findings, columns: Columns) -> None:
    findings.add("instances", columns.instances)
    findings.add("features", columns.features)
    findings.add("numeric_features", columns.numeric_features)
    findings.add("categorical_features", columns.categorical_features)
    empty = "the table is empty"
    findings.add("numeric_share", columns.numeric_features / columns.features if columns.features else None, empty)
    findings.add("dimensionality", columns.features / columns.instances if columns.instances else None, empty)
    findings.add("missing_share", columns.missing_share, empty)
    findings.add("incomplete_instances_share", columns.incomplete_share, empty)
    if columns.numeric_features:
        findings.add("zero_share", columns.zero_share, empty)
    if columns.categorical_features and columns.instances:
        counts = [len(np.unique(column[column >= 0])) for column in columns.codes.T]
        findings.add("categories_mean", np.mean(counts) if counts else None, "no categorical column was read")
        findings.add("categories_max", max(counts, default=None), "no categorical column was read")


def describe_numbers(findings: Findings, numbers: Numbers, generator: np.random.Generator) -> None:
    """Moments, correlations and principal components of numeric columns; nothing where there are none."""
    if not numbers.size:
        return
    constant = "all numeric columns are constant"
    for name, moments in (("skewness", skewness(numbers)), ("kurtosis", excess_kurtosis(numbers))):
        finite = moments[np.isfinite(moments)]
        findings.add(f"{name}_mean", finite.mean() if len(finite) else None, constant)
        findings.add(f"{name}_std", finite.std() if len(finite) else None, constant)
    findings.add("outlier_share", outlier_share(numbers), constant)
    rows, chosen = (some(*each, generator) for each in zip(numbers.shape, (MODEL_ROWS, MODEL_COLUMNS), strict=True))
    _between_columns(findings, numbers[rows][:, chosen])


def _between_columns(findings: Findings, numbers: Numbers) -> None:
    filled = complete(numbers)
    few = "fewer than two numeric columns vary"
    if filled.shape[1] < 2 or len(filled) < 2:
        for name in ("correlation_mean", "correlation_max", "principal_first_share", "principal_95_share"):
            findings.add(name, None, few)
        return
    correlations: Numbers = np.atleast_2d(np.corrcoef(filled, rowvar=False))
    pairs = np.abs(correlations[np.triu_indices_from(correlations, 1)])
    findings.add("correlation_mean", pairs.mean())
    findings.add("correlation_max", pairs.max())
    shares = np.maximum(np.linalg.eigvalsh(correlations)[::-1], 0.0)
    shares /= shares.sum()
    findings.add("principal_first_share", shares[0])
    # Rounding must not ask for one component more.
    needed = int(np.searchsorted(np.cumsum(shares), 0.95 - 1e-12)) + 1
    findings.add("principal_95_share", needed / len(shares))


def complete(numbers: Numbers) -> Numbers:
    """Standardized, missing cells at the mean, without the columns that do not vary."""
    scaled = standardized(numbers)
    varying = ~np.isnan(scaled).all(axis=0)
    return np.nan_to_num(scaled[:, varying])


def _with_target(
    findings: Findings, columns: Columns, target: Target, landmarkers: bool, seed: int, generator: np.random.Generator
) -> None:
    """Statistics of columns and target together, on the rows that were read and have a target."""
    place_of = {int(row): index for index, row in enumerate(columns.rows)}
    known = np.array([index for index, row in enumerate(target.rows) if int(row) in place_of], dtype=np.int64)
    values = target.values[known]
    read = np.array([place_of[int(target.rows[index])] for index in known], dtype=np.int64)
    chosen = sample_rows(values, target.is_classification, generator)
    values, read = values[chosen], read[chosen]
    inputs = model_inputs(columns.numbers[read], columns.codes[read], generator)
    if not target.is_classification:
        _target_correlations(findings, inputs, values)
    whole, discrete = whole_columns(columns.numbers[read], columns.codes[read], generator)
    _information(findings, whole, discrete, values, target.is_classification, seed)
    if landmarkers:
        from headstart.metafeatures.landmarkers import land

        land(findings, inputs, values, target.is_classification, seed)


def sample_rows(values: NDArray[Any], is_classification: bool, generator: np.random.Generator) -> Indices:
    if is_classification:
        return some_of_each(values, MODEL_ROWS, generator)
    return some(len(values), MODEL_ROWS, generator)


def model_inputs(numbers: Numbers, codes: Codes, generator: np.random.Generator) -> Numbers:
    """Standardized numbers, and categories as 0 and 1."""
    numeric = complete(numbers)
    one_hot = [
        (column == code).astype(np.float64)
        for column in codes.T
        for code in np.argsort(-np.bincount(column[column >= 0], minlength=1), kind="stable")[:_MOST_CATEGORIES]
    ]
    inputs = np.column_stack([numeric, *one_hot]) if one_hot else numeric
    return inputs[:, some(inputs.shape[1], MODEL_COLUMNS, generator)]


def whole_columns(numbers: Numbers, codes: Codes, generator: np.random.Generator) -> tuple[Numbers, NDArray[np.bool_]]:
    """Standardized numbers and category codes, a missing cell as a category of its own; and which are the latter."""
    numeric = complete(numbers)
    varying = codes[:, (codes != codes[:1]).any(axis=0)] + 1
    columns = np.column_stack([numeric, varying.astype(np.float64)])
    discrete = np.arange(columns.shape[1]) >= numeric.shape[1]
    chosen = some(columns.shape[1], MODEL_COLUMNS, generator)
    return columns[:, chosen], discrete[chosen]


def _target_correlations(findings: Findings, inputs: Numbers, values: Numbers) -> None:
    scaled = complete(values[:, None])
    if not inputs.size or not scaled.size:
        for name in ("target_correlation_mean", "target_correlation_max"):
            findings.add(name, None, "target or features do not vary")
        return
    with np.errstate(all="ignore"):
        correlations = np.abs((standardized(inputs) * scaled).mean(axis=0))
    correlations = correlations[np.isfinite(correlations)]
    findings.add("target_correlation_mean", correlations.mean() if len(correlations) else None)
    findings.add("target_correlation_max", correlations.max() if len(correlations) else None)


def _information(
    findings: Findings,
    inputs: Numbers,
    discrete: NDArray[np.bool_],
    values: NDArray[Any],
    is_classification: bool,
    seed: int,
) -> None:
    """Kraskov's estimator (Ross 2014 for classes), as scikit-learn has it."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    names = ("mutual_information_mean", "mutual_information_max")
    if is_classification:
        # A class of one tells nothing, and the estimator leaves it out.
        _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
        inputs, values = inputs[counts[codes] > 1], values[counts[codes] > 1]
    if inputs.shape[1] == 0 or len(values) < 10:
        for name in names:
            findings.add(name, None, "there are fewer than 10 labelled instances, or no features that vary")
        return
    estimate = mutual_info_classif if is_classification else mutual_info_regression
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimates = estimate(inputs, values, discrete_features=discrete, random_state=seed)
    findings.add(names[0], estimates.mean())
    findings.add(names[1], estimates.max())
