"""Page sizes and tokens (AIP-158): a token is the key after which the next page begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii

from headstart.spaces import InvalidInput, Violation

_DEFAULT = 100
_MAX = 1000


def page_size(asked: int) -> int:
    """The number of entries of a page: what was asked, up to the limit."""
    return min(asked, _MAX) if asked else _DEFAULT


def page_token(list_name: str, key: str) -> str:
    return base64.urlsafe_b64encode(f"{list_name}:{key}".encode()).decode()


def page_key(list_name: str, token: str, first: str) -> str:
    """The key that a token stands for, ``first`` where there is none. Raises InvalidInput for a foreign token."""
    if not token:
        return first
    try:
        name, separator, key = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        name, separator, key = "", "", ""
    if not separator or name != list_name:
        raise InvalidInput([Violation("page_token", "is not a next_page_token of this list: start without one")])
    return key
