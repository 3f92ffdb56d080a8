"""What every benchmark states beside its figures: spread, machine, commit; and where the figures are written."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.rows import row_figures
from benchmarks.targets import promised

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results"
IMAGES = REPOSITORY / "docs" / "img"

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Spread:
    """A mean over seeds with the 95 % interval of its bootstrap; the ends equal the mean for a single seed."""

    mean: float
    lower: float
    upper: float

    def __format__(self, specification: str) -> str:
        mean, lower, upper = (format(value, specification) for value in (self.mean, self.lower, self.upper))
        return f"{mean} [{lower}, {upper}]"


def bootstrap(values: Sequence[float], seed: int = 0) -> Spread:
    """Percentile bootstrap of the mean (Efron and Tibshirani, 1993, chapter 13). Raises ValueError for no values."""
    if not values:
        raise ValueError("no values to average")
    generator = random.Random(seed)
    means = sorted(fmean(generator.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return Spread(fmean(values), means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES) - 1])


def machine() -> dict[str, Any]:
    """What the figures were measured on, as far as the figures depend on it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": _versions("torch", "dgl", "scikit-learn", "numpy", "grpcio"),
    }


def commit() -> str:
    """The commit of the working tree, with a "+" where it has been changed since; "unknown" outside a clone."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "client", "server", "benchmarks", "proto")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Writes the figures of a benchmark, with machine, commit, date and rows, as a file to be committed.

    ``figures["benchmark"]`` names the benchmark. Its rows are ``figures["rows"]``, or what benchmarks/targets.py makes
    of the figures. Raises KeyError where there are neither.
    """
    plain = json.loads(json.dumps(figures, default=_plain))
    rows = plain.pop("rows") if "rows" in plain else row_figures(promised(plain["benchmark"], plain))
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "rows": rows,
        **plain,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def _versions(*packages: str) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions
