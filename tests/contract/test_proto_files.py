"""The contract's files: directory, package and import path are one; stubs say which protobuf they need."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

TOP = Path(__file__).parents[2]
PROTOS = sorted((TOP / "proto").rglob("*.proto"))
STUBS = TOP / "client" / "headstart" / "v1"


def descriptor(proto: Path) -> FileDescriptor:
    module = importlib.import_module(f"headstart.v1.{proto.stem}_pb2")
    found: FileDescriptor = module.DESCRIPTOR
    return found


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_directory_is_package_is_import_path(proto: Path) -> None:
    assert proto.parent == TOP / "proto" / "headstart" / "v1"
    assert descriptor(proto).package == "headstart.v1"
    assert descriptor(proto).name == f"headstart/v1/{proto.name}"


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_enums_begin_with_unspecified(proto: Path) -> None:
    for enum in descriptor(proto).enum_types_by_name.values():
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_stubs_run_under_the_oldest_protobuf_that_the_package_allows(proto: Path) -> None:
    requirements = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    lowest = next(re.search(r">=([\d.]+)", line) for line in requirements if line.startswith("protobuf"))
    generated = re.search(r"# Protobuf Python Version: ([\d.]+)", (STUBS / f"{proto.stem}_pb2.py").read_text())
    assert lowest is not None
    assert generated is not None
    assert numbers(generated[1])[:2] <= numbers(lowest[1])


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_stubs_run_under_the_oldest_grpcio_that_the_package_allows(proto: Path) -> None:
    requirements = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    lowest = next(re.search(r">=([\d.]+)", line) for line in requirements if line.startswith("grpcio"))
    generated = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", (STUBS / f"{proto.stem}_pb2_grpc.py").read_text())
    assert lowest is not None
    assert generated is not None
    assert numbers(generated[1]) <= numbers(lowest[1])


def test_mutating_requests_carry_a_request_id() -> None:
    for proto in PROTOS:
        for name, message in descriptor(proto).message_types_by_name.items():
            if re.match(r"(Create|Update|Delete|RecordExperiment|SelectStrategy)\w*Request$", name):
                # The stream's records carry one each.
                assert "request_id" in message.fields_by_name or name == "RecordExperimentsRequest", name


def test_lists_are_paginated() -> None:
    for proto in PROTOS:
        for name, message in descriptor(proto).message_types_by_name.items():
            if re.match(r"List\w+Request$", name):
                assert {"page_size", "page_token"} <= set(message.fields_by_name), name
            if re.match(r"List\w+Response$", name):
                assert "next_page_token" in message.fields_by_name, name


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
