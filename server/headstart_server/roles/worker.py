"""The worker role: trains models, carries new architectures to the vector index, and keeps the map of the tasks.

Any number of workers may run: each piece of work is claimed by a lock in PostgreSQL that ends with its holder.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence

from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.service import MAP_JOB
from headstart_server.knowledge.vector_index.chroma import IndexUnavailable
from headstart_server.prediction.service import TRAIN_JOB
from headstart_server.roles.operator_metrics import Gauges
from headstart_server.roles.pruning import Pruner
from headstart_server.runtime.database.jobs import Job, Turns, enqueue, run_next
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.observability import metrics
from headstart_server.runtime.settings import Settings
from headstart_server.strategy.learning import LEARN_JOB
from headstart_server.threads import GAUGES, INDEX, LEARN

_PROFILE = "profile"
_PAUSE_SECONDS = 5.0
# Counting each space's experiments takes a query over all of them.
_SECONDS_BETWEEN_GROWTH = 5.0
# Profiles and clusters are not urgent.
_SECONDS_BETWEEN_PROFILES = 5.0
_SECONDS_BETWEEN_MAPS = 15.0
_SECONDS_BETWEEN_LESSONS = 15.0

logger = logging.getLogger(__name__)

# Returns whether there was something to do.
Piece = Callable[[], bool]


def run_worker(settings: Settings, once: bool) -> None:
    """Work until SIGTERM or SIGINT, or with ``once`` until nothing is left to do.

    The database must exist with the right schema (``runtime.startup``). Failures are logged and retried; with
    ``once`` they are raised.
    """
    domains = open_domains(settings)
    worker = Worker(domains)
    if once:
        try:
            worker.drain()
        except IndexUnavailable as error:
            raise StartupError(f"{error}: is Chroma running, and is HEADSTART_CHROMA_URL right?") from None
    else:
        _work_until_stopped(worker, Gauges(domains), settings.worker_poll_seconds)
    domains.close()


def _work_until_stopped(worker: Worker, gauges: Gauges, poll_seconds: float) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logger.info("working")
    # The index, profiles and strategies are updated while a model is trained for minutes.
    lanes = [
        GAUGES.start(gauges.keep, stop),
        INDEX.start(_keep_working, worker.index, stop, poll_seconds),
        LEARN.start(_keep_working, worker.learn, stop, poll_seconds),
    ]
    _keep_working(worker.train, stop, poll_seconds)
    for lane in lanes:
        lane.join(_PAUSE_SECONDS)


def _keep_working(step: Callable[[], bool], stop: threading.Event, poll_seconds: float) -> None:
    while not stop.is_set():
        try:
            busy = step()
        except Exception:
            logger.exception("work failed, trying again soon")
            stop.wait(_PAUSE_SECONDS)
            continue
        if not busy:
            stop.wait(poll_seconds)


class Worker:
    """All kinds of pending work, in small steps."""

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        # Search spaces with too few experiments for a model, and how many there were.
        self._too_few: dict[tuple[str, str], int] = {}
        self._grown = self._profiled = self._mapped = self._learned = -math.inf
        self._turns = Turns()
        self._pruner = Pruner(domains.engine, domains.settings)
        self._vectors = domains.knowledge.vector_keeper(domains.prediction.embed, domains.prediction.choose_embedding)

    def drain(self) -> None:
        """Work until nothing is left. Raises IndexUnavailable if the vector index is out of reach."""
        while self.step():
            pass
        self._vectors.look_again()
        self._pruner.look_again()
        self._grown = self._profiled = self._mapped = self._learned = -math.inf
        while self.step():
            pass
        # The next step looks at once.
        self._grown = -math.inf

    def step(self) -> bool:
        """A step of each kind of work; False if there was none. A failure delays no other kind."""
        # The index first: it is quick, and a search may wait for it.
        return _each((*self._index_work, self._train, *self._learning))

    def index(self) -> bool:
        """A step of the vector index alone; may run beside the others."""
        return _each(self._index_work)

    def train(self) -> bool:
        """A step of models alone; may run beside the others."""
        return _each((self._train,))

    def learn(self) -> bool:
        """A step of everything else that is learned: profiles, task map, strategies; may run beside the others."""
        return _each(self._learning)

    @property
    def _index_work(self) -> tuple[Piece, ...]:
        return (self._deliver, self._vectors.tend, self._build)

    @property
    def _learning(self) -> tuple[Piece, ...]:
        return (self._profile, self._map, self._learn, self._pruner.prune)

    def _train(self) -> bool:
        """Queue the search spaces that have grown enough, and train one of those queued."""
        if time.monotonic() - self._grown > _SECONDS_BETWEEN_GROWTH:
            self._grown = time.monotonic()
            self._queue_grown()
        return run_next(self._domains.engine, TRAIN_JOB, self._train_space, self._turns)

    def _queue_grown(self) -> None:
        counts = self._domains.knowledge.search_spaces_by_growth()
        grown = {(name, space): count for name, space, count in counts if self._too_few.get((name, space)) != count}
        wanted = self._domains.prediction.spaces_to_train(grown)
        if wanted:
            with self._domains.engine.begin() as connection:
                for namespace, space_id in wanted:
                    enqueue(connection, Job(TRAIN_JOB, namespace, space_id))

    def _train_space(self, job: Job) -> None:
        if job.queued_at is not None and self._domains.prediction.trained_since(
            job.namespace, job.subject, job.queued_at
        ):
            # By a worker that died before it could report.
            return
        counts = {(name, space): count for name, space, count in self._domains.knowledge.search_spaces_by_growth()}
        try:
            version = self._domains.prediction.train(job.namespace, job.subject)
        except Exception:
            metrics.TRAINING_FAILURES.inc()
            raise
        if version is None:
            self._too_few[job.namespace, job.subject] = counts.get((job.namespace, job.subject), 0)
        else:
            metrics.TRAINING_SECONDS.observe(version.training_seconds)

    def _profile(self) -> bool:
        """Queue the search spaces with missing or outdated profiles, and refresh those of one."""
        if time.monotonic() - self._profiled > _SECONDS_BETWEEN_PROFILES:
            self._profiled = time.monotonic()
            with self._domains.engine.begin() as connection:
                for namespace, space_id in self._domains.task_profiler.stale_spaces():
                    enqueue(connection, Job(_PROFILE, namespace, space_id))
        return run_next(self._domains.engine, _PROFILE, self._profile_space, self._turns)

    def _profile_space(self, job: Job) -> None:
        count = self._domains.task_profiler.refresh(job.namespace, job.subject)
        logger.info("made profiles of %d tasks in %s/%s", count, job.namespace, job.subject)

    def _map(self) -> bool:
        """Queue the namespaces whose tasks or profiles have changed, and compute the task map of one."""
        if time.monotonic() - self._mapped > _SECONDS_BETWEEN_MAPS:
            self._mapped = time.monotonic()
            with self._domains.engine.begin() as connection:
                for namespace in self._domains.task_map.stale_namespaces():
                    enqueue(connection, Job(MAP_JOB, namespace, ""))
        return run_next(self._domains.engine, MAP_JOB, self._map_namespace, self._turns)

    def _map_namespace(self, job: Job) -> None:
        count = self._domains.task_map.refresh(job.namespace)
        logger.info("tasks of %s are in %d clusters", job.namespace, count)

    def _learn(self) -> bool:
        """Queue the namespaces where strategy decisions have new results, and learn from those of one."""
        if time.monotonic() - self._learned > _SECONDS_BETWEEN_LESSONS:
            self._learned = time.monotonic()
            with self._domains.engine.begin() as connection:
                for namespace in self._domains.strategy_learner.stale_namespaces():
                    enqueue(connection, Job(LEARN_JOB, namespace, ""))
        return run_next(self._domains.engine, LEARN_JOB, self._learn_strategies, self._turns)

    def _learn_strategies(self, job: Job) -> None:
        for version in self._domains.strategy_learner.refresh(job.namespace):
            kind, state = version.kind.value, version.state.value.lower()
            logger.info("learned %s %d of the strategies in %s: %s", kind, version.number, job.namespace, state)

    def _deliver(self) -> bool:
        """Deliver a batch of new and removed architectures to the vector index."""
        delivered = self._vectors.deliver()
        metrics.VECTORS_INDEXED.inc(delivered)
        return delivered > 0

    def _build(self) -> bool:
        """Build a slice of a version of the vector index."""
        built = self._vectors.build()
        if built is not None:
            metrics.VECTORS_INDEXED.inc(built.added)
        return built is not None


def _each(pieces: Sequence[Piece]) -> bool:
    failed: Exception | None = None
    busy = False
    for piece in pieces:
        try:
            busy = piece() or busy
        except Exception as error:
            if failed is not None:
                logger.error("work failed: %s: %s", type(failed).__name__, failed)
            failed = error
    if failed is not None:
        raise failed
    return busy
