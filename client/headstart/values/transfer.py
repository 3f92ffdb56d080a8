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
    """What one candidate for several tasks is to be best in: the weighted mean of its ranks, or the worst of them."""

    WEIGHTED = 1
    WORST_CASE = 2


@dataclass(frozen=True)
class ArchitectureChange:
    """``before`` is None where a parameter became active, ``after`` where it became inactive."""

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
    """Stages one after the other; with ``new_head`` the last layer starts afresh. See ``headstart.torch``."""

    stages: tuple[FineTuningStage, ...]
    reason: str = ""
    new_head: bool = False


@dataclass(frozen=True)
class TransferredArchitecture:
    """``transferability``: Kendall's tau, how far rankings on the source are those on the target, with its basis."""

    target_task_id: str
    candidate: Candidate
    fingerprint: str
    changes: tuple[ArchitectureChange, ...] = ()
    transferability: Estimate | None = None
    transferability_basis: str = ""
    plan: FineTuningPlan | None = None


@dataclass(frozen=True)
class MultiTaskProposal:
    """One candidate for all targets; ``expected_ranks`` by task id: share of what was tried there that it beats."""

    candidate: Candidate
    fingerprint: str
    expected_ranks: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Transfer:
    """Answer of ``Client.transfer_architecture``, in the order of the targets; a proposal only for several."""

    architectures: tuple[TransferredArchitecture, ...]
    proposal: MultiTaskProposal | None = None
