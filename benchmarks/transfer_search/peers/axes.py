"""A candidate as other tools have it: one plain value for each parameter, none missing.

Choices of numbers are given as their rank, so that tools see an order; other choices as their place in a list without
order. A parameter whose condition is not met has the middle of its domain, and is dropped on the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace, Value
from headstart.spaces.declaration import holds, value_key

Coordinate = int | float


@dataclass(frozen=True)
class Axis:
    """``choices``: values by place, where the domain is a list of them; ``ordered``: their places are ranks."""

    name: str
    parameter: Parameter

    @cached_property
    def choices(self) -> Sequence[Value] | None:
        domain = self.parameter.domain
        return (domain.ordered_choices or domain.choices) if isinstance(domain, Categorical) else None

    @property
    def ordered(self) -> bool:
        domain = self.parameter.domain
        return not isinstance(domain, Categorical) or domain.ordered_choices is not None

    def coordinate(self, value: Value) -> Coordinate:
        if self.choices is not None:
            return next(place for place, choice in enumerate(self.choices) if value_key(choice) == value_key(value))
        assert isinstance(value, int | float)
        return value

    def value(self, coordinate: Coordinate) -> Value:
        domain = self.parameter.domain
        if self.choices is not None:
            return self.choices[min(len(self.choices) - 1, max(0, round(coordinate)))]
        assert not isinstance(domain, Categorical)
        number = round(coordinate) if isinstance(domain.lower, int) else float(coordinate)
        return min(domain.upper, max(domain.lower, number))

    @property
    def middle(self) -> Coordinate:
        domain = self.parameter.domain
        if self.choices is not None:
            return (len(self.choices) - 1) // 2
        assert not isinstance(domain, Categorical)
        lower, upper = domain.lower, domain.upper
        middle = (lower * upper) ** 0.5 if domain.logarithmic else (lower + upper) / 2
        return round(middle) if isinstance(lower, int) else middle


@dataclass(frozen=True)
class Axes:
    """All parameters of a space, in the order of declaration, under names that any tool accepts."""

    space: SearchSpace

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(f"p{number}", parameter) for number, parameter in enumerate(self.space.parameters))

    def flat(self, candidate: Candidate) -> dict[str, Coordinate]:
        values = candidate.values
        return {
            axis.name: axis.coordinate(values[axis.parameter.name]) if axis.parameter.name in values else axis.middle
            for axis in self.axes
        }

    def candidate(self, coordinates: Mapping[str, Coordinate]) -> Candidate:
        values: dict[str, Value] = {}
        for axis in self.axes:
            if holds(axis.parameter.condition, values):
                values[axis.parameter.name] = axis.value(coordinates[axis.name])
        return Candidate(values)
