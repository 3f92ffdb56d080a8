"""How to tune weights of one task on another: what stays frozen how long, and how fast each layer learns.

First the last layer alone, so that a random one does not spoil what is below it (Kumar et al., ICLR 2022), then from
the top (gradual unfreezing) with learning rates that fall towards the input (Howard and Ruder, ACL 2018). How much is
kept follows two findings: lower layers transfer better, and less the farther the tasks are apart (Yosinski et al.,
NeurIPS 2014); and with much data little need be kept.

Shares and decay were chosen on pairs of tasks that ``benchmarks/transfer`` does not report: there, unfreezing step by
step gained up to 0.025 of accuracy on three to ten examples of a class and lost up to 0.017, while a decay of 0.6 a
layer mostly cost accuracy on networks of four and five layers (the second paper has 0.38). On the pairs that are
reported there is no gain on average: see docs/transfer.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Steps of gradient that a tuning takes in all, about, in batches of 32; the number of epochs follows.
_EXAMPLES = 60_000.0
_FEWEST_EPOCHS, _MOST_EPOCHS = 6, 60
# Of the epochs, for the last layer alone, and for the upper ones.
_HEAD_SHARE, _UPPER_SHARE = 1 / 6, 1 / 3
# With fewer examples than this the layers are unfrozen step by step, however far the tasks are apart.
_FEW_INSTANCES = 3_000.0
# The decay of the learning rate for each layer is 1 less this, where everything is worth keeping.
_STEEPEST = 0.15
# Data sets of which nothing is known are taken for this size.
_USUAL_INSTANCES = 5_000.0


@dataclass(frozen=True)
class Stage:
    """``frozen_share`` of the layers below the last, from the input, stay as they are; ``layer_decay`` multiplies the
    learning rate for each layer further from the output."""

    epochs: int
    frozen_share: float
    layer_decay: float


@dataclass(frozen=True)
class FineTuningPlan:
    stages: tuple[Stage, ...]
    reason: str
    new_head: bool


def fine_tuning_plan(tau: float, instances: float | None) -> FineTuningPlan:
    """For a target with so many examples, whose ranking agrees with the source's by this Kendall tau."""
    near = min(1.0, max(0.0, tau))
    size = _USUAL_INSTANCES if instances is None else instances
    # 0 for a hundred examples and fewer, 1 for a hundred thousand.
    plenty = min(1.0, max(0.0, (math.log10(max(size, 1.0)) - 2.0) / 3.0))
    kept = near * (1.0 - plenty)
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_EXAMPLES / max(size, 1.0))))
    head = max(1, round(_HEAD_SHARE * epochs))
    decay = round(1.0 - _STEEPEST * kept, 2)
    told = (
        f"rankings agree by {tau:.2f} and {'an unknown number of' if instances is None else f'{instances:,.0f}'} "
        f"examples: {kept:.0%} of what was learned is worth keeping"
    )
    stages = [Stage(head, 1.0, 1.0)]
    if kept >= 0.2 or size < _FEW_INSTANCES:
        upper = max(1, round(_UPPER_SHARE * epochs))
        stages.append(Stage(upper, round(kept / 2 + 0.25, 2), decay))
        told += "; the last layer first, then from the top down, lower layers slowly"
    else:
        told += "; the last layer first, then everything"
    left = max(1, epochs - sum(stage.epochs for stage in stages))
    stages.append(Stage(left, 0.0, decay))
    return FineTuningPlan(tuple(stages), told, new_head=True)
