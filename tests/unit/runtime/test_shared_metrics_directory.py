"""A directory of metrics that is not there is told in a sentence, by every role."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_directory_that_is_not_there_is_named_in_one_line(tmp_path) -> None:
    missing = tmp_path / "missing"
    done = subprocess.run(
        [sys.executable, "-m", "headstart_server", "serve"],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(missing)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "PROMETHEUS_MULTIPROC_DIR" in line and str(missing) in line
