"""No namespace has everything while others may come; what does not fit is not given."""

from __future__ import annotations

import pytest

from headstart_server.api.admission.shares import Shares


def taken(shares: Shares, namespace: str) -> int:
    number = 0
    while shares.take(namespace):
        number += 1
    return number


def test_something_is_left_for_those_who_come_next() -> None:
    shares = Shares(256, fair=True)
    numbers = [taken(shares, name) for name in ("a", "b", "c")]
    assert numbers[0] > 192 and min(numbers) >= 8
    for _ in range(numbers[0]):
        shares.free("a")
    assert taken(shares, "c") > 128


def test_the_only_namespace_has_everything() -> None:
    assert taken(Shares(256, fair=False), "a") == 256


@pytest.mark.parametrize("fair", [True, False])
def test_what_exceeds_the_whole_waits_until_all_is_free(fair: bool) -> None:
    shares = Shares(100, fair)
    assert shares.take("a", 10)
    assert not shares.take("b", 1000)
    shares.free("a", 10)
    assert shares.take("b", 1000)
    assert not shares.take("a", 1)
    shares.free("b", 1000)
    assert shares.take("a", 100)
