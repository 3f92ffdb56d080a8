"""A refused name of a metric or proxy says which it is."""

from __future__ import annotations

import pytest

from headstart_server.knowledge.outcomes import Outcome, Status, outcome_violations


@pytest.mark.parametrize("field", ["metrics", "proxies"])
def test_a_name_that_is_too_long_is_named(field: str) -> None:
    outcome = Outcome(Status.COMPLETED, 0.5, **{field: {"good": 1.0, "n" * 300: 2.0}})  # type: ignore[arg-type]
    (violation,) = outcome_violations(outcome)
    assert violation.field == f"outcome.{field}[{'n' * 63}]"
