"""The table of all threads of the service: their number, their work, and what they may wait for.

Every thread is started from a row of this table (``tests/unit/test_threads.py`` keeps it so). Beside
them run the event loop of a server (it waits for nothing but its sockets), one thread of gRPC, the OpenMP threads of
torch (HEADSTART_TORCH_THREADS), and a prometheus_client thread that serves metrics.

Processes: ``serve`` is one, or HEADSTART_PROCESSES behind one port (``roles/replicas.py``); ``up`` is a supervisor with
PostgreSQL, Chroma, one server and one worker as children (``roles/supervisor.py``); ``jobs --engine local`` starts one
for each --parallel (``roles/job_engines.py``); training, scoring and indexing never start one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Threads:
    """A kind of thread. ``count`` is the most at one time in a process; None: a setting decides."""

    name: str
    count: int | None
    role: str
    work: str
    waits_for: str

    def executor(self, count: int | None = None) -> ThreadPoolExecutor:
        """A pool of these threads; ``count`` where a setting decides."""
        size = self.count if self.count is not None else count
        assert size is not None, self.name
        return ThreadPoolExecutor(size, thread_name_prefix=self.name)

    def start(self, target: Callable[..., object], *arguments: Any, about: str = "") -> threading.Thread:
        """Start one as a daemon; ``about`` follows in its name. Raises RuntimeError where none is to be had."""
        name = f"{self.name} {about}".rstrip()
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        return thread


DATABASE = Threads(
    "database",
    None,
    "server",
    "calls that read and write rows (HEADSTART_DATABASE_THREADS)",
    "PostgreSQL, a lock of its task or space; Chroma for a search",
)
MODELS = Threads(
    "models",
    2,
    "server, predictor",
    "predictions and warm starts; torch has threads of its own, and two callers keep it busy while one decodes",
    "a pass of the model, the predictor host, PostgreSQL for new observations",
)
SLOW = Threads(
    "slow",
    2,
    "server",
    "explanations, transfers to many tasks, searches over all spaces, thousands of candidates",
    "the same as models; milliseconds never wait for it",
)
EDITS = Threads("edits", 2, "server", "edit distances, in Python: more threads would only take turns", "PostgreSQL")
DECODE = Threads(
    "decode", 1, "server", "decoding of large requests, in Python: more threads would only take turns", "nothing"
)
RECORDS = Threads(
    "record", 3, "server", "transactions of records: one as a rule, the others where it takes long", "PostgreSQL"
)
LOCKED_RECORDS = Threads(
    "record-locked", 3, "server", "records of tasks that another transaction has locked", "that lock, for a second"
)
GATE = Threads("gate", 2, "server, predictor", "reads of tokens and quotas", "PostgreSQL")
HEALTH = Threads("health", 1, "server, predictor", "the health check of the database", "PostgreSQL, for its timeout")
INDEX_WATCH = Threads("index-watch", 1, "server", "the check of the vector index", "Chroma, for its timeout")
PREPARE = Threads("prepare", 1, "server", "loading of the graph kernels at the start", "the disk")
LOAD_MODEL = Threads(
    "load-model", None, "server", "loading of a new model version, one for each space at a time", "PostgreSQL, the host"
)
SCORE = Threads("score", None, "server, predictor", "passes of waiting questions, one for each model", "the model")
CLAIM = Threads("claim", None, "all", "keeping a claim alive, one for each claim", "PostgreSQL")
END = Threads("end", 1, "server", "the end of a process whose work outlasts the grace period", "time")
GAUGES = Threads("gauges", 1, "worker", "metrics that are read from the database", "PostgreSQL")
INDEX = Threads("index", 1, "worker", "deliveries to the vector index", "PostgreSQL, Chroma, the predictor host")
LEARN = Threads("learn", 1, "worker", "profiles, task map, prior and policy of strategies", "PostgreSQL")
WATCHDOG = Threads("watchdog", None, "up", "probes of PostgreSQL and Chroma, one for each", "the probe's timeout")
ANNOUNCED = Threads("announced", None, "serve", "reading the first line of each server process", "that process")

TABLE = (
    DATABASE,
    MODELS,
    SLOW,
    EDITS,
    DECODE,
    RECORDS,
    LOCKED_RECORDS,
    GATE,
    HEALTH,
    INDEX_WATCH,
    PREPARE,
    LOAD_MODEL,
    SCORE,
    CLAIM,
    END,
    GAUGES,
    INDEX,
    LEARN,
    WATCHDOG,
    ANNOUNCED,
)


def connections_of_server(database_threads: int) -> int:
    """The most connections to PostgreSQL that threads of a server hold at once.

    Threads of models may hold a second one. A worker has fewer threads.
    """
    single = (RECORDS, LOCKED_RECORDS, EDITS, GATE)
    double = (MODELS, SLOW)
    return database_threads + sum(each.count or 0 for each in single) + 2 * sum(each.count or 0 for each in double)


def connections_of_predictor() -> int:
    """The most connections to PostgreSQL that threads of a predictor host hold at once."""
    return (MODELS.count or 0) + (GATE.count or 0)
