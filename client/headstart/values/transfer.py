"""The values of TransferArchitecture: architectures made to fit other tasks, and plans to tune their weights there.

Plain frozen data, free of protobuf: ``codec_transfer`` translates. Enum numbers are those of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from headstart.spaces import Candidate, Value
from headstart.values.predictions import Estimate


class MultiTaskObjective(Enum):
    """The objective of one candidate for several tasks: the weighted mean of its ranks, or the worst of them."""

    WEIGHTED = 1
    WORST_CASE = 2


@dataclass(frozen=True)
class ArchitectureChange:
    """``before`` is None if a parameter became active, ``after`` if it became inactive."""

    parameter: str
    before: Value | None
    after: Value | None
    reason: str


@dataclass(frozen=True)
class FineTuningStage:
    """``frozen_share`` of the layers below the last, from the input, stay frozen (0 to 1; the last never is).

    ``layer_decay`` multiplies the learning rate for each layer further from the output.
    """

    epochs: int
    frozen_share: float
    layer_decay: float


@dataclass(frozen=True)
class FineTuningPlan:
    """Stages in sequence; with ``new_head`` the last layer gets new weights. See ``headstart.torch``."""

    stages: tuple[FineTuningStage, ...]
    reason: str = ""
    new_head: bool = False


@dataclass(frozen=True)
class TransferredArchitecture:
    """``transferability`` is Kendall's tau between rankings on source and target, with its basis."""

    target_task_id: str
    candidate: Candidate
    fingerprint: str
    changes: tuple[ArchitectureChange, ...] = ()
    transferability: Estimate | None = None
    transferability_basis: str = ""
    plan: FineTuningPlan | None = None


@dataclass(frozen=True)
class MultiTaskProposal:
    """One candidate for all targets; ``expected_ranks`` by task id are the shares of tried architectures that it
    beats.
    """

    candidate: Candidate
    fingerprint: str
    expected_ranks: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Transfer:
    """The answer of ``Client.transfer_architecture``, in the order of the targets; a proposal only for several."""

    architectures: tuple[TransferredArchitecture, ...]
    proposal: MultiTaskProposal | None = None
