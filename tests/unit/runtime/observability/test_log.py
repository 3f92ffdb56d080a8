"""A record is one JSON line that names its request."""

from __future__ import annotations

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from headstart_server.runtime.observability.log import json_lines, log_with, request_id


def formatted(record: logging.LogRecord) -> dict[str, object]:
    text = json_lines("serve").format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def formatted_in_call(record: logging.LogRecord, **facts: str) -> dict[str, object]:
    def call() -> dict[str, object]:
        log_with(**facts)
        return formatted(record)

    return copy_context().run(call)


def test_line_breaks_facts_and_request_are_kept_in_one_line() -> None:
    record = logging.makeLogRecord({"name": "room", "levelname": "INFO", "msg": "two\nlines of %s", "args": ("text",)})
    record.seconds = 0.5
    line = formatted_in_call(record, request_id="r-1")
    assert line["message"] == "two\nlines of text"
    assert (line["request_id"], line["seconds"], line["role"]) == ("r-1", 0.5, "serve")
    assert (line["level"], line["logger"]) == ("INFO", "room")


def test_namespace_and_task_are_named_where_known() -> None:
    record = logging.makeLogRecord({"msg": "x"})
    line = formatted_in_call(record, request_id="r-1", namespace="vision", task="cifar")
    assert (line["namespace"], line["task"]) == ("vision", "cifar")
    assert not {"namespace", "task"} & formatted_in_call(record, request_id="r-1", task="").keys()
    assert "request_id" not in formatted(record)


def test_what_a_caller_sends_does_not_make_a_line_long() -> None:
    line = formatted_in_call(logging.makeLogRecord({"msg": "x"}), task="t" * 10_000)
    assert len(str(line["task"])) == 64


def test_request_follows_into_threads() -> None:
    def call(executor: ThreadPoolExecutor) -> tuple[str, dict[str, object]]:
        log_with(request_id="r-2")
        return executor.submit(
            copy_context().run, lambda: (request_id(), formatted(logging.makeLogRecord({"msg": "x"})))
        ).result()

    with ThreadPoolExecutor(1) as executor:
        ident, line = copy_context().run(call, executor)
        assert executor.submit(request_id).result() == ""
    assert (ident, line["request_id"]) == ("r-2", "r-2")


def test_exceptions_come_with_their_traceback() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        line = formatted(logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()}))
    assert "ValueError: wrong" in str(line["exception"])
    assert "Traceback" in str(line["exception"])


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    record = logging.makeLogRecord({"msg": "x"})
    record.path = ThreadPoolExecutor
    assert "ThreadPoolExecutor" in str(formatted(record)["path"])
