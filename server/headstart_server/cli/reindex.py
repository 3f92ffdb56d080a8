"""``headstart-server reindex``: the vector index anew from PostgreSQL, while the one there goes on serving."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from headstart_server.assembly import open_domains
from headstart_server.knowledge.vector_index.chroma import IndexRefused, IndexUnavailable
from headstart_server.knowledge.vector_index.indexer import VectorKeeper
from headstart_server.knowledge.vector_index.versions import VectorIndex
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import Settings

_PAUSE_SECONDS = 0.2


def reindex(settings: Settings, namespace: str | None, search_space_id: str | None, now: bool) -> None:
    """Begin a new version for every space (or those named) and, with ``now``, build it here.

    Any worker continues an interrupted build. Raises StartupError without anything to index, and if Chroma is out of
    reach.
    """
    domains = open_domains(settings)
    console = Console(stderr=True)
    keeper = domains.knowledge.vector_keeper(domains.prediction.embed, domains.prediction.choose_embedding)
    try:
        begun = keeper.rebuild_all(namespace, search_space_id)
        if not begun:
            wanted = "" if search_space_id is None else f" in search space {search_space_id!r}"
            raise StartupError(f"There are no recorded architectures{wanted}: nothing to index")
        for index in begun:
            console.print(f"{index.collection}: begun")
        if now:
            _build(keeper, begun, console)
        else:
            console.print("Workers build it; their logs tell how far it is (--now builds it here)")
    except IndexRefused as error:
        raise StartupError(f"Chroma refuses a search space: {error}") from None
    except IndexUnavailable as error:
        raise StartupError(f"{error}: is Chroma running, and is HEADSTART_CHROMA_URL right?") from None
    finally:
        domains.close()


def _build(keeper: VectorKeeper, begun: list[VectorIndex], console: Console) -> None:
    columns = (BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
        for index in begun:
            bar = progress.add_task(f"{index.namespace}/{index.search_space_id}", total=keeper.recorded(index))
            while keeper.is_building(index):
                # None while a worker builds a slice of it.
                if keeper.build(index.space) is None:
                    time.sleep(_PAUSE_SECONDS)
                progress.update(bar, completed=keeper.built(index))
            progress.update(bar, completed=progress.tasks[bar].total)
