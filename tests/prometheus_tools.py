"""Debian's package ``prometheus``, which has ``prometheus`` and ``promtool``: `make test` installs it where it may."""

from __future__ import annotations

import os
import shutil

import pytest

from benchmarks.monitoring.prometheus import NEEDED


def require_prometheus() -> None:
    """Fails where the package could have been installed; skips the test, with this reason, where nobody may do so."""
    if shutil.which("prometheus") and shutil.which("promtool"):
        return
    if os.geteuid() == 0:
        pytest.fail(f"{NEEDED} (make prometheus)")
    pytest.skip(f"{NEEDED}, which needs an administrator")
