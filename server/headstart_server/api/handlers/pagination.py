"""Pages (AIP-158): how long one is, and the token of the next: the key after which it begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeGuard, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from headstart.spaces import InvalidInput, Violation
from headstart.spaces.validation import is_slug

_DEFAULT = 100
_MAX = 1000
# Well below the limit of a message.
_PAGE_BYTES = 2 * 1024 * 1024
_BATCH = 50

KeyPart = int | float | datetime | UUID

T = TypeVar("T")
Key = TypeVar("Key")
Entry = TypeVar("Entry", bound=Message)


def page_size(wanted: int) -> int:
    """The number of entries of a page: the requested one, up to the limit."""
    return min(wanted, _MAX) if wanted else _DEFAULT


def in_batches(read: Callable[[Key, int], list[T]], key: Callable[[T], Key], after: Key) -> Iterator[T]:
    """All rows after a key, read on demand; ``read`` returns a bounded number of rows after a key."""
    while True:
        batch = read(after, _BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        after = key(batch[-1])


def page_of(entries: Iterable[Entry], size: int) -> tuple[list[Entry], bool]:
    """The first entries that fit a page by count and bytes, at least one; and whether more are left."""
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
    """The id in a token, "" without one. Raises InvalidInput for a foreign token."""
    key = _key(list_name, token) if token else ""
    if token and not is_slug(key):
        raise _foreign()
    return key


def request_name(list_name: str, request: Message) -> str:
    """The name of the list that a request describes: all of its fields but page token and size."""
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("page_size")
    content.ClearField("page_token")
    digest = hashlib.sha256(content.SerializeToString(deterministic=True)).hexdigest()
    return f"{list_name}/{digest[:32]}"


def key_token(list_name: str, key: Sequence[KeyPart]) -> str:
    """The token of a key of several parts."""
    return page_token(list_name, json.dumps([_part_to_json(part) for part in key]))


def page_key(list_name: str, token: str, kinds: Sequence[type]) -> tuple[KeyPart, ...]:
    """The key in a token, with parts of these types. Raises InvalidInput for a foreign token."""
    try:
        stored = json.loads(_key(list_name, token))
        if not isinstance(stored, list):
            raise _foreign()
        return tuple(_part_from_json(part, kind) for part, kind in zip(stored, kinds, strict=True))
    except (ValueError, OverflowError, RecursionError):
        raise _foreign() from None


def _part_to_json(part: KeyPart) -> int | float | str:
    if isinstance(part, UUID):
        return str(part)
    return part.isoformat() if isinstance(part, datetime) else part


def _part_from_json(stored: object, kind: type) -> KeyPart:
    part: object = stored
    if isinstance(stored, str):
        part = _time(stored) if kind is datetime else UUID(stored) if kind is UUID else stored
    if type(part) is not kind or not _is_key_part(part):
        raise _foreign()
    return part


def _time(text: str) -> datetime:
    """A time in UTC, because PostgreSQL does not accept every offset that Python does. Raises ValueError,
    OverflowError.
    """
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is None else time.astimezone(UTC)


def _is_key_part(part: object) -> TypeGuard[KeyPart]:
    if isinstance(part, datetime):
        return part.tzinfo is not None
    if isinstance(part, UUID):
        return True
    if isinstance(part, float):
        return math.isfinite(part)
    return isinstance(part, int) and 0 <= part < 2**63


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
