"""A picture of all tasks: near where they are alike, a colour and a shape for each cluster. Needs matplotlib.

The service decides where the tasks stand and what belongs together; here it is only drawn. Clusters differ by shape as
well as by colour, so that the map can be read without colours. A label never covers another one or a task: it goes to
the nearest free place, with a line where that is further off, and is left out where there is none.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from headstart.values import TaskCluster

# Okabe and Ito, "Color Universal Design" (2008), without the yellow, which is too pale for white paper.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")
_SHAPE_POINTS, _RING_POINTS, _LABEL_POINTS = 7.0, 13.0, 7.5
_DOTS_PER_INCH = 150
_SMALLEST_INCHES, _LARGEST_INCHES = 7.0, 24.0

# Positions of a label relative to its task: to the right first, then around, at these distances in points.
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_DISTANCES = (3.0, 9.0, 18.0, 30.0, 45.0)
_DISTANCE_WITH_LINE = 9.0


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, from the lower left corner of the picture."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def inside(self, other: Box) -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.bottom >= other.bottom
            and self.top <= other.top
        )


class _Occupied:
    """Occupied boxes, found by the cells of a grid they lie in."""

    _CELL_PIXELS = 60.0

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = {}

    def add(self, box: Box) -> None:
        for cell in self._cells_of(box):
            self._cells.setdefault(cell, []).append(box)

    def is_free(self, box: Box) -> bool:
        return not any(box.overlaps(other) for cell in self._cells_of(box) for other in self._cells.get(cell, ()))

    def _cells_of(self, box: Box) -> Iterator[tuple[int, int]]:
        size = self._CELL_PIXELS
        columns = range(math.floor(box.left / size), math.floor(box.right / size) + 1)
        rows = range(math.floor(box.bottom / size), math.floor(box.top / size) + 1)
        return product(columns, rows)


@dataclass(frozen=True)
class _Mark:
    task_id: str
    x: float
    y: float
    cluster: int
    is_medoid: bool


def draw(clusters: Sequence[TaskCluster], path: Path) -> int:
    """Draw into a file of the type that its name says; returns the number of tasks without room for a label.

    Raises OSError if the file cannot be written.
    """
    figure, _, left_out = draw_figure(clusters)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "headstart"}):
        figure.savefig(path, dpi=_DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.15)
    return left_out


def draw_figure(clusters: Sequence[TaskCluster]) -> tuple[Figure, list[Text], int]:
    """The picture, its labels, and the number of tasks without room for one."""
    marks = [
        _Mark(task_id, position.x, position.y, number, task_id == cluster.medoid_task_id)
        for number, cluster in enumerate(clusters)
        for task_id, position in zip(cluster.task_ids, cluster.positions, strict=False)
    ]
    marks = apart(marks)
    # The area grows with the tasks, to leave room for labels.
    side = min(max(_SMALLEST_INCHES, 0.85 * math.sqrt(len(marks)) + 3), _LARGEST_INCHES)
    figure = Figure(figsize=(1.25 * side, side), dpi=_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.04, 0.96, 0.9))
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#BBBBBB")
    axes.set_title(f"{len(marks)} tasks in {len(clusters)} clusters", fontsize=13, loc="left")
    axes.set_xlabel(
        "Near: alike. Directions and distances have no unit. Ringed: the task nearest to all others of its cluster.",
        fontsize=8,
        loc="left",
    )
    for number in range(len(clusters)):
        _draw_cluster(axes, [mark for mark in marks if mark.cluster == number], number)
    _draw_legend(axes, clusters)
    canvas.draw()  # type: ignore[no-untyped-call]
    labels = _draw_labels(figure, canvas, axes, marks)
    return figure, labels, len(marks) - len(labels)


def apart(marks: Sequence[_Mark]) -> list[_Mark]:
    """Tasks at the same position, spread around it in a spiral."""
    counts: dict[tuple[float, float], int] = {}
    span = max((abs(mark.x - other.x) + abs(mark.y - other.y) for mark in marks for other in marks[:1]), default=0.0)
    step = 0.02 * (span or 1.0)
    laid: list[_Mark] = []
    for mark in marks:
        position = (mark.x, mark.y)
        number = counts.get(position, 0)
        counts[position] = number + 1
        # Vogel's spiral: each point at the golden angle from the last, with equal room around it.
        angle, distance = 2.399963 * number, step * math.sqrt(number)
        x, y = mark.x + distance * math.cos(angle), mark.y + distance * math.sin(angle)
        laid.append(replace(mark, x=x, y=y))
    return laid


def _draw_cluster(axes: Axes, marks: Sequence[_Mark], number: int) -> None:
    colour, shape = _look(number)
    style = {"linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.6}
    axes.plot(
        [mark.x for mark in marks],
        [mark.y for mark in marks],
        marker=shape,
        color=colour,
        markersize=_SHAPE_POINTS,
        zorder=3,
        **style,  # type: ignore[arg-type]
    )
    for mark in marks:
        if mark.is_medoid:
            axes.plot(
                mark.x, mark.y, "o", markersize=_RING_POINTS, markerfacecolor="none", markeredgecolor=colour, zorder=2
            )


def _draw_legend(axes: Axes, clusters: Sequence[TaskCluster]) -> None:
    handles, names = [], []
    for number, cluster in enumerate(clusters):
        colour, shape = _look(number)
        handles.append(Line2D([], [], marker=shape, color=colour, linestyle="none", markersize=_SHAPE_POINTS))
        names.append(textwrap.fill(textwrap.shorten(f"{cluster.name} ({len(cluster.task_ids)})", 80), 40))
    legend = axes.legend(
        handles,
        names,
        title="Cluster (tasks)",
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        frameon=False,
        fontsize=8.5,
        ncols=1 + len(clusters) // 40,
    )
    for text in legend.get_texts():
        # A name may have dollar signs, which are not formulas.
        text.set_parse_math(False)


def _draw_labels(figure: Figure, canvas: FigureCanvasAgg, axes: Axes, marks: Sequence[_Mark]) -> list[Text]:
    """Draw labels where they cover nothing, medoids first."""
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    pixels = figure.dpi / 72
    # In shares of the figure, which remain valid when it is cut to size.
    wide, high = figure.bbox.width, figure.bbox.height
    frame = axes.get_window_extent(renderer)
    inner = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    positions = {mark.task_id: axes.transData.transform((mark.x, mark.y)) for mark in marks}
    occupied = _Occupied()
    for mark in marks:
        x, y = positions[mark.task_id]
        reach = (_RING_POINTS if mark.is_medoid else _SHAPE_POINTS) / 2 * pixels
        occupied.add(Box(x - reach, y - reach, x + reach, y + reach))
    labels = []
    for mark in sorted(marks, key=lambda mark: not mark.is_medoid):
        x, y = positions[mark.task_id]
        text = figure.text(
            0,
            0,
            mark.task_id,
            fontsize=_LABEL_POINTS,
            fontweight="bold" if mark.is_medoid else "normal",
            color="#333333",
            parse_math=False,
            # Lines to other labels pass behind.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            zorder=4,
        )
        extent = text.get_window_extent(renderer)
        reach = (_RING_POINTS if mark.is_medoid else _SHAPE_POINTS) / 2
        free = _free_place(x, y, extent.width, extent.height, reach, pixels, inner, occupied)
        if free is None:
            text.remove()
            continue
        box, distance = free
        occupied.add(box)
        text.set_position(((box.left - extent.x0) / wide, (box.bottom - extent.y0) / high))
        labels.append(text)
        if distance > _DISTANCE_WITH_LINE:
            end_x, end_y = min(max(x, box.left), box.right), min(max(y, box.bottom), box.top)
            line = Line2D([x / wide, end_x / wide], [y / high, end_y / high], color="#999999", linewidth=0.5, zorder=1)
            figure.add_artist(line)
    return labels


def _free_place(
    x: float,
    y: float,
    width: float,
    height: float,
    reach: float,
    pixels: float,
    inner: Box,
    occupied: _Occupied,
) -> tuple[Box, float] | None:
    """The free box for a label that is nearest to its task, and its distance in points."""
    for distance, (across, up) in product(_DISTANCES, _DIRECTIONS):
        off = (reach + distance) * pixels / math.hypot(across, up)
        left = x + across * off + (across - 1) / 2 * width
        bottom = y + up * off + (up - 1) / 2 * height
        box = Box(left, bottom, left + width, bottom + height)
        if box.inside(inner) and occupied.is_free(box):
            return box, distance
    return None


def _look(number: int) -> tuple[str, str]:
    return _COLOURS[number % len(_COLOURS)], _SHAPES[number % len(_SHAPES)]
