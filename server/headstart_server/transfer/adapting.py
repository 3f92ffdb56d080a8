"""Adaptation of a candidate to the data of another task, with few changes and a reason for each.

Parameters are adapted by their declared roles. Input and output sizes follow the data. Capacity follows the amount of
data: the best number of weights grows as about its power 0.6 (Hestness et al., "Deep learning scaling is predictable,
empirically", 2017, found 0.57 to 0.78), of which depth takes a fifth and width, which counts squared, two fifths.
Resolution is halved as often as keeps the receptive field of the last layer at the same share of the image, but
leaves that layer at least four pixels along an edge. A batch holds at most a tenth of the examples.
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
# Ratio of data sizes up to which capacity stays unchanged.
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
class AdaptedCandidate:
    """A valid candidate with the changes that led to it."""

    candidate: Candidate
    changes: tuple[Change, ...]


def adapt(space: SearchSpace, candidate: Candidate, source: DataShape, target: DataShape) -> AdaptedCandidate:
    """Adapt a candidate to data of another shape; the result is valid in the same space.

    An explicit graph of the candidate stays unchanged, since its space does not declare roles for node attributes.
    """
    adapted: dict[str, tuple[Value, str]] = {}
    for parameter in space.parameters:
        if parameter.name in candidate.values and parameter.role is not None:
            by_role = _by_role(parameter, candidate.values[parameter.name], source, target)
            if by_role is not None:
                adapted[parameter.name] = by_role
    adapted.update(_downsampling(space, candidate, *_edges(space, candidate, adapted, source, target)))
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
        values[name], reason = adapted.get(name, (before, ""))
        if values[name] != before:
            changes.append(Change(name, before, values[name], reason))
    return AdaptedCandidate(Candidate(values, candidate.graph), tuple(changes))


def _by_role(parameter: Parameter, before: Value, source: DataShape, target: DataShape) -> tuple[Value, str] | None:
    """The value of a parameter by its role, with the reason; None to leave it."""
    if isinstance(before, str | bool):
        return None
    if parameter.role is ParameterRole.INPUT_SIZE and target.size is not None:
        return _nearest(parameter, target.size, "pixels along an edge")
    if parameter.role is ParameterRole.INPUT_CHANNELS and target.channels is not None:
        return _nearest(parameter, target.channels, "input channels")
    if parameter.role is ParameterRole.OUTPUT_UNITS and target.outputs is not None:
        return _nearest(parameter, target.outputs, "outputs", at_least=True)
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


def _nearest(parameter: Parameter, size: float, unit: str, at_least: bool = False) -> tuple[Value, str]:
    value = _allowed(parameter, size, at_least=at_least)
    reason = f"the data have {size:g} {unit}"
    return value, reason if value == size else f"{reason}; the nearest that the space allows"


def _edges(
    space: SearchSpace,
    candidate: Candidate,
    adapted: Mapping[str, tuple[Value, str]],
    source: DataShape,
    target: DataShape,
) -> tuple[float | None, float | None]:
    """Pixels along an edge of the network's input, before and after: the input size that images are scaled to, if the
    space has one, else the size of the images."""
    if target.size is None:
        return source.size, None
    for parameter, before in _active(space, candidate, ParameterRole.INPUT_SIZE):
        after, _ = adapted.get(parameter.name, (before, ""))
        assert not isinstance(after, str)
        return before, float(after)
    return source.size, target.size


def _downsampling(
    space: SearchSpace, candidate: Candidate, before_size: float | None, size: float | None
) -> Iterator[tuple[str, tuple[Value, str]]]:
    """Halvings of the resolution, and strides, the last first, that leave enough pixels; each with its reason."""
    if size is None:
        return
    most = max(1.0, size / _LEAST_PIXELS)
    halved = list(_active(space, candidate, ParameterRole.DOWNSAMPLING))
    strides = list(_active(space, candidate, ParameterRole.STRIDE))
    factor = math.prod([2.0**number for _, number in halved] + [number for _, number in strides])
    share = 1.0 if before_size is None else size / before_size
    for parameter, before in halved:
        # Several parameters share the change of resolution.
        halvings = max(0.0, before + round(math.log2(share) / len(halved)))
        fitting = math.floor(math.log2(most / factor * 2**before)) if factor / 2**before <= most else 0
        after = _allowed(parameter, min(halvings, max(0.0, fitting)), at_most=True)
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


def _allowed(parameter: Parameter, size: float, at_least: bool = False, at_most: bool = False) -> Value:
    """The nearest value of the domain by ratio; not below (``at_least``) or above (``at_most``) the size if
    possible."""
    domain = parameter.domain
    if isinstance(domain, Float):
        return min(max(float(size), domain.lower), domain.upper)
    if isinstance(domain, Integer):
        rounding: Callable[[float], int] = math.ceil if at_least else math.floor if at_most else round
        return min(max(rounding(size), domain.lower), domain.upper)
    numbers = [each for each in domain.choices if isinstance(each, int | float) and not isinstance(each, bool)]
    if not numbers:
        return domain.choices[0]
    fitting = [each for each in numbers if (each >= size or not at_least) and (each <= size or not at_most)]
    return min(fitting or numbers, key=lambda each: abs(math.log(max(each, 1e-9) / max(size, 1e-9))))


def _like_its_siblings(space: SearchSpace, parameter: Parameter, values: dict[str, Value]) -> Value:
    """The value for a parameter that became active: that of the last one before it with its role and domain."""
    for sibling in reversed(space.parameters):
        if sibling.name in values and (sibling.role, sibling.domain) == (parameter.role, parameter.domain):
            return values[sibling.name]
    return _middle(parameter.domain)


def _middle(domain: Categorical | Integer | Float) -> Value:
    if isinstance(domain, Categorical):
        return domain.choices[len(domain.choices) // 2]
    lower, upper = domain.lower, domain.upper
    # The product or sum of the bounds may exceed the largest float.
    middle = math.sqrt(lower) * math.sqrt(upper) if domain.logarithmic else lower / 2 + upper / 2
    if isinstance(domain, Float):
        return min(max(middle, domain.lower), domain.upper)
    return min(max(round(middle), domain.lower), domain.upper)


def _because(parameter: Parameter, values: dict[str, Value]) -> str:
    condition = parameter.condition
    assert condition is not None
    return f"{condition.parameter} is {values.get(condition.parameter, 'inactive')}"


def describe(changes: Sequence[Change]) -> str:
    """The changes in a few words, for a reason."""
    return ", ".join(f"{each.parameter} {each.before} -> {each.after}" for each in changes) or "unchanged"
