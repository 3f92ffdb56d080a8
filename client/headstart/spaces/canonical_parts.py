"""The canonical order of a graph with many interchangeable parts, found part by part.

Nodes that refinement gives a colour of their own are taken out; what remains falls into parts without an edge between
them. Each part is ordered by a search of its own, and the parts by the form that this gives them: so equal parts, of
which there may be thousands, cost their number and not the ways to number them.

The search of a part has a budget. A part for which it does not suffice (hundreds of nodes that refinement cannot tell
apart) is numbered as it comes: copies of it that are numbered in another way are then taken for different.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Edges = list[tuple[int, int, int]]
Ends = list[list[tuple[int, int]]]
Checkpoint = Callable[[], None]

# Node and edge visits of the searches of all parts together.
_WORK = 400_000


def order_by_parts(first: Sequence[int], edges: Edges, checkpoint: Checkpoint) -> list[int]:
    """A different position for every node, given first colours; ``edges`` are (source, target, multiplicity)."""
    whole = _Partition.of(first, edges, checkpoint)
    parts = _parts(whole)
    inner: list[Edges] = [[] for _ in parts]
    part_of = {node: index for index, part in enumerate(parts) for node in part}
    for edge in edges:
        if edge[0] in part_of and edge[1] in part_of:
            inner[part_of[edge[0]]].append(edge)
    ordered = []
    for part, own in zip(parts, inner, strict=True):
        row = {node: index for index, node in enumerate(part)}
        local = [(row[source], row[target], count) for source, target, count in own]
        colours = [whole.colours[node] for node in part]
        order, form = _ordered(colours, local, _WORK // len(parts), checkpoint)
        ordered.append((sorted(colours), form, [part[index] for index in order]))
    ranked = sorted(ordered, key=lambda each: each[:2])
    key = {node: (colour, 0, 0) for node, colour in enumerate(whole.colours)}
    for rank, (_, _, order) in enumerate(ranked):
        for index, node in enumerate(order):
            key[node] = (whole.colours[node], rank, index)
    positions = [0] * len(key)
    for index, node in enumerate(sorted(key, key=key.__getitem__)):
        positions[node] = index
    return positions


def _parts(whole: _Partition) -> list[list[int]]:
    """Connected nodes of shared colours, in ascending order."""
    shared = {node for cell in whole.cells.values() if len(cell) > 1 for node in cell}
    parts = []
    while shared:
        part = [shared.pop()]
        for node in part:
            beside = {neighbour for neighbour, _ in (*whole.incoming[node], *whole.outgoing[node])} & shared
            shared -= beside
            part += beside
        parts.append(sorted(part))
    return parts


def _ordered(colours: list[int], edges: Edges, most_work: int, checkpoint: Checkpoint) -> tuple[list[int], Edges]:
    """The nodes of one part in order, and its edges in these terms; the order is the one with the least edges."""
    best: tuple[Edges, list[int]] | None = None
    stack: list[tuple[_Partition, int | None]] = [(_Partition.of(colours, edges, checkpoint), None)]
    work = stack[0][0].work
    while stack:
        before, node = stack.pop()
        partition = before if node is None else before.with_singled_out(node)
        cell = partition.first_shared_cell()
        while cell is not None and (partition.are_twins(cell) or (work >= most_work and best is None)):
            partition.tell_apart(cell)
            cell = partition.first_shared_cell()
        work += partition.work
        if cell is None:
            colour_of = partition.colours
            form = sorted((colour_of[source], colour_of[target], count) for source, target, count in edges)
            if best is None or form < best[0]:
                best = (form, colour_of)
        elif work < most_work:
            stack += [(partition, each) for each in cell]
        if work >= most_work and best is not None:
            break
    assert best is not None
    return sorted(range(len(colours)), key=best[1].__getitem__), best[0]


class _Partition:
    """Cells of nodes that are not distinguished so far. A colour is the number of nodes in the cells before.

    Refinement looks only at neighbours of nodes whose colour changed, so singling out a node of a large graph costs
    only as much as it changes. ``work`` counts visits since this partition was made.
    """

    def __init__(
        self, colours: list[int], cells: dict[int, list[int]], incoming: Ends, outgoing: Ends, checkpoint: Checkpoint
    ) -> None:
        self.colours = colours
        self.cells = cells
        self.incoming = incoming
        self.outgoing = outgoing
        self.work = 0
        self._checkpoint = checkpoint

    @classmethod
    def of(cls, first: Sequence[int], edges: Edges, checkpoint: Checkpoint) -> _Partition:
        """Refined from first colours."""
        incoming: Ends = [[] for _ in first]
        outgoing: Ends = [[] for _ in first]
        for source, target, count in edges:
            outgoing[source].append((target, count))
            incoming[target].append((source, count))
        made = cls([0] * len(first), {}, incoming, outgoing, checkpoint)
        by_colour: dict[int, list[int]] = {}
        for node, colour in enumerate(first):
            by_colour.setdefault(colour, []).append(node)
        made._put(0, [by_colour[colour] for colour in sorted(by_colour)])
        made._refine(range(len(first)))
        return made

    def with_singled_out(self, node: int) -> _Partition:
        """A refined copy in which one node comes after the others of its cell."""
        made = _Partition(self.colours.copy(), self.cells.copy(), self.incoming, self.outgoing, self._checkpoint)
        colour = made.colours[node]
        made._refine(made._put(colour, [[each for each in made.cells[colour] if each != node], [node]]))
        made.work += len(self.colours)
        return made

    def tell_apart(self, cell: list[int]) -> None:
        """Give each node of a cell a colour of its own, in their order."""
        self._refine(self._put(self.colours[cell[0]], [[node] for node in cell]))

    def first_shared_cell(self) -> list[int] | None:
        shared = [colour for colour, cell in self.cells.items() if len(cell) > 1]
        return self.cells[min(shared)] if shared else None

    def are_twins(self, cell: list[int]) -> bool:
        """Whether nodes have the same neighbours, so that any order of them gives the same graph."""
        incoming, outgoing = set(self.incoming[cell[0]]), set(self.outgoing[cell[0]])
        return all(set(self.incoming[node]) == incoming and set(self.outgoing[node]) == outgoing for node in cell[1:])

    def _put(self, colour: int, cells: list[list[int]]) -> list[int]:
        """Replace a cell by several. Returns the nodes of all but the largest, because the neighbours of that one
        follow from the others.
        """
        largest = max(range(len(cells)), key=lambda index: len(cells[index]))
        changed: list[int] = []
        for index, cell in enumerate(cells):
            if index != largest:
                changed += cell
            if cell is not self.cells.get(colour):
                self.cells[colour] = cell
                for node in cell:
                    self.colours[node] = colour
            colour += len(cell)
        return changed

    def _refine(self, changed: Sequence[int]) -> None:
        """Split cells by the colours of neighbours until nothing splits."""
        while changed:
            self._checkpoint()
            seen: dict[int, list[tuple[int, int, int]]] = {}
            for node in changed:
                colour = self.colours[node]
                for neighbour, times in self.outgoing[node]:
                    seen.setdefault(neighbour, []).append((0, colour, times))
                for neighbour, times in self.incoming[node]:
                    seen.setdefault(neighbour, []).append((1, colour, times))
                self.work += 1 + len(self.outgoing[node]) + len(self.incoming[node])
            affected = {colour for colour in map(self.colours.__getitem__, seen) if len(self.cells[colour]) > 1}
            self.work += sum(len(self.cells[colour]) for colour in affected)
            splits = [(colour, _split(self.cells[colour], seen)) for colour in affected]
            changed = [node for colour, cells in splits if len(cells) > 1 for node in self._put(colour, cells)]


def _split(cell: list[int], seen: Mapping[int, list[tuple[int, int, int]]]) -> list[list[int]]:
    """A cell by the neighbours of its nodes."""
    parts: dict[tuple[tuple[int, int, int], ...], list[int]] = {}
    for node in cell:
        parts.setdefault(tuple(sorted(seen[node])) if node in seen else (), []).append(node)
    return [parts[key] for key in sorted(parts)]
