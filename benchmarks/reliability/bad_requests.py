"""Thousands of requests that nobody should send, to every call of the service.

    python -m benchmarks.reliability.bad_requests [--count 10000] [--seed 0]

Messages are generated from the descriptors of the contract: any field may be missing or hold what its type allows
(numbers at and beyond every limit, NaN and infinity, texts that are empty, endless, of any script or with control
characters, enum values that do not exist, graphs with cycles and edges to nowhere), ids may be unknown, and may be
those of another tenant. Parts of a request are right now and then, so that what is wrong is met deep inside too. One in
eight is no message: bytes at random, or a message that was cut off or has a byte changed.

The service runs with tokens. No answer may be INTERNAL, UNKNOWN or UNAVAILABLE, what is refused may change nothing, no
answer may hold anything of the other tenant, whose data stay as they are, and the server process stays the same.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import hypothesis
import psutil
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table as Sheet
from sqlalchemy import Engine, create_engine, text

import headstart
from benchmarks.report import RESULTS, write_json
from benchmarks.rows import Row, row_figures
from benchmarks.service import own_service
from headstart.codec.spaces import candidate_to_proto, space_to_proto
from headstart.spaces import mlp_classifier, nas_bench_201, sample
from headstart.v1 import knowledge_base_service_pb2, meta_learning_service_pb2
from headstart_server.access.roles import Role
from headstart_server.access.tokens import create_token
from headstart_server.runtime.local.databases import EmbeddedPostgres

SPACE, THEIR_SPACE = nas_bench_201(), mlp_classifier()
MINE, THEIRS = "mine", "theirs"
# In the descriptions of the other tenant.
SECRET = "a word that only the other tenant knows"
SERVICES = (
    meta_learning_service_pb2.DESCRIPTOR.services_by_name["MetaLearningService"],
    knowledge_base_service_pb2.DESCRIPTOR.services_by_name["KnowledgeBaseService"],
)
# Derived tables (the outbox, jobs, the map of tasks) are the worker's.
TABLES = (
    *("namespaces", "search_spaces", "tasks", "architectures", "experiments", "task_summaries"),
    *("strategy_decisions", "strategy_arms", "tokens"),
)
NEVER = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE)
_DEPTH = 6

_INTEGERS = st.sampled_from((-(2**63), -(2**31), -1, 0, 1, 2, 7, 1000, 2**31 - 1, 2**53 + 1, 2**63 - 1))
_FLOATS = st.one_of(
    st.sampled_from((math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e308, -1.0, 0.5, 1.0)), st.floats(width=32)
)
_IDS = st.sampled_from(
    ("task", "other", "their-task", SPACE.search_space_id, THEIR_SPACE.search_space_id, "unknown", "", "Not A Slug")
)
_TEXTS = st.one_of(
    _IDS,
    st.text(max_size=12),
    st.sampled_from(
        ("x" * 5_000, "\x00", "\u202e\u0000\ud7ff", "'; DROP TABLE tasks; --", "../../etc/passwd", "op-\u00e9")
    ),
)
_NAMES_OF_IDS = frozenset({"task_id", "search_space_id", "source_task_id", "target_task_id"})


@st.composite
def messages(draw: Callable[[Any], Any], descriptor: Descriptor, depth: int = 0) -> Message:
    """Any message of this type, and now and then a right one."""
    message: Any = GetMessageClass(descriptor)()
    if descriptor.name == "Candidate" and draw(st.integers(0, 2)):
        return _candidate(draw(st.integers(0, 50)))
    if descriptor.name == "SearchSpace" and draw(st.booleans()):
        return space_to_proto(SPACE)
    for each in descriptor.fields:
        if not draw(st.integers(0, 3)) or (depth >= _DEPTH and each.message_type is not None):
            continue
        if each.is_repeated:
            _fill(message, each, draw, depth)
        elif each.message_type is not None:
            getattr(message, each.name).CopyFrom(draw(messages(each.message_type, depth + 1)))
        else:
            setattr(message, each.name, draw(_scalars(each)))
    return message


def _fill(message: Any, each: FieldDescriptor, draw: Callable[[Any], Any], depth: int) -> None:
    values = getattr(message, each.name)
    entry = each.message_type
    for _ in range(draw(st.integers(0, 3))):
        if entry is not None and entry.GetOptions().map_entry:
            key, value = draw(_scalars(entry.fields_by_name["key"])), entry.fields_by_name["value"]
            if value.message_type is not None:
                values[key].CopyFrom(draw(messages(value.message_type, depth + 1)))
            else:
                values[key] = draw(_scalars(value))
        elif entry is not None:
            values.append(draw(messages(entry, depth + 1)))
        else:
            values.append(draw(_scalars(each)))


def _scalars(each: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = each.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if each.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=16)
        if each.name == "request_id":
            return st.one_of(st.uuids(version=4).map(str), st.uuids(version=4).map(str), _TEXTS)
        if each.name in _NAMES_OF_IDS:
            return st.one_of(_IDS, _IDS, _TEXTS)
        return _TEXTS
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return _FLOATS
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.one_of(st.sampled_from([value.number for value in each.enum_type.values]), st.just(97))
    bits = 63 if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64) else 31
    unsigned = kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
    return _INTEGERS.filter(lambda number: -(2**bits) <= number < 2**bits and not (unsigned and number < 0))


def _candidate(seed: int) -> Message:
    return candidate_to_proto(sample(SPACE, random.Random(seed)))


@dataclass
class Met:
    """Answers by call and status; ``faults``: what may never be, with the request."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Caller:
    """Sends requests as one tenant and looks at what they did."""

    def __init__(self, address: str, token: str, engine: Engine) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._channel = grpc.insecure_channel(address)
        self._engine = engine
        self._theirs = self.rows_of(THEIRS)
        self._before = self.rows()
        self.met = Met()

    def send(self, method: MethodDescriptor, requests: list[Message | bytes]) -> None:
        """Raises AssertionError for an answer that may not be."""
        status, answers = self._call(method, requests)
        self.met.answers[method.name, status.name] += 1
        rows = self.rows()
        before, self._before = self._before, rows
        told = b"".join(answer.SerializeToString() for answer in answers)
        problem = None
        if status in NEVER:
            problem = f"answered {status.name}"
        elif status is not grpc.StatusCode.OK and not answers and rows != before:
            problem = f"answered {status.name}, and changed {before} to {rows}"
        elif SECRET.encode() in told:
            problem = "told what another tenant keeps"
        elif self.rows_of(THEIRS) != self._theirs:
            problem = "changed what another tenant keeps"
        if problem is not None:
            raise AssertionError(f"{method.name} {problem}: {requests}")

    def _call(self, method: MethodDescriptor, requests: list[Message | bytes]) -> tuple[grpc.StatusCode, list[Message]]:
        path = f"/{method.containing_service.full_name}/{method.name}"
        codecs = {
            "request_serializer": lambda each: each if isinstance(each, bytes) else each.SerializeToString(),
            "response_deserializer": GetMessageClass(method.output_type).FromString,
        }
        answers: list[Message] = []
        try:
            if method.client_streaming:
                stream = self._channel.stream_stream(path, **codecs)
                answers.extend(stream(iter(requests), timeout=30, metadata=self._metadata))
            else:
                answers.append(
                    self._channel.unary_unary(path, **codecs)(requests[0], timeout=30, metadata=self._metadata)
                )
        except grpc.RpcError as error:
            return error.code(), answers
        return grpc.StatusCode.OK, answers

    def rows(self) -> Mapping[str, int]:
        """How many each table holds."""
        counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
        with self._engine.connect() as connection:
            return dict(connection.execute(text(f"SELECT {counts}")).one()._mapping)

    def rows_of(self, namespace: str) -> str:
        """A digest of the tasks and search spaces of a tenant."""
        query = """
            SELECT md5(string_agg(kept, '' ORDER BY kept)) FROM namespaces n, LATERAL (
                SELECT t::text AS kept FROM tasks t WHERE t.namespace_id = n.id
                UNION ALL SELECT s::text FROM search_spaces s WHERE s.namespace_id = n.id
            ) AS own WHERE n.name = :name
        """
        with self._engine.connect() as connection:
            return str(connection.execute(text(query), {"name": namespace}).scalar_one())


