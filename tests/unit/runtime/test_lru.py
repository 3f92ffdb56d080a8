"""A bounded cache keeps what is used."""

from __future__ import annotations

import numpy as np

from headstart_server.runtime.array_bytes import array_bytes
from headstart_server.runtime.lru import Lru, LruShare


def test_what_was_used_longest_ago_goes_first() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c"), len(cache)) == (1, 3, 2)


def test_looking_whether_something_is_there_is_no_use_of_it() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert "a" in cache
    cache.put("c", 3)
    assert "a" not in cache


def test_the_first_to_make_a_value_wins() -> None:
    cache: Lru[str, list[int]] = Lru(2)
    first: list[int] = []
    assert cache.setdefault("a", first) is first
    assert cache.setdefault("a", [1]) is first


def test_large_values_make_room_by_their_size() -> None:
    cache: Lru[str, str] = Lru(10, len)
    cache.put("a", "xxx")
    cache.put("b", "xxx")
    cache.put("a", "x")
    assert cache.total == 4
    cache.put("c", "xxxxxxxx")
    assert (cache.get("a"), cache.get("b"), cache.total) == ("x", None, 9)
    cache.put("d", "x" * 11)
    assert (len(cache), cache.total) == (0, 0), "what is larger than all is not kept"


def test_caches_that_share_a_bound_have_keys_of_their_own() -> None:
    shared: Lru[tuple[int, str], int] = Lru(3)
    one, other = LruShare(shared), LruShare(shared)
    one.put("a", 1)
    other.put("a", 2)
    assert (one.get("a"), other.get("a")) == (1, 2)
    for number in range(3):
        other.put(str(number), number)
    assert one.get("a") is None and len(shared) == 3


def test_arrays_count_once_wherever_they_are() -> None:
    class Fitted:
        def __init__(self) -> None:
            self.numbers = np.zeros(1000)
            self.parts = [{"again": self.numbers}, (np.zeros(500), "text")]

    assert 12_000 <= array_bytes(Fitted()) < 13_000
