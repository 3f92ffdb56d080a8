"""Reads rows out of a backup without running anything that is in it.

A backup is a program: ``pg_restore`` would run its functions, constraints and triggers with all rights of the login,
up to commands of the operating system. So the tables are made by this version's own migrations, ``pg_restore`` only
turns the file into text, and of that text the rows of known tables and the numbers of known sequences are taken. Each
statement that reaches the database is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

from sqlalchemy import Connection, text

from headstart_server.runtime.database.engine import VERSION_TABLE
from headstart_server.runtime.errors import StartupError

_ENTRY = re.compile(r"^\d+; \d+ \d+ (?P<kind>[A-Z][A-Z ]*[A-Z]) (?P<schema>\S+) (?P<name>.+?)(?: \S+)?$")
_COPY = re.compile(rb"^COPY (?:(?:\w+|\"[^\"]+\")\.)?(?P<table>\w+) \((?P<columns>\w+(?:, \w+)*)\) FROM stdin;\s*$")
_SETVAL = re.compile(
    rb"^SELECT pg_catalog\.setval\('(?:\w+\.|\"[^\"]+\"\.)?(?P<name>\w+)', (?P<value>\d{1,19}), "
    rb"(?P<called>true|false)\);"
)
_ENCODING = re.compile(rb"^SET client_encoding = '(?P<name>[A-Za-z0-9_-]+)';")
# Kinds of entries that the migrations create, each a part of one of our tables.
_OF_TABLES = frozenset(
    {
        *("TABLE DATA", "TABLE ATTACH", "SEQUENCE", "SEQUENCE SET", "SEQUENCE OWNED BY", "DEFAULT", "CONSTRAINT"),
        *("FK CONSTRAINT", "INDEX", "INDEX ATTACH", "POLICY", "ROW SECURITY", "COMMENT", "ACL", "DEFAULT ACL"),
        *("SCHEMA", "ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE"),
    }
)
_FOREIGN_KEYS = """
    SELECT CAST(CAST(conrelid AS regclass) AS text) AS "table", quote_ident(conname) AS name,
        pg_get_constraintdef(oid) AS definition
    FROM pg_constraint
    WHERE contype = 'f' AND conparentid = 0 AND connamespace = CAST(current_schema() AS regnamespace)
    ORDER BY conrelid, conname
"""
_COLUMNS = """
    SELECT table_name, array_agg(CAST(column_name AS text)) FROM information_schema.columns
    WHERE table_schema = current_schema() GROUP BY table_name
"""
_SEQUENCES = "SELECT CAST(sequencename AS text) FROM pg_sequences WHERE schemaname = current_schema()"
_CHUNK = 1024 * 1024
_LAST_LINES = (b"\\.\n", b"\\.\r\n", b"\\.")


@dataclass(frozen=True)
class Entry:
    """A line of the table of contents of a backup."""

    kind: str
    name: str


def entries(listing: str) -> list[Entry]:
    """The table of contents as ``pg_restore --list`` prints it."""
    result = (_ENTRY.match(line) for line in listing.splitlines())
    return [Entry(each["kind"], each["name"]) for each in result if each is not None]


def left_out(contents: Iterable[Entry], tables: Iterable[str]) -> list[str]:
    """The entries of a backup beside our tables, by kind and name."""
    known = {*tables, VERSION_TABLE}
    foreign = [
        each for each in contents if each.kind not in _OF_TABLES and not (each.kind == "TABLE" and each.name in known)
    ]
    return [f"{each.kind.lower()} {each.name}" for each in foreign]


def recorded_revision(script: IO[bytes]) -> str | None:
    """The schema revision in a backup's version table; None without one."""
    for table, _, rows in _copies(script, _Settings()):
        content = rows.read(_CHUNK)
        if table == VERSION_TABLE:
            lines = content.decode(errors="replace").split()
            return lines[0] if len(lines) == 1 else None
    return None


def load(connection: Connection, opened: AbstractContextManager[IO[bytes]]) -> None:
    """Copy rows of known tables, and sequences, from a backup's text into the empty tables of its revision.

    Foreign keys are checked when all rows are there and the text has ended without an error. Raises StartupError for
    one of our tables with unknown columns, and for one that comes twice.
    """
    foreign_keys = connection.execute(text(_FOREIGN_KEYS)).all()
    for key in foreign_keys:
        connection.execute(text(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}"))
    settings = _Settings()
    with opened as script:
        _load_rows(connection, script, settings)
    known = set(connection.execute(text(_SEQUENCES)).scalars())
    for name, (value, called) in settings.sequences.items():
        if name in known:
            parameters = {"name": name, "value": value, "called": called}
            connection.execute(text("SELECT setval(CAST(:name AS regclass), :value, :called)"), parameters)
    for key in foreign_keys:
        connection.execute(text(f"ALTER TABLE {key.table} ADD CONSTRAINT {key.name} {key.definition}"))


def _load_rows(connection: Connection, script: IO[bytes], settings: _Settings) -> None:
    columns = {name: set(result) for name, result in connection.execute(text(_COLUMNS))}
    columns.pop(VERSION_TABLE, None)
    seen = set()
    for table, named, rows in _copies(script, settings):
        if table not in columns:
            continue
        if table in seen:
            raise StartupError(f"The backup holds the rows of {table} twice")
        if unknown := set(named) - columns[table]:
            raise StartupError(f"The backup's table {table} has columns that its revision has not: {sorted(unknown)}")
        seen.add(table)
        statement = f"COPY \"{table}\" ({', '.join(named)}) FROM STDIN WITH (ENCODING '{settings.encoding}')"
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, rows, _CHUNK)


class _Settings:
    """The statements of the text beside rows."""

    def __init__(self) -> None:
        self.encoding = "UTF8"
        self.sequences: dict[str, tuple[int, bool]] = {}


class _Rows:
    """A file of the rows of one table: the text from its COPY to the line that ends it."""

    def __init__(self, script: IO[bytes]) -> None:
        self._script = script
        self._begins_line = True
        self._ended = False

    def read(self, size: int = _CHUNK) -> bytes:
        taken: list[bytes] = []
        left = size
        while left > 0 and not self._ended:
            part = self._script.readline(left)
            if not part or (self._begins_line and part in _LAST_LINES):
                self._ended = True
                break
            self._begins_line = part.endswith(b"\n")
            taken.append(part)
            left -= len(part)
        return b"".join(taken)

    def skip(self) -> None:
        while self.read():
            pass


def _copies(script: IO[bytes], settings: _Settings) -> Iterator[tuple[str, list[str], _Rows]]:
    """Table, columns and rows of each COPY, in the order of the text."""
    while line := script.readline(_CHUNK):
        if copy := _COPY.match(line):
            rows = _Rows(script)
            yield copy["table"].decode(), copy["columns"].decode().split(", "), rows
            rows.skip()
        elif setval := _SETVAL.match(line):
            settings.sequences[setval["name"].decode()] = (int(setval["value"]), setval["called"] == b"true")
        elif encoding := _ENCODING.match(line):
            settings.encoding = encoding["name"].decode()
