"""Made-up learning curves: falling losses of many speeds, some of which diverge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learning_curves.curve import Curve

EPOCHS = np.arange(1.0, 41.0)


def toy_losses(count: int, seed: int = 0, diverging: float = 0.0) -> NDArray[np.float64]:
    """Float [count, 40]: a level, a fall that takes its time, noise; a share climbs instead from epoch 12 on."""
    generator = np.random.default_rng(seed)
    level = generator.uniform(1.0, 2.0, (count, 1))
    size = generator.uniform(0.5, 2.0, (count, 1))
    speed = generator.uniform(0.3, 1.2, (count, 1))
    losses = level + size * EPOCHS**-speed + generator.normal(0.0, 0.01, (count, len(EPOCHS)))
    bad = generator.random(count) < diverging
    losses[bad] += np.maximum(EPOCHS - 8, 0) * 0.3
    return losses


def full(values: NDArray[np.float64], fidelities: NDArray[np.float64] = EPOCHS) -> Curve:
    return Curve(fidelities, values, float(values[-1]))


def cut(values: NDArray[np.float64], epochs: int) -> Curve:
    return Curve(EPOCHS[:epochs], values[:epochs])
