"""Finds the search space that a history moved in: domains, and which parameters are there only sometimes, and when.

A source may know domains (Optuna's distributions); others are taken from the values: numbers span a range, words are
choices. Spaces of Headstart say when a parameter is active, histories do not: a parameter that is missing from some
runs gets a condition on an earlier one that tells where it is there, or, where none does, a parameter of its own
(``has_NAME``) that says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headstart.history.model import UsageProblem
from headstart.spaces.declaration import Categorical, Condition, Domain, Float, Integer, Parameter, SearchSpace, Value
from headstart.spaces.validation import MAX_CHOICES

# A positive range whose ends differ by this factor counts as logarithmic.
_LOGARITHMIC_RATIO = 100

# Above this number of values a parameter is not considered as an explanation for others.
_MAX_DECIDING_VALUES = 256

# In a source of texts a broken number reads as a word. Among at least this share of numbers, with more than this
# number of different ones, words count as broken numbers: mixed choices are rarely more than a few.
_NUMBERS_SHARE = 0.95
_DIFFERENT_NUMBERS = 20

Key = tuple[bool, Value]
Decided = dict[str, set[Key] | None]


@dataclass
class _Seen:
    """The values of a parameter so far, in bounded memory."""

    lower: float | int | None = None
    upper: float | int | None = None
    numbers: int = 0
    whole: bool = True
    integers: int = 0
    others: int = 0
    choices: set[Key] = field(default_factory=set)

    def add(self, value: Value) -> None:
        if len(self.choices) <= MAX_CHOICES:
            self.choices.add(_key(value))
        if isinstance(value, bool | str):
            self.others += 1
            return
        self.numbers += 1
        self.integers += isinstance(value, int)
        self.whole = self.whole and _is_whole(value)
        self.lower = value if self.lower is None else min(self.lower, value)
        self.upper = value if self.upper is None else max(self.upper, value)

    def domain(self, name: str, texts: bool) -> Domain:
        if self.others and not (texts and self._are_numbers()):
            if len(self.choices) > MAX_CHOICES:
                raise UsageProblem(
                    f"parameter {name!r} has more than {MAX_CHOICES} different values that are not numbers: "
                    "leave it out of the parameters in a mapping file"
                )
            return Categorical(tuple(value for _, value in sorted(self.choices, key=_order)))
        assert self.lower is not None and self.upper is not None
        logarithmic = self.lower > 0 and self.upper / self.lower >= _LOGARITHMIC_RATIO
        # 16.0 among whole numbers is a whole number; if all are written so, it is not known.
        if not (self.whole and self.integers):
            return Float(float(self.lower), float(self.upper), logarithmic)
        return Integer(int(self.lower), int(self.upper), logarithmic)

    def _are_numbers(self) -> bool:
        """Whether the few words among the values are broken numbers."""
        different = sum(not isinstance(value, bool | str) for _, value in self.choices)
        return different > _DIFFERENT_NUMBERS and self.numbers >= _NUMBERS_SHARE * (self.numbers + self.others)


class SpaceDerivation:
    """Derives a space from the values of every run; ``domains`` are known in advance, ``always`` are parameters of
    every run.

    ``ranges`` are numbers that parameters may have beside those of the runs, as (lowest, highest). ``texts``: values
    were texts at their source, so a word among numbers may be a broken one.
    """

    def __init__(
        self,
        domains: Mapping[str, Domain] | None = None,
        conditions: Mapping[str, Condition] | None = None,
        always: Collection[str] = (),
        texts: bool = False,
        ranges: Mapping[str, tuple[Value, Value]] | None = None,
    ) -> None:
        self._ranges = dict(ranges or {})
        self._texts = texts
        self._declares = bool(domains or conditions or always)
        self._always = set(always)
        self._domains = dict(domains or {})
        self._conditions = dict(conditions or {})
        self._seen: dict[str, _Seen] = {}
        self._order: dict[str, None] = dict.fromkeys(self._domains)
        # By the set of present parameters: the values that each of them had, in completed runs and in all.
        self._completed: dict[frozenset[str], Decided] = {}
        self._all: dict[frozenset[str], Decided] = {}

    def observe(self, values: Mapping[str, Value], completed: bool) -> None:
        for name, value in values.items():
            self._order.setdefault(name)
            if name not in self._domains:
                self._seen.setdefault(name, _Seen()).add(value)
        present = frozenset(values)
        for signatures in (self._all, self._completed) if completed else (self._all,):
            decided = signatures.setdefault(present, {})
            for name, value in values.items():
                known = decided.setdefault(name, set())
                if known is not None:
                    known.add(_key(value))
                    if len(known) > _MAX_DECIDING_VALUES:
                        decided[name] = None

    @property
    def is_certain(self) -> bool:
        """Whether every observed run certainly fits the space, without looking at each again."""
        if self._declares or (self._texts and any(seen.others and seen.numbers for seen in self._seen.values())):
            return False
        always = {name for name in self._order if self._is_always_there(name)}
        return all(always <= present for present in self._all)

    def space(self, search_space_id: str, description: str = "") -> SearchSpace:
        """Raises UsageProblem if the values make no space."""
        if not self._order:
            raise UsageProblem("there is no run with parameters to derive a search space from")
        unseen = [name for name in self._domains if not any(name in present for present in self._all)]
        self._widen()
        for name in self._seen:
            self._domains[name] = self._seen[name].domain(name, self._texts)
        sometimes = [name for name in self._order if name not in unseen and not self._is_always_there(name)]
        always = [name for name in self._order if name not in sometimes]
        placed = {name: Parameter(name, self._domains[name], self._conditions.get(name)) for name in always}
        for name in sorted(sometimes, key=self._presence_count, reverse=True):
            condition = self._conditions.get(name) or self._condition(name, placed)
            if condition is None:
                indicator = _free_name(f"has_{name}", {*self._order, *placed})
                placed[indicator] = Parameter(indicator, Categorical((False, True)))
                condition = Condition(indicator, (True,))
            placed[name] = Parameter(name, self._domains[name], condition)
        return SearchSpace(search_space_id, tuple(placed.values()), description=description)

    def _widen(self) -> None:
        """Raises UsageProblem for the range of a parameter that is not a number."""
        for name, ends in self._ranges.items():
            seen = self._seen.get(name)
            if seen is None or not seen.numbers:
                raise UsageProblem(f"a range is for a parameter whose values are numbers, which {name!r} is not")
            for end in ends:
                seen.add(end)

    def _is_always_there(self, name: str) -> bool:
        """Judged by completed runs if there are any, because a failed run may have ended before it had all its
        parameters.
        """
        return name in self._always or all(name in present for present in self._completed or self._all)

    def _presence_count(self, name: str) -> int:
        return sum(name in present for present in self._all)

    def _condition(self, name: str, placed: Mapping[str, Parameter]) -> Condition | None:
        for signatures in (self._all, self._completed):
            conditions = [
                (rank, Condition(other, values))
                for other, parameter in placed.items()
                if (values := self._deciding_values(name, other, parameter.domain, signatures))
                and (rank := _rank(parameter.domain)) is not None
            ]
            if conditions:
                return min(conditions, key=lambda pair: pair[0])[1]
        return None

    def _deciding_values(
        self, name: str, other: str, domain: Domain, signatures: Mapping[frozenset[str], Decided]
    ) -> tuple[Value, ...]:
        """The values of ``other`` with which ``name`` is present, if they decide it; else none."""
        there: set[Key] = set()
        not_there: set[Key] = set()
        for present, decided in signatures.items():
            values = decided.get(other, set())
            if values is None or (name in present and other not in present):
                return ()
            (there if name in present else not_there).update(values)
        if not there or there & not_there:
            return ()
        if isinstance(domain, Integer):
            return _beyond(domain, _numbers(there), _numbers(not_there))
        return tuple(value for _, value in sorted(there, key=_order))


def _beyond(domain: Integer, there: Collection[int], not_there: Collection[int]) -> tuple[Value, ...]:
    """The whole end of a range, if the values lie so (the third layer exists from three layers on)."""
    if not there or not not_there or domain.upper - domain.lower >= MAX_CHOICES:
        return ()
    if min(there) > max(not_there):
        return tuple(range(min(there), domain.upper + 1))
    if max(there) < min(not_there):
        return tuple(range(domain.lower, max(there) + 1))
    return ()


def with_indicators(space: SearchSpace, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with those of the ``has_NAME`` parameters that the derivation added."""
    filled = dict(values)
    for parameter in space.parameters:
        condition = parameter.condition
        if condition is not None and is_indicator(condition.parameter, parameter.name):
            filled.setdefault(condition.parameter, parameter.name in values)
    return filled


