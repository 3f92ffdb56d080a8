"""Between protobuf and the plain values of TransferArchitecture.

The same rules as in ``codec``: a message whose structure is wrong raises InvalidInput with the path of the field.
"""

from __future__ import annotations

from headstart.codec.answers import estimate_from_proto, estimate_to_proto
from headstart.codec.spaces import value_from_proto, value_to_proto
from headstart.codec.values import candidate_from_proto, candidate_to_proto
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart.values import (
    ArchitectureChange,
    FineTuningPlan,
    FineTuningStage,
    MultiTaskProposal,
    Transfer,
    TransferredArchitecture,
)


def transfer_to_proto(answer: Transfer) -> meta_pb2.TransferArchitectureResponse:
    proposal = None
    if answer.proposal is not None:
        proposal = meta_pb2.MultiTaskProposal(
            candidate=candidate_to_proto(answer.proposal.candidate),
            fingerprint=answer.proposal.fingerprint,
            expected_ranks=answer.proposal.expected_ranks,
            reason=answer.proposal.reason,
        )
    return meta_pb2.TransferArchitectureResponse(
        architectures=[_architecture_to_proto(each) for each in answer.architectures], proposal=proposal
    )


def transfer_from_proto(message: meta_pb2.TransferArchitectureResponse) -> Transfer:
    proposal = None
    if message.HasField("proposal"):
        proposal = MultiTaskProposal(
            candidate_from_proto(message.proposal.candidate, "proposal.candidate"),
            message.proposal.fingerprint,
            dict(message.proposal.expected_ranks),
            message.proposal.reason,
        )
    architectures = (
        _architecture_from_proto(each, f"architectures[{index}]") for index, each in enumerate(message.architectures)
    )
    return Transfer(tuple(architectures), proposal)


def _architecture_to_proto(answer: TransferredArchitecture) -> meta_pb2.TransferredArchitecture:
    return meta_pb2.TransferredArchitecture(
        target_task_id=answer.target_task_id,
        candidate=candidate_to_proto(answer.candidate),
        fingerprint=answer.fingerprint,
        changes=[_change_to_proto(change) for change in answer.changes],
        transferability=None if answer.transferability is None else estimate_to_proto(answer.transferability),
        transferability_basis=answer.transferability_basis,
        plan=None if answer.plan is None else _plan_to_proto(answer.plan),
    )


def _architecture_from_proto(message: meta_pb2.TransferredArchitecture, field: str) -> TransferredArchitecture:
    return TransferredArchitecture(
        message.target_task_id,
        candidate_from_proto(message.candidate, f"{field}.candidate"),
        message.fingerprint,
        tuple(_change_from_proto(change, f"{field}.changes[{i}]") for i, change in enumerate(message.changes)),
        estimate_from_proto(message.transferability) if message.HasField("transferability") else None,
        message.transferability_basis,
        _plan_from_proto(message.plan) if message.HasField("plan") else None,
    )


def _change_to_proto(change: ArchitectureChange) -> meta_pb2.ArchitectureChange:
    return meta_pb2.ArchitectureChange(
        parameter=change.parameter,
        before=None if change.before is None else value_to_proto(change.before),
        after=None if change.after is None else value_to_proto(change.after),
        reason=change.reason,
    )


def _change_from_proto(message: meta_pb2.ArchitectureChange, field: str) -> ArchitectureChange:
    return ArchitectureChange(
        message.parameter,
        value_from_proto(message.before, f"{field}.before") if message.HasField("before") else None,
        value_from_proto(message.after, f"{field}.after") if message.HasField("after") else None,
        message.reason,
    )


def _plan_to_proto(plan: FineTuningPlan) -> meta_pb2.FineTuningPlan:
    return meta_pb2.FineTuningPlan(
        stages=[
            meta_pb2.FineTuningStage(
                epochs=stage.epochs, frozen_share=stage.frozen_share, layer_decay=stage.layer_decay
            )
            for stage in plan.stages
        ],
        reason=plan.reason,
        new_head=plan.new_head,
    )


def _plan_from_proto(message: meta_pb2.FineTuningPlan) -> FineTuningPlan:
    stages = (FineTuningStage(stage.epochs, stage.frozen_share, stage.layer_decay) for stage in message.stages)
    return FineTuningPlan(tuple(stages), message.reason, message.new_head)
