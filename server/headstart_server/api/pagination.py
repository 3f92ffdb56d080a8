"""Pages (AIP-158): how long one is, and the token of the next: the key after which it begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from google.protobuf.message import Message

from headstart.spaces import InvalidInput, Violation
from headstart.spaces.validation import is_slug

_DEFAULT = 100
_MAX = 1000
# Well below the limit of a message.
_PAGE_BYTES = 2 * 1024 * 1024
_BATCH = 50
_MAX_DIGITS = 18

T = TypeVar("T")
Key = TypeVar("Key")
Entry = TypeVar("Entry", bound=Message)


def page_size(asked: int) -> int:
    """The number of entries of a page: what was asked, up to the limit."""
    return min(asked, _MAX) if asked else _DEFAULT


def in_batches(read: Callable[[Key, int], list[T]], key: Callable[[T], Key], after: Key) -> Iterator[T]:
    """All rows after a key, read as they are needed; ``read`` gives at most so many of those after a key."""
    while True:
        batch = read(after, _BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        after = key(batch[-1])


def page_of(entries: Iterable[Entry], size: int) -> tuple[list[Entry], bool]:
    """The first entries, as many as fit a page by count and bytes, but one at least; and whether more are left."""
    page: list[Entry] = []
    room = _PAGE_BYTES
    for entry in entries:
        room -= entry.ByteSize()
        if len(page) == size or (page and room < 0):
            return page, True
        page.append(entry)
    return page, False


def page_token(list_name: str, key: str) -> str:
    return base64.urlsafe_b64encode(f"{list_name}:{key}".encode()).decode()


def page_name(list_name: str, token: str) -> str:
    """The id that a token stands for, "" where there is none. Raises InvalidInput for a foreign token."""
    key = _key(list_name, token) if token else ""
    if token and not is_slug(key):
        raise _foreign()
    return key


def page_sequence(list_name: str, token: str, first: int) -> int:
    """The sequence number that a token stands for, ``first`` where there is none. Raises InvalidInput."""
    if not token:
        return first
    key = _key(list_name, token)
    if not (key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS):
        raise _foreign()
    return int(key)


def _key(list_name: str, token: str) -> str:
    try:
        name, separator, key = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _foreign() from None
    if not separator or name != list_name:
        raise _foreign()
    return key


def _foreign() -> InvalidInput:
    return InvalidInput([Violation("page_token", "is not a next_page_token of this list: start without one")])
