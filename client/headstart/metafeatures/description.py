"""The one entry point, ``describe``: which kind of data is described by whom, and that only finite numbers come out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from headstart.metafeatures.names import NAMES, WORDS

Kind = Literal["table", "image", "graph", "facts"]

_MODULES = {"table": "tables", "image": "images", "graph": "graphs"}


@dataclass(frozen=True)
class Description:
    """Goes into a task: ``Task(..., descriptor=found.descriptor, meta_features=found.meta_features)``.

    All numbers are finite. ``missing`` says of what could not be computed, why; a number that has no meaning for the
    data (the homophily of a graph without labels) is in neither.
    """

    descriptor: dict[str, str] = field(default_factory=dict)
    meta_features: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


class Findings:
    """A description as it is made."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.numbers: dict[str, float] = {}
        self.missing: dict[str, str] = {}

    def add(self, name: str, number: Any, otherwise: str = "it is not a finite number for this data") -> None:
        """Keep a number, or say why there is none."""
        assert name in NAMES, name
        value = None if number is None else float(number)
        if value is not None and math.isfinite(value):
            self.numbers[name] = value
            self.missing.pop(name, None)
        else:
            self.missing[name] = otherwise

    def description(self) -> Description:
        return Description(dict(sorted(self.words.items())), dict(sorted(self.numbers.items())), self.missing)


def describe(
    data: Any = None,
    target: Any = None,
    *,
    kind: Kind = "table",
    facts: Mapping[str, float | str] | None = None,
    landmarkers: bool = True,
    seed: int = 0,
    **options: Any,
) -> Description:
    """Describe a data set by numbers and words; the data stays here.

    ``kind`` "table": ``data`` are rows [instances, features] as NumPy array, pandas DataFrame, SciPy sparse matrix or
    lists, ``target`` labels or numbers [instances]. Options: ``categorical``, names or places of columns that hold
    categories though they look like numbers; ``problem``, "classification" or "regression" where the target does not
    tell.

    "image": ``data`` is an array or an iterable of images, or of pairs (image, label); ``layout`` says how their axes
    lie: "NHWC" (default), "NCHW", "NHW" for a whole array, and the same without N for the images of an iterable.
    Integers span their type's range, floats 0 to 1 unless ``value_range`` says otherwise.

    "graph": ``data`` are edges [2, edges] or [edges, 2] as node indices, or a sparse adjacency matrix; ``target``
    labels of the nodes, negative whole numbers or NaN where there is none. Options: ``node_count``, ``features``
    [nodes, features], ``directed`` (default False: an edge may be listed in one or both directions, and counts once).

    ``facts`` are words and numbers that are known without looking, by their names in docs/meta_features.md; they stand
    above what is computed. With kind "facts" and no data they are all there is.

    ``landmarkers`` trains small models on at most 2,000 instances; statistics look at no more than some thousand. The
    same ``seed`` gives the same numbers. Raises ImportError naming the extra "metafeatures" where NumPy or scikit-learn
    are missing, and ValueError for data that are none of the above.
    """
    stated = _checked(facts or {})
    if kind == "facts":
        if data is not None or target is not None or options:
            raise ValueError('kind "facts" takes facts only: say kind="table", "image" or "graph" for data')
        return stated
    if kind not in _MODULES:
        raise ValueError(f"kind must be table, image, graph or facts, got {kind!r}")
    if data is None:
        raise ValueError(f'there is no data to describe: pass it, or facts with kind="facts", got kind {kind!r} alone')
    computed = _described(kind, data, target, landmarkers=landmarkers, seed=seed, **options)
    return Description(
        {**computed.descriptor, **stated.descriptor},
        {**computed.meta_features, **stated.meta_features},
        {name: reason for name, reason in computed.missing.items() if name not in stated.meta_features},
    )


def _described(kind: str, data: Any, target: Any, **options: Any) -> Description:
    try:
        module = import_module(f"headstart.metafeatures.{_MODULES[kind]}")
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("numpy", "scipy", "sklearn"):
            raise
        message = f'meta-features of data need {error.name}: pip install "headstart[metafeatures]"'
        raise ImportError(message, name=error.name) from error
    findings = Findings()
    module.describe(findings, data, target, **options)
    return findings.description()


def _checked(facts: Mapping[str, float | str]) -> Description:
    """Raises ValueError for a name that means nothing, or a number that is none."""
    problems = list(_problems(facts))
    if problems:
        raise ValueError("; ".join(problems))
    words = {name: str(fact) for name, fact in facts.items() if isinstance(fact, str)}
    return Description(words, {name: float(fact) for name, fact in facts.items() if not isinstance(fact, str)})


def _problems(facts: Mapping[str, float | str]) -> Iterator[str]:
    for name, fact in facts.items():
        if isinstance(fact, str):
            # Words beside those known are free: a domain, a data set's name.
            if name in NAMES:
                yield f"{name} is a number ({NAMES[name][0]}), got {fact!r}"
        elif name in WORDS:
            yield f"{name} is a word ({WORDS[name]}), got {fact!r}"
        elif name not in NAMES:
            yield f"{name!r} is no name of a meta-feature: docs/meta_features.md lists them"
        elif isinstance(fact, bool) or not math.isfinite(fact):
            yield f"{name} must be a finite number, got {fact!r}: leave out what is missing"
