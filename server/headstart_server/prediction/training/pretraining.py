"""Pre-training of the graph network on structural features and proxies.

The network learns to predict the structural features and the recorded proxies of graphs: those recorded in the space,
and candidates drawn from its declaration (compare Hu et al., "Strategies for pre-training graph neural networks", ICLR
2020). Results of tasks are not used, so the networks of all folds may start from the same weights. Pre-training helps
where labels are few.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from headstart.spaces import CanonicalCandidate, SearchSpace, canonicalize, sample
from headstart_server.prediction.features.batch import BatchAssembler, Floats
from headstart_server.prediction.graph.network import GraphNetwork
from headstart_server.prediction.learners.gaussian_process import Numbers

# The layers of a network that read graphs.
READING = ("ops", "attributes", "layers", "normalise")

STEPS = 300
_DRAWN = 512
BATCH = 64
_LEARNING_RATE = 3e-3


def drawn_candidates(space: SearchSpace, seed: int) -> list[CanonicalCandidate]:
    """Distinct random candidates of a space; none for a space of explicit graphs."""
    if space.explicit_graphs or space.graph_template is None:
        return []
    generator = random.Random(seed)
    drawn = (canonicalize(space, sample(space, generator)) for _ in range(_DRAWN))
    return list({each.fingerprint: each for each in drawn}.values())


def pretrain(
    network: GraphNetwork,
    assembler: BatchAssembler,
    candidates: Sequence[CanonicalCandidate],
    properties: Numbers,
    seed: int,
    steps: int = STEPS,
) -> None:
    """Train the graph layers to predict ``properties`` [candidates, p], standardised, NaN where unknown."""
    if not len(network.layers) or not len(candidates):
        return
    generator = np.random.default_rng(seed)
    known = np.isfinite(properties)
    targets: Floats = np.where(known, properties, 0.0).astype(np.float32)
    decoder = nn.Linear(2 * network.shape.width, targets.shape[1])
    reading = [parameter for name, parameter in network.named_parameters() if name.split(".")[0] in READING]
    optimizer = torch.optim.AdamW([*reading, *decoder.parameters()], _LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    network.train()
    for _ in range(steps):
        chosen = generator.choice(len(candidates), min(BATCH, len(candidates)), replace=False)
        batch = assembler.assemble([candidates[row] for row in chosen])
        predicted = decoder(network.readout(batch, decoder.weight.device))
        errors = torch.square(predicted - torch.from_numpy(targets[chosen])) * torch.from_numpy(known[chosen])
        loss = errors.sum() / max(int(known[chosen].sum()), 1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
