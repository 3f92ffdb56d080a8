"""The searches of other tools, what each needs, and where it is built; nothing is imported before it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.transfer_search.baselines import best_of_past
from benchmarks.transfer_search.families import Case
from benchmarks.transfer_search.running import Search
from headstart.search import Strategy

_FOLDER = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("peers.txt", "peers-openbox.txt")


@dataclass(frozen=True)
class Peer:
    """``package`` is the one that is imported; ``distribution`` what pip calls it.

    ``by_default``: not where a search takes hours.
    """

    package: str
    distribution: str
    search: Search
    by_default: bool = True


def missing_packages(peer: Peer) -> list[str]:
    return [] if find_spec(peer.package) is not None else [peer.distribution]


def _built_by(module: str, function: str) -> Callable[[Case], Strategy]:
    def build(case: Case) -> Strategy:
        strategy: Strategy = getattr(import_module(f"benchmarks.transfer_search.peers.{module}"), function)(case)
        return strategy

    return build


def pinned() -> list[str]:
    """The versions of other tools that the files of requirements ask for."""
    lines = [line for name in REQUIREMENTS for line in (_FOLDER / name).read_text().splitlines()]
    wanted = {peer.distribution for peer in PEERS.values()}
    return [line for line in lines if line.partition("==")[0] in wanted]


PEERS = {
    "cts": Peer("syne_tune", "syne-tune", Search(_built_by("syne_tune_searchers", "quantile_transfer"))),
    "zero-shot": Peer("syne_tune", "syne-tune", Search(_built_by("syne_tune_searchers", "zero_shot"))),
    "rgpe": Peer("openbox", "openbox", Search(_built_by("openbox_advisors", "rgpe"))),
    "transbo": Peer("openbox", "openbox", Search(_built_by("openbox_advisors", "transbo"))),
    "smac": Peer("smac", "smac", Search(_built_by("smac_facade", "smac"))),
    "past, then smac": Peer("smac", "smac", Search(_built_by("smac_facade", "smac_told"), best_of_past)),
    "ax transfer": Peer(
        "ax",
        "ax-platform",
        Search(_built_by("ax_transfer", "ax_transfer"), lambda case: best_of_past(case)[:1]),
        by_default=False,
    ),
}
