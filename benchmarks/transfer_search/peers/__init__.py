"""Other tools that transfer or search, each in a file of its own and only where it is installed (see peers*.txt)."""

from benchmarks.transfer_search.peers.registry import PEERS, Peer, missing_packages, pinned

__all__ = ["PEERS", "Peer", "missing_packages", "pinned"]
