"""A pickle that asks for more than containers and numbers is refused before anything of it runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tables.restricted_unpickler import RefusedPickle, load


class Harmful:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def write(folder: Path, content: object) -> Path:
    path = folder / "content.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


def test_call_hidden_in_a_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = write(tmp_path, {1: Harmful(trace)})
    with pytest.raises(RefusedPickle, match="mkdir"):
        load(path)
    assert not trace.exists()
    with path.open("rb") as file:
        pickle.load(file)
    assert trace.exists(), "the pickle must be harmful, else the test proves nothing"


def test_object_inside_a_numpy_scalar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedPickle):
        load(write(tmp_path, np.array([Harmful(tmp_path / "trace")], dtype=object)))
    with pytest.raises(RefusedPickle, match="64-bit floats"):
        load(write(tmp_path, np.float32(1.5)))


def test_builtins_other_than_containers_and_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedPickle, match="builtins"):
        load(write(tmp_path, eval))


def test_containers_and_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None, True], 3: ("x", b"y"), "numpy": np.float64(0.1)}
    loaded = load(write(tmp_path, content))
    assert loaded == content
    assert type(loaded["numpy"]) is float
