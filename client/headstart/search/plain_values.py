"""Turns what optimizers propose into plain values of the search space: numbers of NumPy, 3.0 for 3."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any

from headstart.accepting import candidate_of
from headstart.spaces import Candidate, Categorical, Integer, SearchSpace, Value
from headstart.spaces.declaration import Domain

# Tolerance for a single-precision number (np.float32) at the end of a range.
_ROUNDING = 1e-6


def plain_candidate(space: SearchSpace, candidate: Candidate) -> Candidate:
    """The candidate with values of Python's own types, in the form of their domains; the same object if it has them."""
    candidate = candidate_of(candidate, "proposal")
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    values = {
        name: _plain(value, domains[name]) if name in domains else value for name, value in candidate.values.items()
    }
    return (
        candidate
        if all(values[name] is candidate.values[name] for name in values)
        else replace(candidate, values=values)
    )


def _plain(value: Any, domain: Domain) -> Value:
    kind = type(value)
    if kind in (str, bool, int):
        return value  # type: ignore[no-any-return]
    if kind.__name__ in ("bool_", "bool"):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if not isinstance(value, Real):
        # The later check refuses it by name.
        return value  # type: ignore[no-any-return]
    number = float(value)
    if isinstance(domain, Integer):
        return int(number) if number.is_integer() else number
    if isinstance(domain, Categorical):
        return _choice(value, number, domain)
    if kind is not float:
        reach = _ROUNDING * max(abs(domain.lower), abs(domain.upper))
        if domain.lower - reach <= number <= domain.upper + reach:
            return min(max(number, domain.lower), domain.upper)
    return number


def _choice(value: Any, number: float, domain: Categorical) -> Value:
    """The choice that a number of lower precision stands for."""
    if number in domain.choices or type(value) is float:
        return number
    numbers = [choice for choice in domain.choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
    return next((choice for choice in numbers if type(value)(choice) == value), number)
