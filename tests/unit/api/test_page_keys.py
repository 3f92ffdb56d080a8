"""Whatever a page token says, its key is one that PostgreSQL takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from headstart.spaces import InvalidInput
from headstart_server.api.handlers.pagination import key_token, page_key, page_token


@pytest.mark.parametrize(
    "told", ["2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00-18:00:30", "2026-01-01T00:00:00.5+15:59:59.999999"]
)
def test_times_of_any_offset_are_taken_in_utc(told: str) -> None:
    (found,) = page_key("list", page_token("list", json.dumps([told])), [datetime])
    assert isinstance(found, datetime) and found == datetime.fromisoformat(told) and found.tzinfo is UTC


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00"])
def test_times_outside_of_the_calendar_are_refused(told: str) -> None:
    with pytest.raises(InvalidInput, match="page_token"):
        page_key("list", page_token("list", json.dumps([told])), [datetime])


@pytest.mark.parametrize("told", [-1, 2**63, 1e400, True, "1", None, []])
def test_numbers_that_no_key_has_are_refused(told: object) -> None:
    with pytest.raises(InvalidInput, match="page_token"):
        page_key("list", page_token("list", json.dumps([told])), [float if isinstance(told, float) else int])


def test_a_key_comes_back_as_it_was() -> None:
    key = (1.5, 3, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert page_key("list", key_token("list", key), [float, int, datetime]) == key
