"""Makes a candidate fit the data of another task, changing nothing without need and saying why of each change.

Parameters are adapted by their declared roles. Input and output follow the data. Capacity follows the amount of data:
the number of weights that learns best grows as about its power 0.6 (Hestness et al., "Deep learning scaling is
predictable, empirically", 2017, found 0.57 to 0.78), of which depth takes a fifth and width, which counts squared, two
fifths. Resolution is halved until at least four pixels along an edge reach the last layer, and as often as keeps what
one of them sees the same share of the picture. A batch holds at most a tenth of the examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headstart.spaces import Candidate, Categorical, Float, Integer, Parameter, ParameterRole, SearchSpace, Value
from headstart.spaces.declaration import holds
from headstart_server.transfer.data_shape import DataShape

_WEIGHTS_POWER = 0.6
_POWERS = {ParameterRole.WIDTH: 0.4 * _WEIGHTS_POWER, ParameterRole.DEPTH: 0.2 * _WEIGHTS_POWER}
# Less of a difference in data than this is no reason to change capacity.
_SIMILAR_DATA = 2.0
_LEAST_PIXELS = 4
_BATCHES = 10


@dataclass(frozen=True)
class Change:
    """``before`` is None where a parameter became active, ``after`` where it became inactive."""

    parameter: str
    before: Value | None
    after: Value | None
    reason: str


@dataclass(frozen=True)
class Adapted:
    candidate: Candidate
    changes: tuple[Change, ...]


def adapt(space: SearchSpace, candidate: Candidate, source: DataShape, target: DataShape) -> Adapted:
    """A candidate of the same space, valid in it, for data of another shape.

    A graph that the candidate brings itself stays as it is: its space does not say what the attributes stand for.
    """
    wanted: dict[str, tuple[Value, str]] = {}
    for parameter in space.parameters:
        if parameter.name in candidate.values and parameter.role is not None:
            told = _wanted(parameter, candidate.values[parameter.name], source, target)
            if told is not None:
                wanted[parameter.name] = told
    wanted.update(_downsampling(space, candidate, *_edges(space, candidate, wanted, source, target)))
    values: dict[str, Value] = {}
    changes: list[Change] = []
    for parameter in space.parameters:
        name = parameter.name
        before = candidate.values.get(name)
        if not holds(parameter.condition, values):
            if before is not None:
                changes.append(Change(name, before, None, f"without effect, now that {_because(parameter, values)}"))
            continue
        if before is None:
            values[name] = _like_its_siblings(space, parameter, values)
            changes.append(Change(name, None, values[name], f"in effect, now that {_because(parameter, values)}"))
            continue
        values[name], reason = wanted.get(name, (before, ""))
        if values[name] != before:
            changes.append(Change(name, before, values[name], reason))
    return Adapted(Candidate(values, candidate.graph), tuple(changes))


def _wanted(parameter: Parameter, before: Value, source: DataShape, target: DataShape) -> tuple[Value, str] | None:
    """The value that a parameter should have by its role, and why; None to leave it."""
    if isinstance(before, str | bool):
        return None
    if parameter.role is ParameterRole.INPUT_SIZE and target.size is not None:
        return _exactly(parameter, target.size, "pixels along an edge")
    if parameter.role is ParameterRole.INPUT_CHANNELS and target.channels is not None:
        return _exactly(parameter, target.channels, "input channels")
    if parameter.role is ParameterRole.OUTPUT_UNITS and target.outputs is not None:
        return _exactly(parameter, target.outputs, "outputs", at_least=True)
    if parameter.role is ParameterRole.BATCH_SIZE and target.instances is not None:
        most = max(1.0, target.instances / _BATCHES)
        if before <= most:
            return None
        return _allowed(parameter, most, at_most=True), f"at most a tenth of the {target.instances:,.0f} examples"
    if source.instances is None or target.instances is None:
        return None
    ratio = target.instances / source.instances
    if 1 / _SIMILAR_DATA <= ratio <= _SIMILAR_DATA:
        return None
    if parameter.role not in _POWERS:
        return None
    factor = ratio ** _POWERS[parameter.role]
    reason = f"capacity for {target.instances:,.0f} examples rather than {source.instances:,.0f}: times {factor:.2f}"
    return _allowed(parameter, before * factor), reason


def _exactly(parameter: Parameter, wanted: float, what: str, at_least: bool = False) -> tuple[Value, str]:
    value = _allowed(parameter, wanted, at_least=at_least)
    reason = f"the data have {wanted:g} {what}"
    return value, reason if value == wanted else f"{reason}; the nearest that the space allows"


def _edges(
    space: SearchSpace,
    candidate: Candidate,
    wanted: Mapping[str, tuple[Value, str]],
    source: DataShape,
    target: DataShape,
) -> tuple[float | None, float | None]:
    """Pixels along an edge that enter the network, before and after: its own input size, where it has one, to which
    pictures are scaled."""
    if target.size is None:
        return source.size, None
    for parameter, before in _active(space, candidate, ParameterRole.INPUT_SIZE):
        after, _ = wanted.get(parameter.name, (before, ""))
        assert not isinstance(after, str)
        return before, float(after)
    return source.size, target.size


def _downsampling(
    space: SearchSpace, candidate: Candidate, before_size: float | None, size: float | None
) -> Iterator[tuple[str, tuple[Value, str]]]:
    """How often the resolution is halved, and strides, the last first, until enough pixels are left."""
    if size is None:
        return
    most = max(1.0, size / _LEAST_PIXELS)
    halved = list(_active(space, candidate, ParameterRole.DOWNSAMPLING))
    strides = list(_active(space, candidate, ParameterRole.STRIDE))
    factor = math.prod([2.0**number for _, number in halved] + [number for _, number in strides])
    share = 1.0 if before_size is None else size / before_size
    for parameter, before in halved:
        # Of several, each takes its part of what is to be seen more or less coarsely.
        wanted = max(0.0, before + round(math.log2(share) / len(halved)))
        fitting = math.floor(math.log2(most / factor * 2**before)) if factor / 2**before <= most else 0
        after = _allowed(parameter, min(wanted, max(0.0, fitting)), at_most=True)
        if isinstance(after, int | float) and after != before:
            yield parameter.name, (after, _pixels(size, factor / 2**before * 2**after))
            factor = factor / 2**before * 2**after
    for parameter, number in reversed(strides):
        if factor <= most:
            return
        after = _allowed(parameter, max(1.0, number * most / factor), at_most=True)
        if isinstance(after, int | float) and after != number:
            factor = factor / number * after
            yield parameter.name, (after, _pixels(size, factor))


def _pixels(size: float, factor: float) -> str:
    return f"{size:g} pixels along an edge, of which {size / factor:.3g} reach the last layer"


def _active(space: SearchSpace, candidate: Candidate, role: ParameterRole) -> Iterator[tuple[Parameter, float]]:
    for parameter in space.parameters:
        value = candidate.values.get(parameter.name)
        if parameter.role is role and isinstance(value, int | float) and not isinstance(value, bool):
            yield parameter, float(value)


def _allowed(parameter: Parameter, wanted: float, at_least: bool = False, at_most: bool = False) -> Value:
    """The nearest value of a domain, by ratio; not below or above what is wanted where the domain has such a one."""
    domain = parameter.domain
    if isinstance(domain, Float):
        return min(max(float(wanted), domain.lower), domain.upper)
    if isinstance(domain, Integer):
        rounding: Callable[[float], int] = math.ceil if at_least else math.floor if at_most else round
        return min(max(rounding(wanted), domain.lower), domain.upper)
    numbers = [each for each in domain.choices if isinstance(each, int | float) and not isinstance(each, bool)]
    if not numbers:
        return domain.choices[0]
    fitting = [each for each in numbers if (each >= wanted or not at_least) and (each <= wanted or not at_most)]
    return min(fitting or numbers, key=lambda each: abs(math.log(max(each, 1e-9) / max(wanted, 1e-9))))


def _like_its_siblings(space: SearchSpace, parameter: Parameter, values: dict[str, Value]) -> Value:
    """For a parameter that became active: the value of the last one before it with its role and domain."""
    for sibling in reversed(space.parameters):
        if sibling.name in values and (sibling.role, sibling.domain) == (parameter.role, parameter.domain):
            return values[sibling.name]
    return _middle(parameter.domain)


def _middle(domain: Categorical | Integer | Float) -> Value:
    if isinstance(domain, Categorical):
        return domain.choices[len(domain.choices) // 2]
    lower, upper = domain.lower, domain.upper
    # Neither product nor sum of the bounds: both may be beyond the largest float.
    middle = math.sqrt(lower) * math.sqrt(upper) if domain.logarithmic else lower / 2 + upper / 2
    if isinstance(domain, Float):
        return min(max(middle, domain.lower), domain.upper)
    return min(max(round(middle), domain.lower), domain.upper)


def _because(parameter: Parameter, values: dict[str, Value]) -> str:
    condition = parameter.condition
    assert condition is not None
    return f"{condition.parameter} is {values.get(condition.parameter, 'inactive')}"


def describe(changes: Sequence[Change]) -> str:
    """In a few words, for a reason."""
    return ", ".join(f"{each.parameter} {each.before} -> {each.after}" for each in changes) or "unchanged"
