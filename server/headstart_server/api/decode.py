"""Decoding of requests into the plain values that domains take.

Everything malformed raises InvalidInput with the field's path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from headstart import values
from headstart.codec import answers as codec_answers
from headstart.codec import spaces as codec_spaces
from headstart.codec import values as codec
from headstart.spaces import Candidate, InvalidInput, SearchSpace, Violation, space_violations
from headstart.spaces.validation import require, text_violations
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart.v1 import search_space_pb2, task_pb2
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status, curve_violations, outcome_violations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task, task_violations
from headstart_server.prediction.types import Query
from headstart_server.strategy.service import MAX_SLOTS, Arm, arm_violations
from headstart_server.transfer.multi_task import Objective
from headstart_server.warm_start.suggestions import PoolMember

MAX_CANDIDATES = 4096
MAX_SPACE_BYTES = 2**20
MAX_ALL_CHOICES = 16_384
MAX_WORKER_ID = 255
MAX_TARGETS = 64
_DEFAULT_LEVEL = 0.9

T = TypeVar("T")


def invalid(field: str, description: str) -> InvalidInput:
    return InvalidInput([Violation(field, description)])


def uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise invalid(field, f"must be a UUID, got {text[:63]!r}") from None


def count(requested: int, field: str, default: int | None, limit: int) -> int:
    """A whole number from 1 to a limit; 0 means the default, if there is one."""
    if requested == 0 and default is not None:
        return default
    if not 1 <= requested <= limit:
        raise invalid(field, f"must be 1 to {limit}, got {requested}")
    return requested


def experiment_name(text: str) -> tuple[str, str, int]:
    """Task, search space and sequence number of an experiment id."""
    parts = text.split("/")
    if len(parts) != 3 or not parts[2].isascii() or not parts[2].isdigit() or len(parts[2]) > 18:
        raise invalid("experiment_id", f"must be TASK/SEARCH_SPACE/SEQUENCE, got {text[:200]!r}")
    return parts[0], parts[1], int(parts[2])


def search_space(message: search_space_pb2.SearchSpace) -> SearchSpace:
    size = message.ByteSize()
    if size > MAX_SPACE_BYTES:
        raise invalid("search_space", f"takes {size} bytes: a declaration has at most {MAX_SPACE_BYTES}")
    _limit_choices(message.parameters, "search_space.parameters")
    space = codec_spaces.space_from_proto(message)
    require(space_violations(space))
    return space


def _limit_choices(parameters: Iterable[search_space_pb2.Parameter], field: str) -> None:
    """Limit the choices of all parameters, because a candidate's vector has a column for each."""
    choices = sum(len(parameter.categorical.choices) for parameter in parameters)
    if choices > MAX_ALL_CHOICES:
        raise invalid(field, f"have {choices} choices: at most {MAX_ALL_CHOICES} over all parameters")


def task(message: task_pb2.Task) -> Task:
    sent = codec.task_from_proto(message)
    decoded = Task(
        task_id=sent.task_id,
        description=sent.description,
        metric=sent.objective.metric,
        maximize=sent.objective.direction is values.Direction.MAXIMIZE,
        descriptor=dict(sent.descriptor),
        meta_features=dict(sent.meta_features),
        fidelity_unit=sent.fidelity_unit,
        max_fidelity=sent.max_fidelity,
    )
    require(task_violations(decoded))
    return decoded


def records(
    knowledge: KnowledgeService,
    namespace: str,
    messages: Sequence[meta_pb2.RecordExperimentRequest],
    field: Callable[[int], str],
) -> list[NewExperiment]:
    """Results to record; ``field`` is the path prefix of each. Raises InvalidInput, and NotFound for a space."""
    return [_record(knowledge, namespace, message, field(index)) for index, message in enumerate(messages)]


def _record(
    knowledge: KnowledgeService, namespace: str, message: meta_pb2.RecordExperimentRequest, prefix: str
) -> NewExperiment:
    request_id = uuid(message.request_id, f"{prefix}request_id")
    sent = codec_answers.record_from_proto(message, prefix.removesuffix("."))
    space = knowledge.search_space(namespace, sent.search_space_id)
    outcome = _outcome(sent.outcome)
    require(outcome_violations(outcome, f"{prefix}outcome"))
    require(text_violations(sent.worker_id, f"{prefix}worker_id", MAX_WORKER_ID))
    return NewExperiment(
        request_id=request_id,
        task_id=sent.task_id,
        search_space_id=sent.search_space_id,
        candidate=sent.candidate,
        canonical=knowledge.canonical(namespace, space, sent.candidate, f"{prefix}candidate"),
        outcome=outcome,
        decision_id=uuid(sent.decision_id, f"{prefix}decision_id") if sent.decision_id else None,
        worker_id=sent.worker_id,
    )


def _outcome(sent: values.Outcome) -> Outcome:
    return Outcome(
        status=Status(sent.status.value),
        objective_value=sent.objective_value,
        metrics=dict(sent.metrics),
        curve=_curve(sent.learning_curve),
        fidelity=sent.fidelity,
        cost_seconds=sent.cost_seconds,
        proxies=dict(sent.proxies),
        seed=sent.seed,
    )


def _curve(points: Sequence[values.CurvePoint]) -> tuple[tuple[float, float], ...]:
    return tuple((point.fidelity, point.value) for point in points)


