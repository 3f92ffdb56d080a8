"""Data shape of a task, from its meta-features: input and output sizes for a network, and the number of examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DataShape:
    """Sizes of a task's data; None if the meta-features lack them.

    ``size``: pixels along an edge, the geometric mean for images that are not square. ``channels`` of an image, or
    columns of a table. ``outputs``: classes, or target columns. ``instances``: examples, or nodes of a graph; only
    the labelled ones if their share is known.
    """

    size: float | None = None
    channels: float | None = None
    outputs: float | None = None
    instances: float | None = None


def data_shape(meta_features: Mapping[str, float]) -> DataShape:
    """Read the data shape from meta-features."""
    width, height = meta_features.get("width"), meta_features.get("height")
    size = meta_features.get("image_size")
    if size is None and width and height and width > 0 and height > 0:
        size = math.sqrt(width * height)
    instances = meta_features.get("instances", meta_features.get("nodes"))
    labelled = meta_features.get("labelled_share")
    if instances is not None and labelled is not None and 0 < labelled <= 1:
        instances *= labelled
    return DataShape(
        size=_positive(size),
        channels=_positive(meta_features.get("channels", None if size else meta_features.get("features"))),
        outputs=_positive(meta_features.get("classes", meta_features.get("outputs"))),
        instances=_positive(instances),
    )


def shape_for_all(shapes: Sequence[DataShape]) -> DataShape:
    """The shape that one network for several tasks must fit: the smallest images, the most channels and outputs, and
    the geometric mean of the numbers of examples."""
    sizes = [shape.size for shape in shapes if shape.size is not None]
    channels = [shape.channels for shape in shapes if shape.channels is not None]
    outputs = [shape.outputs for shape in shapes if shape.outputs is not None]
    instances = [math.log(shape.instances) for shape in shapes if shape.instances is not None]
    return DataShape(
        min(sizes, default=None),
        max(channels, default=None),
        max(outputs, default=None),
        math.exp(sum(instances) / len(instances)) if instances else None,
    )


def _positive(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value > 0 else None
