"""A parameter in the terms of ConfigSpace, which SMAC3 and OpenBox share."""

from __future__ import annotations

from typing import Any

from ConfigSpace import CategoricalHyperparameter, UniformFloatHyperparameter, UniformIntegerHyperparameter

from benchmarks.transfer_search.peers.axes import Axis, Coordinate
from headstart.spaces import Categorical


def hyperparameter(axis: Axis) -> Any:
    domain = axis.parameter.domain
    if axis.choices is not None:
        places = range(len(axis.choices))
        if axis.ordered:
            return UniformIntegerHyperparameter(axis.name, 0, places[-1])
        return CategoricalHyperparameter(axis.name, [str(place) for place in places])
    assert not isinstance(domain, Categorical)
    kind = UniformIntegerHyperparameter if isinstance(domain.lower, int) else UniformFloatHyperparameter
    return kind(axis.name, domain.lower, domain.upper, log=domain.logarithmic)


def value_of(axis: Axis, coordinate: Coordinate) -> Coordinate | str:
    return coordinate if axis.ordered else str(coordinate)