@st.composite
def _broken(draw: Callable[[Any], Any], descriptor: Descriptor) -> bytes:
    """No message, or no message any more."""
    whole = draw(messages(descriptor)).SerializeToString()
    if not whole or draw(st.booleans()):
        return bytes(draw(st.binary(min_size=1, max_size=64)))
    place = draw(st.integers(0, len(whole) - 1))
    if draw(st.booleans()):
        return bytes(whole[:place])
    return bytes(whole[:place] + bytes([draw(st.integers(0, 255))]) + whole[place + 1 :])


@st.composite
def _one(draw: Callable[[Any], Any], descriptor: Descriptor) -> Message | bytes:
    chosen = _broken(descriptor) if draw(st.integers(0, 7)) == 0 else messages(descriptor)
    return draw(chosen)  # type: ignore[no-any-return]


def requests_of(method: MethodDescriptor) -> st.SearchStrategy[list[Message | bytes]]:
    one = _one(method.input_type)
    return st.lists(one, min_size=1, max_size=3) if method.client_streaming else one.map(lambda message: [message])


def run(count: int, seed: int) -> Met:
    """Sends ``count`` requests, each call its share; stops at a call's first fault, made as small as it gets."""
    with guarded_service() as (address, token, engine):
        server = _server_process()
        caller = Caller(address, token, engine)
        # What deletes comes last: the others find something.
        methods = sorted(
            (method for service in SERVICES for method in service.methods),
            key=lambda method: method.name == "DeleteTask",
        )
        for index, method in enumerate(methods):
            share = count // len(methods) + (index < count % len(methods))
            try:
                _try(caller, method, share, seed)
            except AssertionError as fault:
                caller.met.faults.append(str(fault))
        if not server.is_running():
            caller.met.faults.append("the server process ended")
        return caller.met


