"""Locations of histories: the path that a user's spelling of a file, folder or SQLite database means.

Tools print the same location in several ways: ``runs``, ``file:runs``, ``file:///my%20runs``,
``sqlite:///x.db?timeout=60``. A name that exists exactly as written is taken first, so it may contain ``?`` or
``%20``.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, unquote

_SQLITE = re.compile(r"^sqlite(\+\w+)?:///")


def local_path(location: str) -> Path | None:
    """The file or folder of a location, existing or not; None for a URL of something else."""
    sqlite = _SQLITE.match(location)
    if sqlite:
        written = location[sqlite.end() :].removeprefix("file:")
    elif location.startswith("file:"):
        written = _without_authority(location.removeprefix("file:"))
    elif "://" in location:
        return None
    else:
        return Path(location)
    shorter = written.partition("?")[0]
    # SQLAlchemy takes a path as it is written; a file URL writes its special characters as %20.
    meant = shorter if sqlite else unquote(written)
    readings = dict.fromkeys((written, written.rpartition("?")[0], meant, unquote(shorter)))
    return next((Path(each) for each in readings if each and Path(each).exists()), Path(meant or "."))


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file of any name, for SQLAlchemy, which decodes the name from 2.1 on."""
    major, minor = version("sqlalchemy").split(".")[:2]
    name = str(path.resolve())
    return f"sqlite:///{quote(name) if (int(major), int(minor)) >= (2, 1) else name}"


def removed_with(owner: object, folder: Path) -> None:
    """Create a folder that a library needs while it reads, and remove it with its owner if it is empty and new."""
    if not folder.exists():
        folder.mkdir()
        weakref.finalize(owner, _remove_empty, folder)


@contextmanager
def removed_after(folder: Path) -> Iterator[None]:
    """Remove a folder that a library creates in a with block, if it is empty and new."""
    is_new = not folder.exists()
    yield
    if is_new:
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _without_authority(written: str) -> str:
    """The path of "

    /a", "

    localhost/a", "/a" or "a"; "

    a" counts as a relative one.
    """
    if written.startswith("//localhost/"):
        return written.removeprefix("//localhost")
    return written.removeprefix("//")