@dataclass(frozen=True)
class TransferQuery:
    candidate: Candidate
    target_task_ids: list[str]
    objective: Objective
    weights: dict[str, float]


def transfer(
    knowledge: KnowledgeService, namespace: str, request: meta_pb2.TransferArchitectureRequest
) -> TransferQuery:
    """Raises InvalidInput, and NotFound for the space."""
    targets = list(request.target_task_ids)
    count(len(targets), "target_task_ids", None, MAX_TARGETS)
    if len(set(targets)) < len(targets):
        raise invalid("target_task_ids", "names a task twice")
    for task_id, weight in request.target_weights.items():
        field = f"target_weights[{task_id[:63]}]"
        if task_id not in targets:
            raise invalid(field, "is not one of target_task_ids")
        if not (math.isfinite(weight) and weight > 0):
            raise invalid(field, f"must be positive and finite, got {weight}")
    objective = Objective.WEIGHTED
    if request.objective:
        objective = codec.enum_from_proto(Objective, request.objective, "objective")
    space = knowledge.search_space(namespace, request.search_space_id)
    candidate = codec.candidate_from_proto(request.candidate)
    knowledge.canonical(namespace, space, candidate)
    return TransferQuery(candidate, targets, objective, dict(request.target_weights))


def queries(
    knowledge: KnowledgeService, namespace: str, request: meta_pb2.PredictPerformanceRequest
) -> tuple[list[Query], float]:
    """Queries and the level of their intervals. Raises InvalidInput, and NotFound for the space."""
    count(len(request.queries), "queries", None, MAX_CANDIDATES)
    level = request.interval_level if request.HasField("interval_level") else _DEFAULT_LEVEL
    if not 0 < level < 1:
        raise invalid("interval_level", f"must be between 0 and 1, got {level}")
    space = knowledge.search_space(namespace, request.search_space_id)
    return [_query(knowledge, namespace, space, q, f"queries[{i}]") for i, q in enumerate(request.queries)], level


def _query(
    knowledge: KnowledgeService, namespace: str, space: SearchSpace, message: meta_pb2.PredictionQuery, field: str
) -> Query:
    sent = codec_answers.query_from_proto(message, field)
    curve = _curve(sent.learning_curve)
    if curve:
        require(curve_violations(curve, f"{field}.learning_curve"))
        if curve[-1][0] == 0:
            raise invalid(f"{field}.learning_curve", "must have a point above fidelity 0: training has not begun there")
    for name, number in sent.proxies.items():
        if not math.isfinite(number):
            raise invalid(f"{field}.proxies[{name[:63]}]", "must be finite; leave out what is missing")
    if sent.fidelity is not None and not (math.isfinite(sent.fidelity) and sent.fidelity >= 0):
        raise invalid(f"{field}.fidelity", f"must be finite and not negative, got {sent.fidelity}")
    return Query(
        candidate=sent.candidate,
        canonical=knowledge.canonical(namespace, space, sent.candidate, f"{field}.candidate"),
        learning_curve=curve,
        proxies=dict(sent.proxies),
        fidelity=sent.fidelity,
    )


def pool(knowledge: KnowledgeService, namespace: str, request: meta_pb2.WarmStartRequest) -> list[PoolMember]:
    """The caller's own candidates. Raises InvalidInput, and NotFound for the space."""
    if len(request.pool) > MAX_CANDIDATES:
        raise invalid("pool", f"at most {MAX_CANDIDATES} candidates, got {len(request.pool)}")
    space = knowledge.search_space(namespace, request.search_space_id)
    members = []
    for index, message in enumerate(request.pool):
        field = f"pool[{index}]"
        candidate = codec_spaces.candidate_from_proto(message, field)
        members.append(PoolMember(candidate, knowledge.canonical(namespace, space, candidate, field)))
    return members


def exploration_share(request: meta_pb2.WarmStartRequest) -> float | None:
    if not request.HasField("exploration_share"):
        return None
    if not 0 <= request.exploration_share <= 1:
        raise invalid("exploration_share", f"must be 0 to 1, got {request.exploration_share}")
    return request.exploration_share


def strategies(request: meta_pb2.SelectStrategyRequest) -> tuple[list[Arm], int, tuple[float, float]]:
    """Arms, slots, and (spent, total) budget."""
    _limit_choices((parameter for arm in request.arms for parameter in arm.hyperparameters), "arms")
    sent = [codec_answers.arm_from_proto(arm, f"arms[{index}]") for index, arm in enumerate(request.arms)]
    arms = [Arm(arm.name, arm.hyperparameters) for arm in sent]
    require(_all(arm_violations(arms), _budget_violations(request)))
    return arms, count(request.slots, "slots", 1, MAX_SLOTS), (request.spent_budget, request.total_budget)


def _budget_violations(request: meta_pb2.SelectStrategyRequest) -> Iterator[Violation]:
    for field, amount in (("spent_budget", request.spent_budget), ("total_budget", request.total_budget)):
        if not (math.isfinite(amount) and amount >= 0):
            yield Violation(field, f"must be finite and not negative, got {amount}")


def _all(*parts: Iterator[Violation]) -> Iterator[Violation]:
    for part in parts:
        yield from part
