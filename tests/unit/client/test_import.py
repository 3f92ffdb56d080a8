"""`import headstart` is light."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    *("numpy", "torch", "sqlalchemy", "chromadb", "sklearn", "scipy"),
    *("rich", "typer", "matplotlib", "pandas", "pyarrow", "optuna", "mlflow", "google.rpc"),
)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_brings_in_nothing_but_grpc_and_protobuf() -> None:
    loaded = run(f"import sys, headstart; print(*[name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded == ""


def test_meta_features_and_histories_are_light_until_they_are_used() -> None:
    code = "import sys, headstart.history; headstart.metafeatures.describe(kind='facts', facts={'classes': 2})"
    assert run(f"{code}; print(*[name for name in {HEAVY!r} if name in sys.modules])") == ""


def test_import_takes_at_most_300_milliseconds() -> None:
    """Of its own processor time, best of five: what else the machine does is not its fault."""
    code = "import time; begin = time.process_time(); import headstart; print(time.process_time() - begin)"
    assert min(float(run(code)) for _ in range(5)) <= 0.3


def test_the_function_and_the_package_search_live_side_by_side() -> None:
    code = "import headstart; from headstart.search import loop; print(callable(headstart.search), loop.__name__)"
    assert run(code) == "True headstart.search.loop"


def test_every_public_name_exists() -> None:
    assert run("import headstart; print(all(hasattr(headstart, name) for name in headstart.__all__))") == "True"
