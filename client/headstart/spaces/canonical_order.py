"""The order of a labelled graph's nodes in which every isomorphic graph has the same labels and edges.

Colour refinement with individualisation (McKay and Piperno, "Practical graph isomorphism, II", 2014, section 2), with
a budget: graphs that it does not suffice for are ordered part by part (``canonical_parts``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headstart.spaces.canonical_parts import order_by_parts

# Budget of node and edge visits for comparing ways to order interchangeable nodes.
_ENOUGH_WORK = 200_000

# Up to this number of nodes, refinement from labels alone is fast.
_SMALL = 32

Edges = list[tuple[int, int, int]]
Checkpoint = Callable[[], None]


def canonical_order(labels: list[str], edges: Edges, checkpoint: Checkpoint | None = None) -> list[int]:
    """Node indices in canonical order. ``edges`` are (source, target, multiplicity) of an acyclic graph.

    ``checkpoint`` is called every few milliseconds, and may end the work with an exception.
    """
    nodes = range(len(labels))
    if len(set(labels)) == len(labels):
        return sorted(nodes, key=labels.__getitem__)
    checkpoint = checkpoint or _go_on
    ordering = _Ordering(labels, edges, checkpoint)
    colours = ordering.colours()
    if colours is None:
        colours = order_by_parts(ordering.first_colours(), edges, checkpoint)
    return sorted(nodes, key=colours.__getitem__)


def _go_on() -> None:
    """A checkpoint that never ends the work."""


class _Ordering:
    """Finds a different colour for every node, from the structure alone."""

    def __init__(self, labels: list[str], edges: Edges, checkpoint: Checkpoint) -> None:
        self._labels = labels
        self._edges = edges
        self._checkpoint = checkpoint
        self._incoming: list[list[tuple[int, int]]] = [[] for _ in labels]
        self._outgoing: list[list[tuple[int, int]]] = [[] for _ in labels]
        for source, target, count in edges:
            self._outgoing[source].append((target, count))
            self._incoming[target].append((source, count))
        self._work = 0

    def colours(self) -> list[int] | None:
        """None if the budget does not suffice."""
        best: tuple[Edges, list[int]] | None = None
        # Colours, and the node to single out: a copy for each node of a large cell would take seconds.
        stack: list[tuple[list[int], int | None]] = [(self.first_colours(), None)]
        while stack:
            before, node = stack.pop()
            colours = self._refine(before if node is None else _singled_out(before, node))
            cell = _first_shared_cell(colours)
            if cell is None:
                if best is None and not stack:
                    return colours
                form = sorted((colours[source], colours[target], count) for source, target, count in self._edges)
                if best is None or form < best[0]:
                    best = (form, colours)
            elif self._are_twins(cell):
                stack.append((_told_apart(colours, cell), None))
            elif self._work < _ENOUGH_WORK:
                stack += [(colours, node) for node in cell]
            else:
                return None
        assert best is not None
        return best[1]

    def first_colours(self) -> list[int]:
        """Ranks by label; in larger graphs also by the longest paths to and from a node, so that few rounds of
        refinement follow.
        """
        if len(self._labels) <= _SMALL:
            return _ranks(self._labels)
        order = _topological(self._incoming, self._outgoing)
        depth, height = [0] * len(order), [0] * len(order)
        for node in order:
            depth[node] = max((depth[source] + 1 for source, _ in self._incoming[node]), default=0)
        for node in reversed(order):
            height[node] = max((height[target] + 1 for target, _ in self._outgoing[node]), default=0)
        return _ranks(list(zip(self._labels, depth, height, strict=True)))

    def _are_twins(self, cell: list[int]) -> bool:
        """Whether nodes have the same neighbours, so that any order of them gives the same graph."""
        incoming, outgoing = set(self._incoming[cell[0]]), set(self._outgoing[cell[0]])
        return all(set(self._incoming[node]) == incoming and set(self._outgoing[node]) == outgoing for node in cell[1:])

    def _refine(self, colours: list[int]) -> list[int]:
        """Split colours by the colours of neighbours until nothing splits; colours become ranks 0, 1, ..."""
        count = 0
        while True:
            self._checkpoint()
            cells = _cells(colours)
            split: list[list[int]] = []
            for colour in sorted(cells):
                cell = cells[colour]
                split += [cell] if len(cell) == 1 else self._split(cell, colours)
            colours = colours.copy()
            for rank, cell in enumerate(split):
                for node in cell:
                    colours[node] = rank
            self._work += len(self._labels) + 2 * len(self._edges)
            if len(split) in (count, len(colours)) or self._work > 2 * _ENOUGH_WORK:
                return colours
            count = len(split)

    def _split(self, cell: list[int], colours: list[int]) -> list[list[int]]:
        """Nodes of a colour by their predecessors and successors."""
        parts: dict[Any, list[int]] = {}
        for node in cell:
            before = sorted([(colours[source], times) for source, times in self._incoming[node]])
            after = sorted([(colours[target], times) for target, times in self._outgoing[node]])
            parts.setdefault((tuple(before), tuple(after)), []).append(node)
        return [parts[key] for key in sorted(parts)] if len(parts) > 1 else [cell]


def _cells(colours: list[int]) -> dict[int, list[int]]:
    """The nodes of each colour, in their order."""
    cells: dict[int, list[int]] = {}
    for node, colour in enumerate(colours):
        cells.setdefault(colour, []).append(node)
    return cells


def _ranks(keys: list[Any]) -> list[int]:
    rank = {key: index for index, key in enumerate(sorted(set(keys)))}
    return [rank[key] for key in keys]


def _topological(incoming: list[list[tuple[int, int]]], outgoing: list[list[tuple[int, int]]]) -> list[int]:
    waiting = [len(before) for before in incoming]
    order = [node for node, count in enumerate(waiting) if count == 0]
    for node in order:
        for target, _ in outgoing[node]:
            waiting[target] -= 1
            if waiting[target] == 0:
                order.append(target)
    return order


def _first_shared_cell(colours: list[int]) -> list[int] | None:
    """The nodes of the smallest colour that several nodes share; None if all colours differ."""
    if len(set(colours)) == len(colours):
        return None
    cells = _cells(colours)
    shared = [colour for colour, cell in cells.items() if len(cell) > 1]
    return cells[min(shared)]


def _singled_out(colours: list[int], node: int) -> list[int]:
    """The colours with one node before the others of its colour."""
    chosen = [2 * colour for colour in colours]
    chosen[node] -= 1
    return chosen


def _told_apart(colours: list[int], cell: list[int]) -> list[int]:
    """The colours with all nodes of a cell in sequence."""
    chosen = [len(cell) * colour for colour in colours]
    for index, node in enumerate(cell):
        chosen[node] -= index
    return chosen
