"""Reads a table of any accepted form into numeric columns, with NaN for missing cells, and category codes.

Accepted are NumPy arrays, pandas DataFrames, SciPy sparse matrices and lists of rows. Of a long or wide table only some
rows and columns are read, counts are of all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from headstart.metafeatures.sampling import STATISTICS_COLUMNS, Indices, Numbers, some
from headstart.metafeatures.targets import is_category, is_missing, is_number

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """``numbers`` [rows, numeric columns] and ``codes`` [rows, categorical columns] (-1: missing) of ``rows``.

    The counts are of the whole table where that is cheap, else of the columns that were read.
    """

    instances: int
    features: int
    numeric_features: int
    categorical_features: int
    missing_share: float
    incomplete_share: float
    zero_share: float
    rows: Indices
    numbers: Numbers
    codes: Codes


def read_columns(data: Any, rows_of: Any, categorical: Collection[Any], generator: np.random.Generator) -> Columns:
    """``rows_of`` chooses the rows to read from their number. Raises ValueError for what is no table."""
    if scipy.sparse.issparse(data):
        return _sparse(data, rows_of, generator)
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        names = list(data.columns)
        unknown = [name for name in categorical if name not in names]
        if unknown:
            raise ValueError(f"there is no column {', '.join(map(repr, unknown))}")
        columns = [data.iloc[:, index].to_numpy() for index in range(len(names))]
        chosen = {
            index
            for index, (name, kind) in enumerate(zip(names, data.dtypes, strict=True))
            if name in categorical or is_category(kind)
        }
        return _dense(columns, len(data), chosen, rows_of, generator)
    table = np.asarray(data)
    if table.dtype.kind in "US":
        # Lists with words in them become texts as a whole; as objects each cell stays what it is.
        table = np.asarray(data, dtype=object) if not isinstance(data, np.ndarray) else table.astype(object)
    if table.ndim != 2:
        raise ValueError(f"a table has two dimensions, got {table.ndim}: for images say kind='image'")
    width = table.shape[1]
    outside = [index for index in categorical if not (isinstance(index, int) and -width <= index < width)]
    if outside:
        raise ValueError(f"there is no column {', '.join(map(repr, outside))}: there are {width}")
    chosen = {index % width for index in categorical}
    return _dense([table[:, index] for index in range(width)], len(table), chosen, rows_of, generator)


def _dense(
    columns: list[NDArray[Any]], instances: int, categorical: Collection[int], rows_of: Any, generator: Any
) -> Columns:
    rows: Indices = rows_of(instances)
    read = {int(index) for index in some(len(columns), STATISTICS_COLUMNS, generator)}
    numbers: list[Numbers] = []
    codes: list[Codes] = []
    missing = 0
    incomplete = np.zeros(instances, dtype=bool)
    numeric_features = 0
    for index, column in enumerate(columns):
        gone = is_missing(column)
        missing += int(gone.sum())
        incomplete |= gone
        is_numeric = index not in categorical and _is_numeric(column, gone)
        numeric_features += is_numeric
        if index in read and is_numeric:
            numbers.append(_as_numbers(column[rows], gone[rows]))
        elif index in read:
            codes.append(_as_codes(column[rows], gone[rows]))
    table = _stacked(numbers, len(rows), np.float64)
    cells = instances * len(columns)
    return Columns(
        instances=instances,
        features=len(columns),
        numeric_features=numeric_features,
        categorical_features=len(columns) - numeric_features,
        missing_share=missing / cells if cells else np.nan,
        incomplete_share=float(incomplete.mean()) if instances else np.nan,
        zero_share=float((table == 0).mean()) if table.size else np.nan,
        rows=rows,
        numbers=table,
        codes=_stacked(codes, len(rows), np.int64),
    )


def _sparse(data: Any, rows_of: Any, generator: np.random.Generator) -> Columns:
    """Cells that are not stored are zeros, not missing."""
    matrix = scipy.sparse.csr_matrix(data, dtype=np.float64)
    instances, features = matrix.shape
    gone = scipy.sparse.csr_matrix((~np.isfinite(matrix.data), matrix.indices, matrix.indptr), matrix.shape)
    rows: Indices = rows_of(instances)
    numbers = matrix[rows][:, some(features, STATISTICS_COLUMNS, generator)].toarray()
    numbers[~np.isfinite(numbers)] = np.nan
    cells = instances * features
    return Columns(
        instances=instances,
        features=features,
        numeric_features=features,
        categorical_features=0,
        missing_share=float(gone.sum()) / cells if cells else np.nan,
        incomplete_share=float((np.asarray(gone.sum(axis=1)).ravel() > 0).mean()) if instances else np.nan,
        zero_share=1.0 - matrix.count_nonzero() / cells if cells else np.nan,
        rows=rows,
        numbers=numbers,
        codes=np.zeros((len(rows), 0), dtype=np.int64),
    )


def _is_numeric(column: NDArray[Any], gone: NDArray[np.bool_]) -> bool:
    if column.dtype.kind in "iuf":
        return True
    if column.dtype.kind != "O":
        return False
    present = column[~gone]
    return len(present) > 0 and all(map(is_number, present))


def _as_numbers(column: NDArray[Any], gone: NDArray[np.bool_]) -> Numbers:
    numbers = np.full(len(column), np.nan)
    numbers[~gone] = column[~gone].astype(np.float64)
    return numbers


def _as_codes(column: NDArray[Any], gone: NDArray[np.bool_]) -> Codes:
    codes = np.full(len(column), -1, dtype=np.int64)
    codes[~gone] = np.unique(column[~gone].astype(str), return_inverse=True)[1]
    return codes


def _stacked(columns: Iterable[NDArray[Any]], rows: int, kind: Any) -> Any:
    parts = list(columns)
    return np.column_stack(parts) if parts else np.zeros((rows, 0), dtype=kind)