def is_indicator(parameter: str, of: str) -> bool:
    return parameter.rstrip("_") == f"has_{of}".rstrip("_")


def fitted(value: Value, domain: Domain) -> Value:
    """The value in the form of the domain, if only the form differs: 3.0 for 3, a step's rounding error."""
    if isinstance(domain, Integer) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(domain, Categorical) and isinstance(value, int | float) and not isinstance(value, bool):
        for choice in domain.choices:
            if isinstance(choice, bool | str):
                continue
            if choice == value or abs(choice - value) <= 1e-9 * max(abs(choice), abs(value)):
                return choice
    return value


def merged(domains: Iterable[Domain]) -> Domain:
    """One domain that contains all of them."""
    distinct = list(dict.fromkeys(domains))
    if len(distinct) == 1:
        return distinct[0]
    if not all(isinstance(domain, Categorical) for domain in distinct) and all(map(_is_numeric, distinct)):
        return _range(distinct)
    choices: dict[Key, Value] = {}
    for domain in distinct:
        if not isinstance(domain, Categorical):
            raise UsageProblem("a parameter has a range in some runs and choices in others: it fits no search space")
        choices.update((_key(choice), choice) for choice in domain.choices)
    return Categorical(tuple(choices.values()))


def _is_numeric(domain: Domain) -> bool:
    return not isinstance(domain, Categorical) or all(
        isinstance(choice, int | float) and not isinstance(choice, bool) for choice in domain.choices
    )


