"""A client of the shared service for the tests of imports and exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import headstart


@pytest.fixture
def client(shared_service: Any) -> Iterator[headstart.Client]:
    with headstart.connect(shared_service.address) as client:
        yield client
