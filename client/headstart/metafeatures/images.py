"""Describes images: sizes, intensities, contrast, edges and colour, and landmarkers on thumbnails.

An array or an iterable is read once; of many images some thousand, drawn by the seed, are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.metafeatures.description import Findings
from headstart.metafeatures.sampling import MODEL_ROWS, Numbers
from headstart.metafeatures.tables import complete, sample_rows
from headstart.metafeatures.targets import read_target

_LAYOUTS = ("NHWC", "NCHW", "NHW", "HWC", "CHW", "HW")

# Side of the thumbnails that landmarkers see.
_THUMBNAIL = 8

_ENTROPY_STEPS = 256


@dataclass(frozen=True)
class _Summary:
    """Statistics of one image, intensities from 0 to 1."""

    mean: float
    square: float
    contrast: float
    entropy: float
    edges: float
    colour: float
    thumbnail: Numbers


class _Sizes:
    """Sizes of all images."""

    def __init__(self) -> None:
        self.count = 0
        self.widths: list[int] = []
        self.heights: list[int] = []
        self.channels: set[int] = set()

    def add(self, image: NDArray[Any]) -> None:
        self.count += 1
        self.heights.append(image.shape[0])
        self.widths.append(image.shape[1])
        self.channels.add(image.shape[2])


def describe(
    findings: Findings,
    data: Any,
    target: Any,
    *,
    landmarkers: bool,
    seed: int,
    layout: str = "NHWC",
    value_range: tuple[float, float] | None = None,
    problem: str | None = None,
) -> None:
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)}, got {layout!r}")
    generator = np.random.default_rng(seed)
    sizes = _Sizes()
    labels: list[Any] = []
    cached: list[tuple[int, _Summary]] = []
    for index, (image, label) in enumerate(_samples(data, layout)):
        sizes.add(image)
        labels.append(label)
        # A reservoir (Vitter 1985, algorithm R): every image is as likely to be kept, however many there are.
        position = index if index < MODEL_ROWS else int(generator.integers(0, index + 1))
        if position < MODEL_ROWS:
            summary = (index, _summary(image, value_range))
            cached[position : position + 1] = [summary]
    findings.words["modality"] = "image"
    _shape(findings, sizes)
    _pixels(findings, [summary for _, summary in cached], sizes)
    if target is None and any(label is not None for label in labels):
        target = np.array(labels, dtype=object)
    wanted = read_target(findings, target, sizes.count, problem)
    if wanted is not None and landmarkers:
        from headstart.metafeatures.landmarkers import land

        place_of = {int(row): position for position, row in enumerate(wanted.rows)}
        seen = [
            (place_of[index], summary.thumbnail)
            for index, summary in sorted(cached, key=lambda pair: pair[0])
            if index in place_of
        ]
        values = wanted.values[[position for position, _ in seen]]
        chosen = sample_rows(values, wanted.is_classification, generator)
        thumbnails = np.stack([thumbnail for _, thumbnail in seen]) if seen else np.zeros((0, 0))
        land(findings, complete(thumbnails[chosen]), values[chosen], wanted.is_classification, seed)


def _samples(data: Any, layout: str) -> Iterator[tuple[NDArray[Any], Any]]:
    """Images [height, width, channels] with their labels, None without any."""
    inner = layout.removeprefix("N")
    if hasattr(data, "ndim") and hasattr(data, "shape") and data.ndim != len(inner) + 1:
        raise ValueError(f"an array of layout N{inner} has {len(inner) + 1} dimensions, got {data.ndim}")
    items: Iterable[Any] = data
    for item in items:
        cached, label = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if isinstance(label, np.generic | np.ndarray) and label.size == 1:
            label = label.item()
        image = np.asarray(cached)
        if inner == "HWC" and image.ndim == 2:
            image = image[:, :, None]
        elif image.ndim != len(inner):
            raise ValueError(f"an image of layout {inner} has {len(inner)} dimensions, got {image.ndim}")
        elif inner == "CHW":
            image = np.moveaxis(image, 0, -1)
        elif inner == "HW":
            image = image[:, :, None]
        if 0 in image.shape:
            raise ValueError(f"an image of shape {image.shape} holds no pixels")
        yield image, label


def _summary(image: NDArray[Any], value_range: tuple[float, float] | None) -> _Summary:
    pixels = _scaled(image, value_range)
    grey = pixels.mean(axis=2)
    counts = np.bincount((grey.ravel() * (_ENTROPY_STEPS - 1) + 0.5).astype(np.int64), minlength=_ENTROPY_STEPS)
    shares = counts[counts > 0] / grey.size
    differences = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1) if grey.shape[axis] > 1]
    return _Summary(
        mean=float(pixels.mean()),
        square=float((pixels**2).mean()),
        contrast=float(grey.std()),
        entropy=-float(np.sum(shares * np.log2(shares))),
        edges=float(np.mean(differences)) if differences else 0.0,
        colour=float(pixels.std(axis=2).mean()),
        thumbnail=_thumbnail(grey),
    )


def _scaled(image: NDArray[Any], value_range: tuple[float, float] | None) -> Numbers:
    """Intensities from 0 to 1. Raises ValueError for floats outside the given range."""
    if value_range is None and image.dtype.kind == "b":
        lower, upper = 0.0, 1.0
    elif value_range is None and image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        lower, upper = max(0.0, float(limits.min)), float(limits.max)
        if limits.bits > 16:
            # Counts in wide integers (as lists make them) are bytes.
            lower, upper = 0.0, 255.0
    else:
        lower, upper = value_range or (0.0, 1.0)
    pixels = (image.astype(np.float64) - lower) / (upper - lower)
    if not np.all((pixels >= -1e-6) & (pixels <= 1 + 1e-6)):
        raise ValueError(
            f"pixels lie outside {lower:g} to {upper:g}, or are not numbers: pass their value_range=(lowest, highest)"
        )
    return np.clip(pixels, 0.0, 1.0)


def _thumbnail(grey: Numbers) -> Numbers:
    """Means of 8 by 8 parts."""
    rows, columns = (np.linspace(0, side, _THUMBNAIL + 1).astype(int) for side in grey.shape)
    return np.array(
        [
            grey[top : max(bottom, top + 1), left : max(right, left + 1)].mean()
            for top, bottom in zip(np.minimum(rows[:-1], grey.shape[0] - 1), rows[1:], strict=True)
            for left, right in zip(np.minimum(columns[:-1], grey.shape[1] - 1), columns[1:], strict=True)
        ]
    )


def _shape(findings: Findings, sizes: _Sizes) -> None:
    findings.add("instances", sizes.count)
    if not sizes.count:
        return
    widths, heights = np.array(sizes.widths, dtype=np.float64), np.array(sizes.heights, dtype=np.float64)
    areas = widths * heights
    findings.add("width", widths.mean())
    findings.add("height", heights.mean())
    findings.add("resolution", areas.mean())
    findings.add("resolution_variation", areas.std() / areas.mean())
    findings.add("aspect_ratio", (widths / heights).mean())
    # Images with and without colour: as many channels as the richest has.
    findings.add("channels", max(sizes.channels))
    findings.add("features", areas.mean() * max(sizes.channels))


def _pixels(findings: Findings, summaries: list[_Summary], sizes: _Sizes) -> None:
    if not summaries:
        return
    means = np.array([summary.mean for summary in summaries])
    overall = means.mean()
    findings.add("pixel_mean", overall)
    spread = np.mean([summary.square for summary in summaries]) - overall**2
    findings.add("pixel_std", np.sqrt(max(0.0, float(spread))))
    findings.add("brightness_std", means.std())
    findings.add("contrast", np.mean([summary.contrast for summary in summaries]))
    findings.add("pixel_entropy", np.mean([summary.entropy for summary in summaries]))
    findings.add("edge_strength", np.mean([summary.edges for summary in summaries]))
    if max(sizes.channels) > 1:
        findings.add("colourfulness", np.mean([summary.colour for summary in summaries]))
