"""The table of threads is complete: every thread of the server is started from one of its rows."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import headstart_server
from headstart_server import threads

SOURCES = sorted(Path(headstart_server.__file__).parent.rglob("*.py"))
STARTERS = {"Thread", "Timer", "ThreadPoolExecutor", "to_thread"}


def called(tree: ast.AST) -> set[str]:
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in functions}


def test_no_other_module_starts_a_thread() -> None:
    starting = {path.name for path in SOURCES if called(ast.parse(path.read_text())) & STARTERS}
    assert starting == {"threads.py"}


def test_nothing_uses_the_event_loops_own_pool() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "run_in_executor":
                assert not (isinstance(node.args[0], ast.Constant) and node.args[0].value is None), path


def test_every_row_is_in_the_table_and_in_use() -> None:
    rows = {name: each for name, each in vars(threads).items() if isinstance(each, threads.Threads)}
    assert set(threads.TABLE) == set(rows.values())
    assert len({each.name for each in threads.TABLE}) == len(threads.TABLE)
    words = {
        node.id for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)
    }
    assert set(rows) <= words


def test_a_thread_has_the_name_of_its_row() -> None:
    names: list[str] = []
    threads.WATCHDOG.start(lambda: names.append(threading.current_thread().name), about="chroma").join()
    with threads.GATE.executor() as pool:
        names.append(pool.submit(lambda: threading.current_thread().name).result())
    assert names == ["watchdog chroma", "gate_0"]
