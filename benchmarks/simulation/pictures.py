"""The picture: latencies of the steady load, and how the 95th percentile rises with the calls per second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw(path: Path, result: Mapping[str, Any], bound: float) -> None:
    """``bound`` in milliseconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (steady, rising) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rpcs = result["steady"]["milliseconds"]
    for place, quantile in enumerate(("p50", "p95", "p99")):
        positions = [row + 0.27 * (place - 1) for row in range(len(rpcs))]
        steady.bar(positions, [own[quantile] for own in rpcs.values()], 0.27, label=quantile)
    steady.set_xticks(range(len(rpcs)), list(rpcs), rotation=12, fontsize=8)
    steady.set(yscale="log", ylabel="milliseconds", title=f"steady: {result['steady']['calls_per_second']:.0f} calls/s")
    steady.legend()
    for name in sorted({name for step in result["steps"] for name in step["milliseconds"]}):
        own = [step for step in result["steps"] if name in step["milliseconds"]]
        values = [step["milliseconds"][name]["p95"] for step in own]
        rising.plot([step["calls_per_second"] for step in own], values, marker="o", label=name)
    rising.axhline(bound, color="black", linewidth=0.8, linestyle="--", label="bound")
    rising.set(
        xscale="log", yscale="log", xlabel="calls per second", ylabel="p95, milliseconds", title="shorter trainings"
    )
    rising.legend(fontsize=8)
    for panel in (steady, rising):
        panel.grid(axis="y", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
