"""Reads numpy archives whose size is known before anything is unpacked.

A zip file of some megabytes may unpack to some gigabytes. The archive says beforehand how long each member is; that is
added up first, and numpy's own reading is bounded by it, since a member ends where the archive says it does.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
from numpy.lib import format as npy
from numpy.lib.npyio import NpzFile

# A model of sixty tasks and ten thousand results has some 20 MB of arrays: three networks of 48 channels, and three
# forests with two million numbers each.
MOST_BYTES = 256 * 1024 * 1024
MOST_MEMBERS = 4_096


@contextmanager
def opened(content: bytes, most_bytes: int = MOST_BYTES) -> Iterator[NpzFile]:
    """The archive in ``content``, without pickled objects. Raises ValueError if it would unpack to more than
    ``most_bytes``.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise ValueError(f"the archive has {len(members)} members, more than {MOST_MEMBERS}")
        size = sum(member.file_size for member in members)
        if size > most_bytes:
            raise ValueError(f"the archive unpacks to {size} bytes, more than {most_bytes}")
        for member in members:
            _require_shape(archive, member)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        yield arrays


def _require_shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raises ValueError if an array's header claims more bytes than its member has."""
    if not member.filename.endswith(".npy"):
        raise ValueError(f"the archive holds {member.filename[:100]!r}, which is no array")
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"arrays of format {version} are not read")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, kind = read(file)
    if kind.hasobject or prod(shape) * kind.itemsize > member.file_size:
        raise ValueError(f"the array {member.filename[:100]!r} is told to be larger than it is")
