"""Counts the fields of an encoded message before it is decoded.

A submessage of two bytes on the wire takes a hundred in memory, so the size of a message does not bound what it costs.
The count walks the wire format and makes no objects. It does not judge whether the message is well formed: the decoder
does that.
"""

from __future__ import annotations

from functools import cache
from typing import Union

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_MOST_VARINT_BYTES = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ENTRY_BYTES = {
    FieldDescriptor.CPPTYPE_DOUBLE: 8,
    FieldDescriptor.CPPTYPE_FLOAT: 4,
}

# The content of a message's fields by tag: the tags of a submessage, or the least bytes of an entry of a packed
# field. Strings and bytes are omitted.
Tags = dict[int, Union["Tags", int]]


@cache
def tags_of(message: Descriptor) -> Tags:
    """The tags of a message type and of all messages inside it."""
    return _tags(message, {})


def _tags(message: Descriptor, known: dict[str, Tags]) -> Tags:
    if message.full_name in known:
        return known[message.full_name]
    tags = known.setdefault(message.full_name, {})
    for field in message.fields:
        tag = field.number << 3 | _BYTES
        if field.message_type is not None:
            tags[tag] = _tags(field.message_type, known)
        elif field.is_repeated and field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
            tags[tag] = _ENTRY_BYTES.get(field.cpp_type, 1)
    return tags


def count_fields(data: bytes, tags: Tags, most: int) -> int:
    """The number of fields at all depths; each entry of a repeated field counts. Counting stops above ``most``."""
    count, position, end = 0, 0, len(data)
    outer: list[tuple[int, Tags]] = []
    try:
        while True:
            while position >= end:
                if not outer:
                    return count
                end, tags = outer.pop()
            count += 1
            if count > most:
                return count
            tag = data[position]
            position += 1
            if tag >= 0x80:
                tag, position = _varint(data, position - 1)
            kind = tag & 7
            if kind == _BYTES:
                size = data[position]
                position += 1
                if size >= 0x80:
                    size, position = _varint(data, position - 1)
                inner = tags.get(tag)
                if inner is None:
                    position += size
                elif isinstance(inner, int):
                    count += size // inner
                    position += size
                elif size:
                    outer.append((end, tags))
                    end, tags = min(position + size, end), inner
            elif kind == _FIXED64:
                position += 8
            elif kind == _FIXED32:
                position += 4
            elif kind == _VARINT:
                _, position = _varint(data, position) if data[position] >= 0x80 else (0, position + 1)
    except IndexError:
        # Not a message: it ends inside a field, or a number has too many bytes.
        return count


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of several bytes, and the position after it. Raises IndexError if it is cut off."""
    value = 0
    for index in range(_MOST_VARINT_BYTES):
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise IndexError
