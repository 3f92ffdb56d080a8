"""Draws what an operator sees, from the series that a real Prometheus scraped: `make monitoring-picture`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.monitoring.observed import Observed, observed
from benchmarks.monitoring.prometheus import Panel, panels
from benchmarks.service import ServiceProblem

PICTURE = Path(__file__).parents[2] / "docs" / "img" / "monitoring.png"
_COLUMNS = 5
_UNITS = {"s": "seconds", "reqps": "calls a second", "cps": "a second", "percentunit": "share", "none": ""}
_MOST_LEGENDS = 6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="of search after the first model (%(default)s)")
    parser.add_argument("--output", type=Path, default=PICTURE, help="where the picture goes (%(default)s)")
    options = parser.parse_args()
    try:
        with observed(options.seconds, pause=0.2, say=print) as seen:
            print(f"{seen.rounds} rounds of search")
            draw(options.output, seen)
    except (RuntimeError, ServiceProblem) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"Drawn: {options.output}")
    return 0


def draw(path: Path, seen: Observed) -> None:
    """All panels, by dashboard."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    by_dashboard = [(title, list(each)) for title, each in groupby(panels("30s"), key=lambda panel: panel.dashboard)]
    rows = [math.ceil(len(each) / _COLUMNS) for _, each in by_dashboard]
    figure = pyplot.figure(figsize=(20, 2.9 * sum(rows)), layout="constrained")
    parts = figure.subfigures(len(by_dashboard), 1, height_ratios=rows)
    for part, (title, shown), count in zip(parts, by_dashboard, rows, strict=True):
        part.suptitle(title, fontsize=14, fontweight="bold", x=0.005, ha="left")
        places = list(part.subplots(count, _COLUMNS, squeeze=False).flat)
        for place, panel in zip(places, shown, strict=False):
            _draw_panel(place, panel, seen)
        for place in places[len(shown) :]:
            place.set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=75)
    pyplot.close(figure)


def _draw_panel(place: Any, panel: Panel, seen: Observed) -> None:
    drawn = 0
    for query, legend in panel.queries:
        for series in seen.prometheus.range(query, seen.start, seen.end):
            label = legend
            for name, value in series.labels.items():
                label = label.replace("{{" + name + "}}", value)
            times = [when - seen.start for when, _ in series.points]
            label = label if drawn < _MOST_LEGENDS else "_nolegend_"
            place.plot(times, [value for _, value in series.points], linewidth=1.3, label=label)
            drawn += 1
    place.set_title(_in_lines(panel.title), fontsize=9)
    place.set_ylabel(_UNITS[panel.unit], fontsize=8)
    place.set_xlim(0, seen.end - seen.start)
    if drawn and not panel.signed:
        place.set_ylim(bottom=0, top=max(place.get_ylim()[1], 0.05))
    place.tick_params(labelsize=7)
    place.grid(alpha=0.3)
    if drawn:
        place.legend(fontsize=6, loc="best")
    else:
        place.text(0.5, 0.5, f"no data: {panel.rare}", transform=place.transAxes, ha="center", fontsize=8)


def _in_lines(title: str, width: int = 46) -> str:
    lines: list[str] = []
    words: Sequence[str] = title.split()
    for word in words:
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
