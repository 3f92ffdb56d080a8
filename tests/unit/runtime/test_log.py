"""A record is one JSON line that names its request."""

from __future__ import annotations

import json
import logging
import sys

from headstart_server.runtime.log import JsonLines, request_id


def formatted(record: logging.LogRecord) -> dict[str, object]:
    text = JsonLines("serve").format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def test_line_breaks_facts_and_request_are_kept_in_one_line() -> None:
    record = logging.makeLogRecord({"name": "room", "levelname": "INFO", "msg": "two\nlines of %s", "args": ("text",)})
    record.seconds = 0.5
    token = request_id.set("r-1")
    try:
        line = formatted(record)
    finally:
        request_id.reset(token)
    assert line["message"] == "two\nlines of text"
    assert (line["request_id"], line["seconds"], line["role"]) == ("r-1", 0.5, "serve")


def test_exceptions_come_with_their_traceback() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        line = formatted(logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()}))
    assert "ValueError: wrong" in str(line["exception"])


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    record = logging.makeLogRecord({"msg": "x"})
    record.path = JsonLines
    assert "JsonLines" in str(formatted(record)["path"])
