"""Draws candidates: uniformly, as mutations and recombinations of others, or all of a finite space in turn."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence

from headstart.spaces.declaration import (
    Candidate,
    Categorical,
    Domain,
    Float,
    Integer,
    Parameter,
    SearchSpace,
    Value,
    holds,
    value_key,
)

# Width of a mutation step of a number, as a share of its range (logarithmic if the domain is).
_STEP = 0.2


class NotEnumerable(ValueError):
    """Raised for spaces with a float parameter or explicit graphs."""


def sample(space: SearchSpace, generator: random.Random) -> Candidate:
    """A candidate with every active parameter drawn uniformly. Raises ValueError in spaces of explicit graphs."""
    _refuse_explicit_graphs(space)
    return _complete(space, {}, generator)


def mutate(space: SearchSpace, parent: Candidate, generator: random.Random, mutations: int = 1) -> Candidate:
    """A candidate that differs from its parent in ``mutations`` parameters (fewer if the space has fewer).

    Parameters that become active are drawn uniformly, those that become inactive are left out. Returns a copy of the
    parent if no parameter can change. Raises ValueError in spaces of explicit graphs.
    """
    _refuse_explicit_graphs(space)
    names = [p.name for p in space.parameters if p.name in parent.values and _can_change(p.domain)]
    chosen = set(generator.sample(names, min(mutations, len(names))))
    values = dict(parent.values)
    for parameter in space.parameters:
        if parameter.name in chosen:
            values[parameter.name] = _neighbour(parameter.domain, values[parameter.name], generator)
    return _complete(space, values, generator)


def recombine(space: SearchSpace, first: Candidate, second: Candidate, generator: random.Random) -> Candidate:
    """A candidate that takes each parameter from one of two parents."""
    _refuse_explicit_graphs(space)
    values: dict[str, Value] = {}
    for parameter in space.parameters:
        parents = [parent for parent in (first, second) if parameter.name in parent.values]
        if parents:
            values[parameter.name] = generator.choice(parents).values[parameter.name]
    return _complete(space, values, generator)


def enumerate_space(space: SearchSpace) -> Iterator[Candidate]:
    """Every candidate of a finite space, once.

    Raises NotEnumerable for spaces with a float parameter of more than one value, or with explicit graphs.
    """
    if space.explicit_graphs:
        raise NotEnumerable(f"{space.search_space_id} has explicit graphs: it cannot be enumerated")
    choices = [_all_values(parameter) for parameter in space.parameters]
    yield from map(Candidate, _assignments(space.parameters, choices, {}))


def space_size(space: SearchSpace) -> float:
    """Upper bound on the number of assignments; infinite if a float parameter has more than one value."""
    counts = [_value_count(parameter.domain) for parameter in space.parameters]
    return math.inf if None in counts else math.prod(count for count in counts if count is not None)


def _refuse_explicit_graphs(space: SearchSpace) -> None:
    if space.explicit_graphs:
        raise ValueError(
            f"{space.search_space_id} has explicit graphs: candidates cannot be drawn from its declaration"
        )


def _complete(space: SearchSpace, values: dict[str, Value], generator: random.Random) -> Candidate:
    """Draw missing values and drop inactive ones, in the order of declaration."""
    complete: dict[str, Value] = {}
    for parameter in space.parameters:
        if not holds(parameter.condition, complete):
            continue
        if parameter.name in values:
            complete[parameter.name] = values[parameter.name]
        else:
            complete[parameter.name] = draw(parameter.domain, generator)
    return Candidate(complete)


def draw(domain: Domain, generator: random.Random) -> Value:
    """A value drawn uniformly from a domain (on the logarithm where the domain is logarithmic)."""
    if isinstance(domain, Categorical):
        return generator.choice(domain.choices)
    if isinstance(domain, Integer) and not domain.logarithmic:
        return generator.randint(domain.lower, domain.upper)
    return _from_unit(domain, generator.random())


def _can_change(domain: Domain) -> bool:
    return len(domain.choices) > 1 if isinstance(domain, Categorical) else domain.lower < domain.upper


def _neighbour(domain: Domain, value: Value, generator: random.Random) -> Value:
    """Another value: any other category, or a number or ordered choice a normally distributed step away."""
    if isinstance(domain, Categorical):
        ordered = domain.ordered_choices
        if ordered is None:
            # Any but its own, without a list of the others.
            index = generator.randrange(len(domain.choices) - 1)
            return domain.choices[index + (index >= domain.places[value_key(value)])]
        rank = _neighbour(Integer(0, len(ordered) - 1), domain.ranks[value_key(value)], generator)
        return ordered[int(rank)]
    for _ in range(16):
        position = unit_position(domain, value) + generator.gauss(0.0, _STEP)
        moved = _from_unit(domain, min(1.0, max(0.0, position)))
        if moved != value:
            return moved
    if value != domain.lower:
        return domain.lower
    return domain.lower + 1 if isinstance(domain, Integer) else domain.upper


def _from_unit(domain: Integer | Float, position: float) -> Value:
    lower, upper = float(domain.lower), float(domain.upper)
    if isinstance(domain, Integer):
        lower, upper = lower - 0.5, upper + 0.5
    if domain.logarithmic:
        lower = max(lower, float(domain.lower) / 2)
        number = math.exp(_between(math.log(lower), math.log(upper), position))
    else:
        number = _between(lower, upper, position)
    if isinstance(domain, Integer):
        # The bounds are taken as integers: large ones are not exact as floats.
        return min(domain.upper, max(domain.lower, round(number)))
    return min(float(domain.upper), max(float(domain.lower), number))


def _between(lower: float, upper: float, position: float) -> float:
    """Finite also if the distance of the bounds is not."""
    return min(upper, max(lower, lower * (1.0 - position) + upper * position))


def unit_position(domain: Domain, value: Value) -> float:
    """The position of a value in an ordered domain, 0 to 1: on the logarithm of a logarithmic domain, by rank among
    ordered choices.
    """
    if isinstance(domain, Categorical):
        ordered = domain.ordered_choices
        assert ordered is not None
        return domain.ranks[value_key(value)] / max(1, len(ordered) - 1)
    assert isinstance(value, int | float)
    if domain.lower == domain.upper:
        return 0.0
    if domain.logarithmic:
        lower, upper = math.log(domain.lower), math.log(domain.upper)
        # The logarithms of neighbouring large numbers are the same float.
        return (math.log(value) - lower) / (upper - lower) if lower < upper else 0.5
    if math.isinf(domain.upper - domain.lower):
        return (value / 2 - domain.lower / 2) / (domain.upper / 2 - domain.lower / 2)
    return (value - domain.lower) / (domain.upper - domain.lower)


def _assignments(
    parameters: Sequence[Parameter], choices: Sequence[Sequence[Value]], values: Mapping[str, Value]
) -> Iterator[Mapping[str, Value]]:
    """Every continuation of the values of the parameters before, in the order of declaration."""
    if not parameters:
        yield values
    elif not holds(parameters[0].condition, values):
        yield from _assignments(parameters[1:], choices[1:], values)
    else:
        for value in choices[0]:
            yield from _assignments(parameters[1:], choices[1:], {**values, parameters[0].name: value})


def _value_count(domain: Domain) -> int | None:
    """None if there are too many to count."""
    if isinstance(domain, Categorical):
        return len(domain.choices)
    if isinstance(domain, Integer):
        return domain.upper - domain.lower + 1
    return 1 if domain.lower == domain.upper else None


def _all_values(parameter: Parameter) -> Sequence[Value]:
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return domain.choices
    if isinstance(domain, Integer):
        return range(domain.lower, domain.upper + 1)
    if domain.lower == domain.upper:
        return [domain.lower]
    raise NotEnumerable(f"parameter {parameter.name!r} is a float: the space cannot be enumerated")
