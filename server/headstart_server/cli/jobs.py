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

from headstart_server.assembly import Rooms, open_rooms
from headstart_server.knowledge.vector_index.chroma import IndexRefused, IndexUnavailable
from headstart_server.knowledge.vector_index.indexer import VectorKeeper
from headstart_server.knowledge.vector_index.versions import VectorIndex
from headstart_server.prediction.service import TRAIN_JOB
from headstart_server.roles.job_engines import ENGINES, Done, Piece
from headstart_server.runtime.database.jobs import Job, enqueue, run_one, waiting
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import Settings
from headstart_server.strategy.learning import LEARN_JOB
from headstart_server.strategy.model_versions import StrategyModelVersion

_PAUSE_SECONDS = 0.2

Perform = Callable[[Sequence[Piece], Callable[[Done], None]], bool]


@dataclass(frozen=True)
class Scope:
    """None: all of them. ``piece_size``: architectures in a piece of reindex."""

    namespace: str | None = None
    search_space_id: str | None = None
    resume: bool = False
    piece_size: int = 5_000


@dataclass(frozen=True)
class IndexPiece:
    """The architectures with numbers above ``after``, up to ``through``, into a version under construction."""

    index: VectorIndex
    after: int
    through: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.index.collection}, architectures {self.after + 1} to {self.through}"

    def run(self, rooms: Rooms) -> str:
        return f"{_keeper(rooms).build_slice(self.index, self.after, self.through, self.size)} vectors"


@dataclass(frozen=True)
class TrainingPiece:
    """The predictor of one search space."""

    job: Job

    @property
    def name(self) -> str:
        return f"{self.job.namespace}/{self.job.subject}"

    def run(self, rooms: Rooms) -> str:
        told = "trained by a worker"

        def train(job: Job) -> None:
            nonlocal told
            version = rooms.prediction.train(job.namespace, job.subject)
            told = "too few results for a model" if version is None else f"{version.name}, {version.state.lower()}"

        run_one(rooms.engine, self.job, train)
        return told


@dataclass(frozen=True)
class LearningPiece:
    """Prior and policy of the strategies of one namespace; what each is worth on unseen tasks decides which serve."""

    job: Job

    @property
    def name(self) -> str:
        return self.job.namespace

    def run(self, rooms: Rooms) -> str:
        told = "learned by a worker"

        def learn(job: Job) -> None:
            nonlocal told
            learned = [_told(version) for version in rooms.strategy_learner.refresh(job.namespace)]
            told = "; ".join(learned) or "too few searches to learn from"

        run_one(rooms.engine, self.job, learn)
        return told


def _told(version: StrategyModelVersion) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in version.figures.items())
    return f"{version.kind.value} {version.number}, {version.state.value.lower()} ({figures})"


def run_jobs(settings: Settings, work: str, engine: str, scope: Scope, parallel: int) -> bool:
    """Whether all pieces succeeded; those that failed are named on standard error.

    Raises StartupError for unknown work or an unknown engine, where there is nothing to do, and where Chroma or the
    Ray cluster is out of reach.
    """
    for asked, known in ((work, WORK), (engine, ENGINES)):
        if asked not in known:
            raise StartupError(f"There is no {asked!r}, only {', '.join(known)}")
    console = Console(stderr=True)

    def perform(pieces: Sequence[Piece], succeeded: Callable[[Done], None]) -> bool:
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

    rooms = open_rooms(settings)
    try:
        return WORK[work](rooms, scope, perform)
    except IndexRefused as error:
        raise StartupError(f"Chroma refuses a search space: {error}") from None
    except IndexUnavailable as error:
        raise StartupError(f"{error}: is Chroma running, and is HEADSTART_CHROMA_URL right?") from None
    finally:
        rooms.close()


def _reindex(rooms: Rooms, scope: Scope, perform: Perform) -> bool:
    keeper = _keeper(rooms)
    found = keeper.under_construction if scope.resume else keeper.rebuild_all
    begun = found(scope.namespace, scope.search_space_id)
    if not begun:
        raise StartupError("There is nothing to index")
    pieces = [
        IndexPiece(index, after, through, scope.piece_size)
        for index in begun
        for after, through in keeper.slices(index, scope.piece_size)
    ]
    # How far each version is built: all pieces before have succeeded. What comes after a failure is done again.
    open_pieces = {
        index.space: [place for place, piece in enumerate(pieces) if piece.index == index] for index in begun
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
        # What was recorded meanwhile, and its turn to serve.
        while keeper.is_building(index):
            if keeper.build(index.space) is None:
                time.sleep(_PAUSE_SECONDS)
    return complete


def _retrain(rooms: Rooms, scope: Scope, perform: Perform) -> bool:
    def wanted(namespace: str, space_id: str) -> bool:
        return scope.namespace in (None, namespace) and scope.search_space_id in (None, space_id)

    with rooms.engine.begin() as connection:
        if not scope.resume:
            for namespace, space_id, _ in sorted(rooms.knowledge.search_spaces_by_growth()):
                if wanted(namespace, space_id):
                    enqueue(connection, Job(TRAIN_JOB, namespace, space_id))
        left = [job for job in waiting(connection, TRAIN_JOB) if wanted(job.namespace, job.subject)]
    if not left:
        raise StartupError("There is nothing to train")
    return perform([TrainingPiece(job) for job in left], lambda done: None)


def _evaluate_strategies(rooms: Rooms, scope: Scope, perform: Perform) -> bool:
    with rooms.engine.begin() as connection:
        if not scope.resume:
            for namespace in rooms.strategy_learner.namespaces():
                if scope.namespace in (None, namespace):
                    enqueue(connection, Job(LEARN_JOB, namespace, ""))
        left = [job for job in waiting(connection, LEARN_JOB) if scope.namespace in (None, job.namespace)]
    if not left:
        raise StartupError("There is nothing to learn from")
    return perform([LearningPiece(job) for job in left], lambda done: None)


WORK: dict[str, Callable[[Rooms, Scope, Perform], bool]] = {
    "reindex": _reindex,
    "retrain": _retrain,
    "evaluate-strategies": _evaluate_strategies,
}


def _keeper(rooms: Rooms) -> VectorKeeper:
    return rooms.knowledge.vector_keeper(rooms.prediction.embed, rooms.prediction.choose_embedding)
