"""Kendall's tau of one vector with many is that of each pair, ties and gaps included."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.knowledge.similarity.rank_correlation import kendall_tau, kendall_taus


@pytest.mark.parametrize("length", [2, 8, 48])
def test_tau_with_many_is_tau_with_each(length: int) -> None:
    generator = np.random.default_rng(length)
    # Rounded, so that some are level.
    one = generator.normal(size=length).round(1)
    others = generator.normal(size=(length, 30)).round(1)
    others[generator.uniform(size=others.shape) < 0.1] = np.nan
    others[0, 3:6] = np.nan
    others[:, 7], others[:, 8] = np.nan, 1.0
    if length > 2:
        one[1] = np.nan
    heard = np.isfinite(others) & np.isfinite(one)[:, None]
    each = [kendall_tau(one[rows], column[rows]) for column, rows in zip(others.T, heard.T, strict=True)]
    assert kendall_taus(one, others) == pytest.approx([0.0 if tau is None else tau for tau in each], abs=1e-6)
    assert None in each
