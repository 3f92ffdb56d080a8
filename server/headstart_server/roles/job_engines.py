"""Engines of bulk jobs: in this process, in several processes, or on a Ray cluster. All run the same shards.

A shard that fails returns its error, and the others go on. A process opens its domains once, for all its shards.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

from headstart_server.assembly import Domains, open_domains
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import Settings
from headstart_server.runtime.startup import prepare_role

# The least that Ray accepts is 75 MiB. Shards and results are a few hundred bytes.
_OBJECT_STORE_BYTES = 80 * 1024 * 1024


class Shard(Protocol):
    """A part of a bulk job: small, picklable, and safe to run twice."""

    @property
    def name(self) -> str: ...

    def run(self, domains: Domains) -> str:
        """Returns a summary for people."""


@dataclass(frozen=True)
class Done:
    """The result of a shard: ``place`` is its index; ``error`` is empty if it succeeded."""

    place: int
    result: str = ""
    error: str = ""


def run_local(settings: Settings, pieces: Sequence[Shard], parallel: int) -> Iterator[Done]:
    """Run in this process, or in ``parallel`` processes; results come in the order of completion."""
    if parallel == 1:
        yield from (_perform(settings, index, piece) for index, piece in enumerate(pieces))
        return
    # A forked process would share this one's connections and torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(parallel, mp_context=context, initializer=partial(prepare_role, settings, "jobs")) as pool:
        indices: dict[Future[Done], int] = {
            pool.submit(_perform, settings, index, piece): index for index, piece in enumerate(pieces)
        }
        for future in as_completed(indices):
            try:
                yield future.result()
            except Exception as error:
                yield Done(indices[future], error=_message(error))


def run_ray(settings: Settings, pieces: Sequence[Shard], parallel: int) -> Iterator[Done]:
    """Run as Ray tasks of one core each, ``parallel`` at a time, on the cluster at RAY_ADDRESS or one for this run.

    Raises StartupError if Ray is not installed, or the cluster is out of reach.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise StartupError("Ray is not installed: pip install 'headstart[ray]'") from None
    address = os.environ.get("RAY_ADDRESS", "local")
    own = {"num_cpus": parallel, "object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **(own if address == "local" else {}))
    except Exception as error:
        raise StartupError(f"Ray at {address} cannot be reached: {_message(error)}") from None
    try:
        # A worker process that dies loses one shard, which may be run again.
        task = ray.remote(num_cpus=1, max_retries=1)(_perform_on_ray)
        waiting = iter(enumerate(pieces))
        running: dict[Any, int] = {}
        while True:
            # Not all at once, so that the cluster need not hold a million tasks.
            for index, piece in waiting:
                running[task.remote(settings, index, piece)] = index
                if len(running) >= parallel:
                    break
            if not running:
                return
            for ended in ray.wait(list(running), num_returns=1)[0]:
                index = running.pop(ended)
                try:
                    done: Done = ray.get(ended)
                except Exception as error:
                    done = Done(index, error=_message(error))
                yield done
    finally:
        ray.shutdown()


ENGINES = {"local": run_local, "ray": run_ray}


def _perform_on_ray(settings: Settings, index: int, piece: Shard) -> Done:
    prepare_role(settings, "jobs")
    return _perform(settings, index, piece)


def _perform(settings: Settings, index: int, piece: Shard) -> Done:
    try:
        return Done(index, result=piece.run(_domains(settings)))
    except Exception as error:
        return Done(index, error=_message(error))


@cache
def _domains(settings: Settings) -> Domains:
    return open_domains(settings)


def _message(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"
