"""Statistics of numeric columns [rows, columns] with missing cells (NaN); NaN where a column is empty or constant."""

from __future__ import annotations

import warnings

import numpy as np

from headstart.metafeatures.sampling import Numbers


def standardized(columns: Numbers) -> Numbers:
    """Centred and scaled to unit deviation; constant columns are NaN."""
    if not len(columns):
        return columns
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        # Scaled first, so that squares of large numbers stay finite.
        scale = np.nanmax(np.abs(columns), axis=0)
        scaled = columns / np.where(scale > 0, scale, 1.0)
        centred = scaled - np.nanmean(scaled, axis=0)
        deviation = np.nanstd(scaled, axis=0)
        # What is left of a constant column after rounding is no variation.
        return np.asarray(centred / np.where(deviation > 1e-12, deviation, np.nan))


def skewness(columns: Numbers) -> Numbers:
    """Third standardized moment of each column."""
    return _mean(standardized(columns) ** 3)


def excess_kurtosis(columns: Numbers) -> Numbers:
    """Fourth standardized moment of each column, less that of the normal distribution."""
    return _mean(standardized(columns) ** 4) - 3.0


def outlier_share(columns: Numbers) -> float:
    """Share of the values of varying columns beyond 1.5 interquartile ranges of the quartiles (Tukey's fences)."""
    varying = columns[:, ~np.isnan(standardized(columns)).all(axis=0)]
    if varying.size == 0:
        return float("nan")
    lower, upper = np.nanpercentile(varying, (25, 75), axis=0)
    reach = 1.5 * (upper - lower)
    outside = (varying < lower - reach) | (varying > upper + reach)
    return float(outside.sum() / (~np.isnan(varying)).sum())


def _mean(columns: Numbers) -> Numbers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(columns, axis=0))
