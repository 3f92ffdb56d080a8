"""Features of a candidate for models of this process: its parameters, and counts of its canonical graph.

A number is one column from 0 to 1, logarithmic where its domain is. Ordered choices are one column of ranks; other
choices have a column each. A graph gives the counts of its operations and of joined pairs of operations, its depth
and its size. Columns belong to groups, a parameter or a kind of counts, which a model may weigh separately.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from headstart.search.history import Trial
from headstart.spaces import (
    Candidate,
    CanonicalGraph,
    Categorical,
    Parameter,
    SearchSpace,
    Value,
    ValueOf,
    canonicalize,
    unit_position,
)

Columns = NDArray[np.float32]

# Number of cached candidates of a space; most searches look at their neighbours again and again.
_REMEMBERED = 65_536

# Up to this number of operations, their pairs are counted one by one; with more, only the operations.
_MOST_PAIRED = 24


@dataclass(frozen=True)
class Encoded:
    fingerprint: str
    columns: Columns


class Encoder:
    """Encodes the candidates of a space. ``groups`` are the columns of each parameter and kind of counts."""

    def __init__(self, space: SearchSpace) -> None:
        # The encoder is found by its space, and must not keep it alive.
        self._space = weakref.ref(space)
        self._parameters = [_ParameterColumns(parameter) for parameter in space.parameters]
        self._ops = {op: index for index, op in enumerate(_ops(space))}
        self._paired = 0 < len(self._ops) <= _MOST_PAIRED
        widths = [columns.width for columns in self._parameters]
        if self._ops:
            widths += [len(self._ops), 2] + ([len(self._ops) ** 2] if self._paired else [])
        ends = np.cumsum([0, *widths])
        self.groups = [slice(int(start), int(end)) for start, end in pairwise(ends)]
        self.width = int(ends[-1])
        self._known: dict[tuple[tuple[str, Value], ...], Encoded] = {}

    def encode(self, candidate: Candidate) -> Encoded:
        key = tuple(candidate.values.items())
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._encode(candidate)
        return known

    def trials(self, trials: Sequence[Trial]) -> Columns:
        """Features [trials, width]."""
        return np.stack([self.encode(trial.candidate).columns for trial in trials])

    def _encode(self, candidate: Candidate) -> Encoded:
        space = self._space()
        assert space is not None
        canonical = canonicalize(space, candidate)
        columns = np.zeros(self.width, np.float32)
        for about, group in zip(self._parameters, self.groups, strict=False):
            about.fill(columns[group], candidate)
        if canonical.graph is not None and self._ops:
            self._fill_graph(columns, canonical.graph)
        return Encoded(canonical.fingerprint, columns)

    def _fill_graph(self, columns: Columns, graph: CanonicalGraph) -> None:
        counts, shape, *pairs = (columns[group] for group in self.groups[len(self._parameters) :])
        ops = [self._ops[op] for op in graph.ops]
        for op in ops:
            counts[op] += 1.0
        shape[:] = (_depth(graph), math.log1p(sum(times for _, _, times in graph.edges)))
        for joined in pairs:
            for source, target, times in graph.edges:
                joined[ops[source] * len(self._ops) + ops[target]] += times


class _ParameterColumns:
    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self._index: dict[tuple[bool, Value], int] | None = None
        self.width = 1
        domain = parameter.domain
        if isinstance(domain, Categorical) and domain.ordered_choices is None:
            self._index = {(isinstance(each, bool), each): index for index, each in enumerate(domain.choices)}
            self.width = len(domain.choices)
        self._conditional = parameter.condition is not None
        self.width += self._conditional

    def fill(self, columns: Columns, candidate: Candidate) -> None:
        value = candidate.values.get(self._parameter.name)
        if value is None:
            return
        if self._conditional:
            columns[-1] = 1.0
        if self._index is not None:
            # Two different choices are then 1 apart.
            columns[self._index[isinstance(value, bool), value]] = math.sqrt(0.5)
        else:
            columns[0] = unit_position(self._parameter.domain, value)


def encoder_of(space: SearchSpace) -> Encoder:
    """The encoder of a space, shared by all strategies while the space exists. Not for spaces of explicit graphs."""
    cached = _encoders.get(id(space))
    if cached is None:
        cached = _encoders[id(space)] = Encoder(space)
        weakref.finalize(space, _encoders.pop, id(space), None)
    return cached


_encoders: dict[int, Encoder] = {}


def _ops(space: SearchSpace) -> list[str]:
    """All operations of a template."""
    if space.graph_template is None:
        return []
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    ops: set[str] = set()
    for node in space.graph_template.nodes:
        if isinstance(node.op, ValueOf):
            domain = domains[node.op.parameter]
            assert isinstance(domain, Categorical)
            ops.update(str(choice) for choice in domain.choices)
        else:
            ops.add(node.op)
    return sorted(ops)


def _depth(graph: CanonicalGraph) -> int:
    """Edges on the longest path."""
    before: list[list[int]] = [[] for _ in graph.ops]
    for source, target, _ in graph.edges:
        before[target].append(source)
    longest: dict[int, int] = {}
    stack = list(range(len(graph.ops)))
    while stack:
        node = stack[-1]
        waiting = [source for source in before[node] if source not in longest]
        if node in longest or not waiting:
            longest.setdefault(node, max((longest[source] + 1 for source in before[node]), default=0))
            stack.pop()
        else:
            stack += waiting
    return max(longest.values(), default=0)
