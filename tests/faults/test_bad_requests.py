"""Requests that nobody should send are refused by field, change nothing, and tell nothing of another tenant."""

from __future__ import annotations

import pytest

from benchmarks.reliability.bad_requests import SERVICES, run


@pytest.mark.timeout(300)
def test_bad_requests_to_every_call_are_refused_without_a_fault() -> None:
    met = run(230, seed=1)
    assert met.faults == []
    assert {call for call, _ in met.answers} == {method.name for service in SERVICES for method in service.methods}
    # Some were right, and met what lies behind the first check.
    assert met.answers.total() > sum(number for (_, status), number in met.answers.items() if status != "OK")
