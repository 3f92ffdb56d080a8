"""The search space of the example: small networks of up to three layers, with shortcuts, and how they are trained.

The service sees the network as a graph. A layer that is "skip" passes its input on, so a network of two layers is the
same architecture wherever its third layer was left out, and the service knows that it has been tried.
"""

from __future__ import annotations

from itertools import pairwise

from headstart.spaces import (
    Categorical,
    Condition,
    EdgeTemplate,
    Float,
    GraphTemplate,
    NodeTemplate,
    OpRole,
    Parameter,
    SearchSpace,
    ValueOf,
)

LAYERS = ("layer1", "layer2", "layer3")
OPERATIONS = ("relu", "tanh", "gelu", "residual", "skip")
WIDTHS = (8, 16, 32, 64, 128)


def small_networks() -> SearchSpace:
    """Each node reads what its predecessors give, side by side; the output is a linear classifier."""
    chain = ("input", *LAYERS, "output")
    parameters: list[Parameter] = []
    for layer in LAYERS:
        parameters.append(Parameter(layer, Categorical(OPERATIONS)))
        # A layer that is skipped has no width.
        parameters.append(Parameter(f"{layer}_width", Categorical(WIDTHS), Condition(layer, OPERATIONS[:-1])))
    return SearchSpace(
        search_space_id="small-networks",
        description="Networks of up to three dense layers with shortcuts, and their training",
        parameters=(
            *parameters,
            Parameter("shortcut", Categorical(("none", "input-layer3", "input-output", "layer1-output"))),
            Parameter("optimizer", Categorical(("sgd", "adam"))),
            Parameter("learning_rate", Float(1e-4, 3.0, logarithmic=True)),
            Parameter("weight_decay", Float(1e-6, 1e-1, logarithmic=True)),
            Parameter("dropout", Float(0.0, 0.5)),
        ),
        graph_template=GraphTemplate(
            nodes=(
                NodeTemplate("input", "input"),
                *(NodeTemplate(layer, ValueOf(layer), {"width": ValueOf(f"{layer}_width")}) for layer in LAYERS),
                NodeTemplate("output", "output"),
            ),
            edges=(
                *(EdgeTemplate(source, target) for source, target in pairwise(chain)),
                EdgeTemplate("input", "layer3", Condition("shortcut", ("input-layer3",))),
                EdgeTemplate("input", "output", Condition("shortcut", ("input-output",))),
                EdgeTemplate("layer1", "output", Condition("shortcut", ("layer1-output",))),
            ),
        ),
        op_roles={"input": OpRole.INPUT, "output": OpRole.OUTPUT, "skip": OpRole.IDENTITY},
    )
