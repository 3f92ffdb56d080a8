"""A bounded cache keeps what is used."""

from __future__ import annotations

from headstart_server.runtime.lru import Lru


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
