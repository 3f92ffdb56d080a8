"""An archive that would unpack to more than memory holds is refused before it is unpacked."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from headstart_server.prediction.graph.message_passing import load_kernels
from headstart_server.prediction.graph.model import GraphModel, read_knowledge
from headstart_server.prediction.graph.network import GraphNetwork, NetworkShape
from headstart_server.prediction.learners.tree_ensemble import TreeEnsemble
from headstart_server.prediction.registry.artefact import ModelUnreadable, reading
from headstart_server.runtime import archives
from headstart_server.strategy.policy.fitted_q import QFunction
from headstart_server.strategy.prior.prior import Prior

MEGABYTE = 1_000_000


def read_model(content: bytes) -> GraphModel:
    return GraphModel.from_bytes(content, load_kernels("torch"))


READERS: list[Callable[[bytes], object]] = [read_model, read_knowledge, QFunction.from_bytes, Prior.from_bytes]


@cache
def bomb() -> bytes:
    """Three hundred megabytes of zeros in two."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("header", "layout", "format"):
            with archive.open(f"{name}.npy", "w") as file:
                kind = {"descr": "|u1", "fortran_order": False, "shape": (100 * MEGABYTE,)}
                np.lib.format.write_array_header_1_0(file, kind)
                file.write(bytes(100 * MEGABYTE))
    return written.getvalue()


@pytest.mark.parametrize("read", READERS)
def test_archive_that_unpacks_to_very_much_is_refused_unread(read: Callable[[bytes], object]) -> None:
    content = bomb()
    assert len(content) < 4 * MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(ModelUnreadable) as raised, reading(f"bomb-{read}"):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 20 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert "unpacks to" in str(raised.value.__cause__)


def test_header_that_lies_about_an_array_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive, archive.open("header.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
    with pytest.raises(ValueError, match="larger than it is"), archives.opened(written.getvalue()):
        pass


def test_archive_of_very_many_members_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for number in range(archives.MOST_MEMBERS + 1):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(ValueError, match="members"), archives.opened(written.getvalue()):
        pass


def test_network_that_the_header_alone_makes_large_is_not_made() -> None:
    shape = {"op_count": 4, "attribute_width": 0, "structural_width": 4, "task_count": 1, "width": 200_000, "layers": 3}
    header = {"format": 2, "layout": {}, "shape": shape, "networks": 1, "tasks": [], "trees": 0, "tree_tasks": []}
    written = io.BytesIO()
    names = GraphNetwork(NetworkShape(**{**shape, "width": 8}), load_kernels("torch")).state_dict()
    arrays = {f"0/{name}": np.zeros(1) for name in names}
    np.savez_compressed(written, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    with pytest.raises(ValueError, match="the header tells of"):
        read_model(written.getvalue())


def test_trees_without_end_are_refused() -> None:
    one = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="depth"):
        TreeEnsemble.from_arrays(
            {"roots": one, "feature": one, "threshold": one, "children": one, "values": one, "depth": np.array(10**9)}
        )
