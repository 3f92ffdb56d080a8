"""Fine-tuning plans for weights of one task on another: stages with frozen layers and layer-wise learning rates.

The last layer is trained first and alone, so that its random weights do not spoil the layers below it (Kumar et al.,
ICLR 2022). Then layers are unfrozen from the top (gradual unfreezing) with learning rates that fall towards the input
(Howard and Ruder, ACL 2018). How much is kept follows two findings: lower layers transfer better, and less the
farther the tasks are apart (Yosinski et al., NeurIPS 2014); and with much data little need be kept.

Shares and decay were chosen on pairs of tasks that ``benchmarks/transfer`` does not report. There, gradual unfreezing
gained up to 0.025 of accuracy on three to ten examples of a class and lost up to 0.017, while a decay of 0.6 a layer
mostly cost accuracy on networks of four and five layers (the second paper has 0.38). On the reported pairs there is
no gain on average: see docs/transfer.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Examples that a tuning processes in all, about, in batches of 32; the number of epochs follows.
_EXAMPLES = 60_000.0
_FEWEST_EPOCHS, _MOST_EPOCHS = 6, 60
# Shares of the epochs for the last layer alone, and for the upper layers.
_HEAD_SHARE, _UPPER_SHARE = 1 / 6, 1 / 3
# With fewer examples than this, layers are unfrozen step by step for every pair of tasks.
_FEW_INSTANCES = 3_000.0
# The decay of the learning rate for each layer is 1 minus this where everything is worth keeping.
_STEEPEST = 0.15
# Assumed number of examples if it is unknown.
_USUAL_INSTANCES = 5_000.0


@dataclass(frozen=True)
class Stage:
    """One stage of fine-tuning: a ``frozen_share`` of the layers below the last, from the input, stays unchanged;
    ``layer_decay`` multiplies the learning rate for each layer further from the output."""

    epochs: int
    frozen_share: float
    layer_decay: float


@dataclass(frozen=True)
class FineTuningPlan:
    stages: tuple[Stage, ...]
    reason: str
    new_head: bool


def fine_tuning_plan(tau: float, instances: float | None) -> FineTuningPlan:
    """Plan for a target with ``instances`` examples whose ranking agrees with the source's by Kendall's ``tau``."""
    agreement = min(1.0, max(0.0, tau))
    size = _USUAL_INSTANCES if instances is None else instances
    # 0 up to a hundred examples, 1 from a hundred thousand on.
    data_share = min(1.0, max(0.0, (math.log10(max(size, 1.0)) - 2.0) / 3.0))
    kept_share = agreement * (1.0 - data_share)
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_EXAMPLES / max(size, 1.0))))
    head = max(1, round(_HEAD_SHARE * epochs))
    decay = round(1.0 - _STEEPEST * kept_share, 2)
    reason = (
        f"rankings agree by {tau:.2f} and {'an unknown number of' if instances is None else f'{instances:,.0f}'} "
        f"examples: {kept_share:.0%} of what was learned is worth keeping"
    )
    stages = [Stage(head, 1.0, 1.0)]
    if kept_share >= 0.2 or size < _FEW_INSTANCES:
        upper = max(1, round(_UPPER_SHARE * epochs))
        stages.append(Stage(upper, round(kept_share / 2 + 0.25, 2), decay))
        reason += "; the last layer first, then from the top down, lower layers slowly"
    else:
        reason += "; the last layer first, then everything"
    left = max(1, epochs - sum(stage.epochs for stage in stages))
    stages.append(Stage(left, 0.0, decay))
    return FineTuningPlan(tuple(stages), reason, new_head=True)
