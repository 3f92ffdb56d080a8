"""Describes what is to be predicted: classes and how they are shared out, or a number and its distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.metafeatures.description import Findings
from headstart.metafeatures.moments import excess_kurtosis, outlier_share, skewness
from headstart.metafeatures.sampling import Indices, Numbers

# Whole numbers are labels where there are at most this many, each there three times on average; else a quantity.
_MOST_CLASSES = 50

PROBLEMS = ("classification", "regression")


@dataclass(frozen=True)
class Target:
    """``values``: class codes or numbers of the rows that have one; ``rows`` are the indices of these."""

    is_classification: bool
    values: NDArray[Any]
    rows: Indices


def read_target(findings: Findings, target: Any, count: int, problem: str | None, prefix: str = "") -> Target | None:
    """Describe a target and prepare it for models; None where there is no single one."""
    if problem is not None and problem not in PROBLEMS:
        raise ValueError(f"problem must be classification or regression, got {problem!r}")
    if target is None:
        return None
    kinds = list(target.dtypes) if hasattr(target, "columns") else [getattr(target, "dtype", None)]
    raw = np.asarray(target)
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.shape[:1] != (count,):
        raise ValueError(f"the target has {len(raw) if raw.ndim else 0} entries, the data {count} instances")
    if raw.ndim != 1:
        findings.words["problem"] = "multi-output"
        findings.add("outputs", raw[0].size if count else 0)
        return None
    present = ~is_missing(raw)
    rows = np.flatnonzero(present)
    findings.add("labelled_share", len(rows) / count if count else None, "there are no instances")
    values = raw[rows]
    is_classification = problem == "classification" if problem else is_category(kinds[0]) or _looks_like_classes(values)
    findings.words["problem"] = prefix + ("classification" if is_classification else "regression")
    if is_classification:
        return Target(True, _classes(findings, values), rows)
    numbers = values.astype(np.float64)
    _quantity(findings, numbers)
    return Target(False, numbers, rows)


def is_category(kind: Any) -> bool:
    """Whether a column was declared to be of categories (pandas), whatever these look like."""
    return getattr(kind, "categories", None) is not None


def is_number(cell: Any) -> bool:
    """Whether a cell of an array of objects is a number: also one of NumPy, a Decimal or a Fraction."""
    return isinstance(cell, Real | Decimal | np.number) and not isinstance(cell, bool)


def is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """None, NaN, NaT and the infinities, in arrays of any type."""
    if values.dtype.kind in "fc":
        return np.asarray(~np.isfinite(values))
    if values.dtype.kind in "mM":
        return np.asarray(np.isnat(values))
    if values.dtype.kind == "O":
        return np.array([_is_gone(value) for value in values], dtype=bool)
    return np.zeros(values.shape, dtype=bool)


def _is_gone(value: Any) -> bool:
    if isinstance(value, Decimal):
        return not value.is_finite()
    if isinstance(value, float | np.floating):
        return not math.isfinite(value)
    # pandas' NA and NaT are what does not equal itself.
    return value is None or _differs_from_itself(value)


def _differs_from_itself(value: Any) -> bool:
    same = value == value  # noqa: PLR0124
    try:
        return not bool(same)
    except (TypeError, ValueError):
        return True


def _looks_like_classes(values: NDArray[Any]) -> bool:
    if values.dtype.kind == "O":
        if not all(map(is_number, values)):
            return True
        values = values.astype(np.float64)
    if values.dtype.kind not in "iuf":
        return True
    if values.dtype.kind == "f" and not np.all(values == np.round(values)):
        return False
    different = len(np.unique(values))
    return different <= 2 or different <= min(_MOST_CLASSES, len(values) / 3)


def _classes(findings: Findings, values: NDArray[Any]) -> NDArray[Any]:
    labels = values if values.dtype.kind != "O" else values.astype(str)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if not len(counts):
        findings.add("classes", None, "no instance has a label")
        return codes
    shares = counts / counts.sum()
    findings.add("classes", len(counts))
    findings.add("majority_share", shares.max())
    findings.add("minority_share", shares.min())
    findings.add("class_imbalance", counts.max() / counts.min())
    entropy = -float(np.sum(shares * np.log(shares)))
    findings.add("class_entropy", entropy / np.log(len(counts)) if len(counts) > 1 else None, "there is one class")
    return codes


def _quantity(findings: Findings, numbers: Numbers) -> None:
    column = numbers[:, None]
    findings.add("target_skewness", skewness(column)[0], "the target is constant")
    findings.add("target_kurtosis", excess_kurtosis(column)[0], "the target is constant")
    findings.add("target_outlier_share", outlier_share(column), "the target is constant")
