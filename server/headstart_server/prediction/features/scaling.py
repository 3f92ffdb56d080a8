"""The feature scale of a search space, on which a search compares candidates.

It is the scale of candidates drawn at random from the whole space. The candidates of a search soon resemble one
another, and on their own scale their small differences would look large. Scaled features are clipped to a bound.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import SearchSpace, canonicalize, sample
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers, standardisation

_DRAWN = 256
_FARTHEST = 3.0


@dataclass(frozen=True)
class FeatureScale:
    """``centre`` and ``spread`` of the features ``used`` [d]."""

    centre: Numbers
    spread: Numbers
    used: NDArray[np.bool_]

    @classmethod
    def of(cls, vectors: NDArray[np.floating]) -> FeatureScale:
        """The scale of features [n, d] of typical candidates."""
        return cls(*standardisation(np.asarray(vectors, np.float64)))

    def scaled(self, vectors: NDArray[np.floating]) -> Numbers:
        """Features [m, d] on the scale, [m, used]."""
        scaled = (np.asarray(vectors, np.float64)[:, self.used] - self.centre) / self.spread
        return np.asarray(np.clip(scaled, -_FARTHEST, _FARTHEST))


def scale_of_space(space: SearchSpace, features: StructuralFeatures) -> tuple[FeatureScale, NDArray[np.floating]]:
    """The scale of a space without explicit graphs, and the features [n, d] of the candidates that it was taken from.

    The same space always has the same scale.
    """
    generator = random.Random(0)
    drawn = [canonicalize(space, sample(space, generator)) for _ in range(_DRAWN)]
    vectors = features.vectors(drawn)
    return FeatureScale.of(vectors), vectors
