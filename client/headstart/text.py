"""Finds text that is not Unicode: half characters, as names of files and broken JSON bring them.

No message can carry it, and what fails there does not say which field it was.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from headstart.spaces.validation import InvalidInput, Violation

Kind = TypeVar("Kind")

PROBLEM = "has half a character, which is no Unicode"


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unicode_text(text: str) -> str:
    """The text with a question mark for each lone surrogate."""
    return text.encode(errors="replace").decode()


def broken_text(value: Any, path: str) -> str | None:
    """The path of the first text in a value, however deep, that is not Unicode; None without any."""
    if isinstance(value, str):
        return None if is_unicode(value) else path
    if isinstance(value, Mapping):
        parts = [(key, f"{path}[{unicode_text(str(key))[:63]}]") for key in value]
        result = next((where for key, where in parts if isinstance(key, str) and not is_unicode(key)), None)
        return result or _first((value[key], where) for key, where in parts)
    if is_dataclass(value) and not isinstance(value, type):
        return _first(
            (getattr(value, each.name), f"{path}.{each.name}" if path else each.name) for each in fields(value)
        )
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return _first((each, f"{path}[{index}]") for index, each in enumerate(value))
    return None


def refuse_broken_text(values: Mapping[str, Any]) -> None:
    """Raises InvalidInput with the path of the first text that is not Unicode."""
    for name, value in values.items():
        path = broken_text(value, name)
        if path is not None:
            raise InvalidInput([Violation(path, PROBLEM)])


def naming_broken_text(kind: type[Kind]) -> type[Kind]:
    """Makes the public methods of a class raise InvalidInput with the name of an argument that is not Unicode or not
    a text.
    """
    for name, method in list(vars(kind).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(kind, name, _naming(method))
    return kind


def _naming(method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)

    def refuse(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        bound = signature.bind(*arguments, **named).arguments
        refuse_broken_text({name: value for name, value in bound.items() if name != "self"})

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        except UnicodeEncodeError:
            refuse(arguments, named)
            raise
        except (TypeError, AttributeError):
            _refuse_other_than_text(signature, arguments, named)
            raise

    @functools.wraps(method)
    def iterate(*arguments: Any, **named: Any) -> Iterator[Any]:
        try:
            yield from method(*arguments, **named)
        except UnicodeEncodeError:
            refuse(arguments, named)
            raise
        except (TypeError, AttributeError):
            _refuse_other_than_text(signature, arguments, named)
            raise

    return iterate if inspect.isgeneratorfunction(method) else call


def _refuse_other_than_text(signature: inspect.Signature, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a parameter that is annotated as a text and is not one."""
    try:
        bound = signature.bind(*arguments, **named).arguments
    except TypeError:
        # Python reports arguments that are missing or too many.
        return
    for name, value in bound.items():
        if signature.parameters[name].annotation == "str" and not isinstance(value, str):
            raise InvalidInput([Violation(name, f"must be a text, got {value!r:.100}")])


def _first(parts: Any) -> str | None:
    return next((result for value, path in parts if (result := broken_text(value, path)) is not None), None)
