"""The house's words: docstrings open with what a search would find, and a class name stands for one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

import headstart
import headstart_server

PACKAGES = [Path(each.__file__).parent for each in (headstart, headstart_server)]
OPENING = re.compile(r"(What|Which|Who|How|Of|Where|When|That)\b")


def trees(package: Path) -> dict[Path, ast.Module]:
    paths = [path for path in package.rglob("*.py") if "v1" not in path.parts]
    return {path: ast.parse(path.read_text()) for path in paths}


@pytest.mark.parametrize("package", PACKAGES, ids=[package.name for package in PACKAGES])
def test_docstrings_open_with_a_noun_or_an_imperative(package: Path) -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path, tree in trees(package).items():
        for node in ast.walk(tree):
            text = ast.get_docstring(node) if isinstance(node, documented) else None
            if text is not None:
                assert not OPENING.match(text), f"{path}: {text.splitlines()[0]}"


@pytest.mark.parametrize("package", PACKAGES, ids=[package.name for package in PACKAGES])
def test_no_class_name_stands_for_two_things(package: Path) -> None:
    where = defaultdict(list)
    for path, tree in trees(package).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(str(path))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}
