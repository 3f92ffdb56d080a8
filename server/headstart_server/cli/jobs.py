"""``headstart-server jobs``: work that outgrows a worker, cut into pieces that any number of processes do.

What is left of a job is known to PostgreSQL: a version of the vector index says how far it is built, and search spaces
to be trained are rows of ``jobs``. So a run that was killed, or of which a piece failed, is gone on with by
``--resume``; and workers, where they run, take part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.vector_index.chroma import IndexRefused, IndexUnavailable
from headstart_server.knowledge.vector_index.indexer import VectorKeeper
from headstart_server.knowledge.vector_index.versions import VectorIndex
from headstart_server.prediction.service import TRAIN_JOB
from headstart_server.roles.job_engines import ENGINES, Done, Shard
from headstart_server.runtime.database.jobs import Job, enqueue, run_one, waiting
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import Settings
from headstart_server.strategy.learning import LEARN_JOB
from headstart_server.strategy.model_versions import StrategyModelVersion

_PAUSE_SECONDS = 0.2

Perform = Callable[[Sequence[Shard], Callable[[Done], None]], bool]


@dataclass(frozen=True)
class Scope:
    """The spaces of a job; None: all of them. ``piece_size``: architectures in a shard of reindex."""

    namespace: str | None = None
    search_space_id: str | None = None
    resume: bool = False
    piece_size: int = 5_000


@dataclass(frozen=True)
class IndexShard:
    """The architectures with numbers above ``after``, up to ``through``, for a version under construction."""

    index: VectorIndex
    after: int
    through: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.index.collection}, architectures {self.after + 1} to {self.through}"

    def run(self, domains: Domains) -> str:
        return f"{_keeper(domains).build_slice(self.index, self.after, self.through, self.size)} vectors"


@dataclass(frozen=True)
class TrainingShard:
    """The predictor of one search space."""

    job: Job

    @property
    def name(self) -> str:
        return f"{self.job.namespace}/{self.job.subject}"

    def run(self, domains: Domains) -> str:
        summary = "trained by a worker"

        def train(job: Job) -> None:
            nonlocal summary
            version = domains.prediction.train(job.namespace, job.subject)
            summary = "too few results for a model" if version is None else f"{version.name}, {version.state.lower()}"

        run_one(domains.engine, self.job, train)
        return summary


@dataclass(frozen=True)
class LearningShard:
    """Prior and policy of the strategies of one namespace; the better one on held-out tasks serves."""

    job: Job

    @property
    def name(self) -> str:
        return self.job.namespace

    def run(self, domains: Domains) -> str:
        summary = "learned by a worker"

        def learn(job: Job) -> None:
            nonlocal summary
            learned = [_summary(version) for version in domains.strategy_learner.refresh(job.namespace)]
            summary = "; ".join(learned) or "too few searches to learn from"

        run_one(domains.engine, self.job, learn)
        return summary


def _summary(version: StrategyModelVersion) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in version.figures.items())
    return f"{version.kind.value} {version.number}, {version.state.value.lower()} ({figures})"


def run_jobs(settings: Settings, work: str, engine: str, scope: Scope, parallel: int) -> bool:
    """Run all shards; returns whether all succeeded. Failed ones are named on standard error.

    Raises StartupError for unknown work or an unknown engine, without anything to do, and if Chroma or the Ray
    cluster is out of reach.
    """
    for chosen, known in ((work, WORK), (engine, ENGINES)):
        if chosen not in known:
            raise StartupError(f"There is no {chosen!r}, only {', '.join(known)}")
    console = Console(stderr=True)

    def perform(pieces: Sequence[Shard], succeeded: Callable[[Done], None]) -> bool:
        failed = 0
        columns = (BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
            bar = progress.add_task(f"{work} ({engine})", total=len(pieces))
            for done in ENGINES[engine](settings, pieces, parallel):
                name = pieces[done.place].name
                if done.error:
                    failed += 1
                    progress.console.print(f"FAILED {name}: {done.error}", markup=False, soft_wrap=True)
                else:
                    progress.console.print(f"{name}: {done.result}", markup=False, soft_wrap=True)
                    succeeded(done)
                progress.advance(bar)
        if failed:
            console.print(f"{failed} of {len(pieces)} pieces failed; --resume does what is left")
        return not failed

    domains = open_domains(settings)
    try:
        return WORK[work](domains, scope, perform)
    except IndexRefused as error:
        raise StartupError(f"Chroma refuses a search space: {error}") from None
    except IndexUnavailable as error:
        raise StartupError(f"{error}: is Chroma running, and is HEADSTART_CHROMA_URL right?") from None
    finally:
        domains.close()


def _reindex(domains: Domains, scope: Scope, perform: Perform) -> bool:
    keeper = _keeper(domains)
    begin = keeper.under_construction if scope.resume else keeper.rebuild_all
    begun = begin(scope.namespace, scope.search_space_id)
    if not begun:
        raise StartupError("There is nothing to index")
    pieces = [
        IndexShard(index, after, through, scope.piece_size)
        for index in begun
        for after, through in keeper.slices(index, scope.piece_size)
    ]
    # Progress of each version: all shards before have succeeded. Shards after a failure are done again.
    open_pieces = {
        index.space: [position for position, piece in enumerate(pieces) if piece.index == index] for index in begun
    }
    ended: set[int] = set()

    def succeeded(done: Done) -> None:
        ended.add(done.place)
        piece = pieces[done.place]
        left = open_pieces[piece.index.space]
        through = 0
        while left and left[0] in ended:
            through = pieces[left.pop(0)].through
        if through:
            keeper.note_built(piece.index, through)

    complete = perform(pieces, succeeded)
    for index in begun:
        if open_pieces[index.space]:
            continue
        # Results recorded meanwhile, and the version's turn to serve.
        while keeper.is_building(index):
            if keeper.build(index.space) is None:
                time.sleep(_PAUSE_SECONDS)
    return complete


def _retrain(domains: Domains, scope: Scope, perform: Perform) -> bool:
    def wanted(namespace: str, space_id: str) -> bool:
        return scope.namespace in (None, namespace) and scope.search_space_id in (None, space_id)

    with domains.engine.begin() as connection:
        if not scope.resume:
            for namespace, space_id, _ in sorted(domains.knowledge.search_spaces_by_growth()):
                if wanted(namespace, space_id):
                    enqueue(connection, Job(TRAIN_JOB, namespace, space_id))
        left = [job for job in waiting(connection, TRAIN_JOB) if wanted(job.namespace, job.subject)]
    if not left:
        raise StartupError("There is nothing to train")
    return perform([TrainingShard(job) for job in left], lambda done: None)


def _evaluate_strategies(domains: Domains, scope: Scope, perform: Perform) -> bool:
    with domains.engine.begin() as connection:
        if not scope.resume:
            for namespace in domains.strategy_learner.namespaces():
                if scope.namespace in (None, namespace):
                    enqueue(connection, Job(LEARN_JOB, namespace, ""))
        left = [job for job in waiting(connection, LEARN_JOB) if scope.namespace in (None, job.namespace)]
    if not left:
        raise StartupError("There is nothing to learn from")
    return perform([LearningShard(job) for job in left], lambda done: None)


WORK: dict[str, Callable[[Domains, Scope, Perform], bool]] = {
    "reindex": _reindex,
    "retrain": _retrain,
    "evaluate-strategies": _evaluate_strategies,
}


def _keeper(domains: Domains) -> VectorKeeper:
    return domains.knowledge.vector_keeper(domains.prediction.embed, domains.prediction.choose_embedding)
