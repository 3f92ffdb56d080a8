"""Tunes the weights of one task on another as a plan says: what stays frozen, and how fast each layer learns.

    transfer = client.transfer_architecture(space_id, candidate, "digits", "my-task")
    plan = transfer.architectures[0].plan
    for number, stage in enumerate(plan.stages):
        optimizer = torch.optim.Adam(apply_plan(model, plan, number, learning_rate=1e-3))
        for epoch in range(stage.epochs):
            train_mode(model)
            ...  # one epoch, as ever

Needs torch; the rest of the client does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from headstart.values import FineTuningPlan

# These scale the output of the layer before them, and freeze and learn with it.
_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm)

Layer = tuple[str, list[nn.Module]]


def apply_plan(
    model: nn.Module,
    plan: FineTuningPlan,
    stage: int = 0,
    learning_rate: float = 1e-3,
    layers: Sequence[nn.Module] | None = None,
) -> list[dict[str, Any]]:
    """Parameter groups of an optimizer for one stage of a plan, one for each layer that learns, from the input.

    Call it once at the start of each stage, in order: with ``plan.new_head``, the first stage gives the last layer
    new weights. ``layers`` are in the order from input to output, and modules outside of them are left alone; the
    default is ``layers_of``. The frozen layers get ``requires_grad`` False and, until the next ``model.train()``,
    evaluation mode (see ``train_mode``). Groups carry ``name`` and ``lr``: ``learning_rate`` times the stage's decay
    to the power of the number of layers above.

    Raises IndexError for a stage that the plan does not have, ValueError for a model without parameters.
    """
    stages = plan.stages
    if not 0 <= stage < len(stages):
        raise IndexError(f"the plan has {len(stages)} stages, there is no stage {stage}")
    named = layers_of(model) if layers is None else [(str(index), [layer]) for index, layer in enumerate(layers)]
    named = [(name, modules) for name, modules in named if _parameters(modules)]
    if not named:
        raise ValueError("the model has no parameters to tune")
    if plan.new_head and stage == 0:
        _start_afresh(named[-1][1])
    frozen = round(stages[stage].frozen_share * (len(named) - 1))
    groups: list[dict[str, Any]] = []
    for index, (name, modules) in enumerate(named):
        learns = index >= frozen
        for parameter in _parameters(modules):
            parameter.requires_grad_(learns)
        if not learns:
            for module in modules:
                module.eval()
            continue
        decay = stages[stage].layer_decay ** (len(named) - 1 - index)
        groups.append({"params": _parameters(modules), "lr": learning_rate * decay, "name": name})
    return groups


def train_mode(model: nn.Module) -> None:
    """As ``model.train()``, but frozen layers stay in evaluation mode, so their normalisation keeps its statistics."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def layers_of(model: nn.Module) -> list[Layer]:
    """Names and modules of layers: those with parameters of their own, in the order of registration, which is from
    input to output in most models.

    A normalisation belongs to the layer before it; a module whose parameters all belong to earlier ones is none.
    """
    met: set[int] = set()
    results: list[Layer] = []
    for name, module in model.named_modules():
        own = [parameter for parameter in module.parameters(recurse=False) if id(parameter) not in met]
        if not own:
            continue
        met.update(id(parameter) for parameter in own)
        if results and isinstance(module, _NORMALISATIONS):
            results[-1][1].append(module)
        else:
            results.append((name, [module]))
    return results


def _parameters(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    return list({id(parameter): parameter for module in modules for parameter in module.parameters()}.values())


def _start_afresh(modules: Sequence[nn.Module]) -> None:
    for layer in modules:
        for module in layer.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
