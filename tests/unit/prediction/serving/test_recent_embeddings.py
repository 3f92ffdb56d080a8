"""The substitute of the vector index: a space is read and embedded once, and no other space waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from headstart_server.knowledge.architectures import Architecture
from headstart_server.prediction.serving.recent_embeddings import RecentArchitectures
from tests.unit.prediction.toys import toy_candidates


class Recorded:
    """The evidence of spaces; it reads a space called "slow" only when a test lets it."""

    def __init__(self) -> None:
        self.knowledge = self
        self.go_on = threading.Event()
        self.reading = threading.Event()
        self.read: list[tuple[str, int]] = []
        self.rows = [
            (number, Architecture(canonical.fingerprint, candidate, canonical))
            for number, (candidate, canonical) in enumerate(toy_candidates(3), 1)
        ]

    def features(self, namespace, search_space_id):
        return Features()

    def newest_architectures(self, namespace, search_space_id, after, limit):
        self.read.append((search_space_id, after))
        if search_space_id == "slow":
            self.reading.set()
            assert self.go_on.wait(20)
        return [row for row in reversed(self.rows) if row[0] > after]


class Features:
    def vectors(self, canonicals):
        return np.zeros((len(canonicals), 2), np.float32)


def test_search_of_one_space_does_not_wait_for_another() -> None:
    recorded = Recorded()
    recent = RecentArchitectures(recorded)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(recent.of, "default", "slow")
        assert recorded.reading.wait(20)
        quick = threads.submit(recent.of, "default", "quick")
        try:
            assert len(quick.result(5).fingerprints) == 3
        finally:
            recorded.go_on.set()
        assert len(slow.result(5).fingerprints) == 3


def test_two_searches_of_a_space_read_it_once() -> None:
    recorded = Recorded()
    recent = RecentArchitectures(recorded)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(recent.of, "default", "slow") for _ in range(2)]
        assert recorded.reading.wait(20)
        recorded.go_on.set()
        assert [len(each.result(5).fingerprints) for each in both] == [3, 3]
    assert [after for _, after in recorded.read] == [0, 3]