def _try(caller: Caller, method: MethodDescriptor, count: int, seed: int) -> None:
    """Raises AssertionError with the smallest request found that is answered as it may not be."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @hypothesis.given(requests_of(method))
    def attempt(requests: list[Message | bytes]) -> None:
        caller.send(method, requests)

    attempt()


@contextmanager
def guarded_service() -> Iterator[tuple[str, str, Engine]]:
    """A service with two tenants, the token of one, and its database."""
    with tempfile.TemporaryDirectory(prefix="headstart-", dir="/tmp" if Path("/tmp").is_dir() else None) as directory:
        Path(directory).chmod(0o711)
        data = Path(directory) / "data"
        changes = {"HEADSTART_DATA_DIRECTORY": str(data), "HEADSTART_LOG_LEVEL": "ERROR"}
        with own_service(lambda _: None, {**changes, "HEADSTART_AUTHENTICATION": "token"}) as address:
            engine = create_engine(EmbeddedPostgres(data / "postgresql").url())
            with engine.begin() as connection:
                tokens = {
                    name: create_token(connection, name, "fuzz", Role.WRITER, None, "benchmark")[1]
                    for name in (MINE, THEIRS)
                }
            with headstart.connect(address, token=tokens[THEIRS]) as client:
                client.create_search_space(THEIR_SPACE)
                client.create_task(headstart.Task("their-task", headstart.Objective("accuracy"), description=SECRET))
            with headstart.connect(address, token=tokens[MINE]) as client:
                client.create_search_space(SPACE)
                for name in ("task", "other"):
                    client.create_task(headstart.Task(name, headstart.Objective("accuracy")))
            yield address, tokens[MINE], engine
            engine.dispose()


def _server_process() -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        if child.cmdline()[-1:] == ["serve"]:
            return child
    raise RuntimeError("there is no server process")


def report(met: Met, console: Console) -> None:
    statuses = sorted({status for _, status in met.answers})
    sheet = Sheet(title=f"Answers to {met.answers.total()} requests")
    sheet.add_column("call")
    for status in statuses:
        sheet.add_column(status, justify="right")
    for call in sorted({call for call, _ in met.answers}):
        sheet.add_row(call, *(str(met.answers[call, status] or "") for status in statuses))
    console.print(sheet)
    for fault in met.faults:
        console.print(fault[:2000], markup=False)
    console.print(f"{len(met.faults)} faults")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reliability.bad_requests", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    met = run(options.count, options.seed)
    report(met, Console())
    by_status = Counter[str]()
    for (_, status), number in met.answers.items():
        by_status[status] += number
    rows = [Row("answers that may not be, of 10,000 bad requests", len(met.faults), "", 0, True)]
    write_json(
        RESULTS / "bad_requests.json",
        {"rows": row_figures(rows), **vars(options), "answers": dict(by_status), "faults": met.faults},
    )
    return 1 if met.faults else 0


if __name__ == "__main__":
    sys.exit(main())