def _range(domains: Sequence[Domain]) -> Integer | Float:
    """From the lowest to the highest number; whole if all are whole, logarithmic if all ranges are."""
    bounds = [bound for domain in domains for bound in _bounds(domain)]
    lower, upper = min(bounds), max(bounds)
    ranges = [domain for domain in domains if not isinstance(domain, Categorical)]
    logarithmic = lower > 0 and all(domain.logarithmic for domain in ranges)
    if any(isinstance(domain, Float) for domain in ranges) or not all(map(_is_whole, bounds)):
        return Float(float(lower), float(upper), logarithmic)
    return Integer(int(lower), int(upper), logarithmic)


def _is_whole(number: float) -> bool:
    return isinstance(number, int) or number.is_integer()


def _bounds(domain: Domain) -> list[float]:
    """The ends of a range; all choices, because a value between two whole numbers may not be one."""
    if isinstance(domain, Categorical):
        return [choice for choice in domain.choices if isinstance(choice, int | float)]
    return [domain.lower, domain.upper]


def _rank(domain: Domain) -> tuple[int, int] | None:
    """Rank of parameters as explanations for a missing one: few choices first, then counts; a float never."""
    if isinstance(domain, Categorical):
        return (0, len(domain.choices))
    if isinstance(domain, Integer):
        return (1, domain.upper - domain.lower)
    return None


def _numbers(keys: Iterable[Key]) -> list[int]:
    return [value for _, value in keys if isinstance(value, int)]


def _key(value: Value) -> Key:
    """A key that distinguishes True and 1."""
    return isinstance(value, bool), value


def _order(key: Key) -> tuple[int, float, str]:
    """Numbers, then words, then truth values."""
    truth, value = key
    if truth:
        return (2, float(value), "")
    return (1, 0.0, value) if isinstance(value, str) else (0, float(value), "")


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
