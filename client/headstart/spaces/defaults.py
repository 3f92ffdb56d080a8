"""The candidate that a space declares as its default."""

from __future__ import annotations

import math

from headstart.spaces.declaration import Candidate, Categorical, Domain, Integer, SearchSpace, Value, holds


def default_candidate(space: SearchSpace) -> Candidate | None:
    """The declared defaults, and the middle of the domain of every other active parameter.

    None if no parameter declares a default, and in spaces of explicit graphs.
    """
    if space.explicit_graphs or all(parameter.default is None for parameter in space.parameters):
        return None
    values: dict[str, Value] = {}
    for parameter in space.parameters:
        if holds(parameter.condition, values):
            declared = parameter.default
            values[parameter.name] = _middle(parameter.domain) if declared is None else declared
    return Candidate(values)


def _middle(domain: Domain) -> Value:
    """The middle of a range (of its logarithm if it is logarithmic), of ordered choices (the lower of two), or else
    the first choice.
    """
    if isinstance(domain, Categorical):
        ordered = domain.ordered_choices
        return domain.choices[0] if ordered is None else ordered[(len(ordered) - 1) // 2]
    if domain.logarithmic:
        middle = math.sqrt(domain.lower) * math.sqrt(domain.upper)
    else:
        middle = domain.lower / 2 + domain.upper / 2
    if isinstance(domain, Integer):
        return min(max(round(middle), domain.lower), domain.upper)
    return min(max(middle, domain.lower), domain.upper)
