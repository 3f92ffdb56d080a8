"""Tunes the weights of one task on another as a plan says: what stays frozen, and how fast each layer learns.

    transfer = client.transfer_architecture(space_id, candidate, "digits", "my-task")
    plan = transfer.architectures[0].plan
    for stage in range(len(plan.stages)):
        optimizer = torch.optim.Adam(apply_plan(model, plan, stage, learning_rate=1e-3))
        ...  # plan.stages[stage].epochs epochs

Needs torch; the rest of the client does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from headstart.transfer_values import FineTuningPlan


def apply_plan(
    model: nn.Module,
    plan: FineTuningPlan,
    stage: int = 0,
    learning_rate: float = 1e-3,
    layers: Sequence[nn.Module] | None = None,
) -> list[dict[str, Any]]:
    """Parameter groups of an optimizer for one stage of a plan, a group for each layer that learns, the input first.

    ``layers`` are in the order from input to output; without them, the modules that hold parameters of their own in the
    order in which the model registered them, which is that order in most models. Everything below the frozen share gets
    ``requires_grad`` False, and normalisation there keeps its statistics (evaluation mode): call this after
    ``model.train()``, once an epoch where that is called again. Groups carry ``name`` and ``lr``, the learning rate
    times the decay for each layer above it. With ``plan.new_head``, the first stage gives the last layer new weights.

    Raises IndexError for a stage that the plan does not have, ValueError for a model without parameters.
    """
    stages = plan.stages
    if not 0 <= stage < len(stages):
        raise IndexError(f"the plan has {len(stages)} stages, there is no stage {stage}")
    named = layers_of(model) if layers is None else [(str(place), layer) for place, layer in enumerate(layers)]
    named = [(name, layer) for name, layer in named if any(True for _ in layer.parameters())]
    if not named:
        raise ValueError("the model has no parameters to tune")
    if plan.new_head and stage == 0:
        _start_afresh(named[-1][1])
    frozen = round(stages[stage].frozen_share * (len(named) - 1))
    groups: list[dict[str, Any]] = []
    for place, (name, layer) in enumerate(named):
        learns = place >= frozen
        for parameter in layer.parameters():
            parameter.requires_grad_(learns)
        if not learns:
            layer.eval()
            continue
        decay = stages[stage].layer_decay ** (len(named) - 1 - place)
        groups.append({"params": list(layer.parameters()), "lr": learning_rate * decay, "name": name})
    return groups


def layers_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules that hold parameters of their own, each parameter once, in the order of registration."""
    met: set[int] = set()
    found = []
    for name, module in model.named_modules():
        own = [parameter for parameter in module.parameters(recurse=False) if id(parameter) not in met]
        if own:
            met.update(id(parameter) for parameter in own)
            found.append((name, module))
    return found


def _start_afresh(layer: nn.Module) -> None:
    for module in layer.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
