"""Asks a Chroma whether it works: a vector is written and read again, in a collection of the probe's own.

A heartbeat only says that a process listens. After a full disk Chroma's answered while every write hung.
"""

from __future__ import annotations

import random
from typing import Any

import httpx

COLLECTION = "headstart-probe"
# Seconds for each of the three requests.
SECONDS = 5.0

_COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def problem(url: str, seconds: float | None = None) -> str | None:
    """The reason why the Chroma at ``url`` cannot write and read a vector; None if it does both."""
    vector = [random.random(), 1.0]
    try:
        with httpx.Client(base_url=url, timeout=seconds or SECONDS, trust_env=False) as client:
            number = _post(client, "", {"name": COLLECTION, "get_or_create": True})["id"]
            _post(client, f"/{number}/upsert", {"ids": ["probe"], "embeddings": [vector]})
            answer = _post(client, f"/{number}/get", {"ids": ["probe"], "include": ["embeddings"]})
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    # Another process may have written since.
    return None if answer.get("ids") == ["probe"] else "a vector that was written is not found"


def _post(client: httpx.Client, path: str, content: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(_COLLECTIONS + path, json=content)
    answer.raise_for_status()
    result = answer.json()
    if not isinstance(result, dict):
        raise ValueError("the answer is no object")
    return result
