"""ListExperiments at the edge: what a request asks for, and the page that answers it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from headstart.codec import knowledge as codec_knowledge
from headstart.codec import values as codec
from headstart.spaces import Violation
from headstart.spaces.validation import require, text_violations
from headstart.v1 import experiment_pb2
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.values import ExperimentFilter, ExperimentOrder, NumberRange
from headstart_server.api import decode, encode
from headstart_server.api.handlers.pagination import key_token, page_key, page_of, page_size, request_name
from headstart_server.knowledge.experiments.listing import ExperimentQuery, Key
from headstart_server.knowledge.outcomes import MAX_METRICS
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import MAX_NAME

_KEY_KINDS: dict[ExperimentOrder, tuple[type, ...]] = {
    ExperimentOrder.RECORDING: (int, int),
    ExperimentOrder.OBJECTIVE_VALUE: (float, int, int),
    ExperimentOrder.RECORD_TIME: (datetime, int, int, int),
}


def list_experiments(
    knowledge: KnowledgeService, namespace: str, request: pb2.ListExperimentsRequest
) -> pb2.ListExperimentsResponse:
    """A page; short or empty if much was read for few matches, and then its token continues too.

    Raises InvalidInput with the path of a field, NotFound for an unknown task or space.
    """
    query = experiment_query(request)
    name = request_name("experiments", request)
    after = page_key(name, request.page_token, _KEY_KINDS[query.order]) if request.page_token else None
    keys: list[Key] = []

    def entries() -> Iterator[experiment_pb2.Experiment]:
        for listed in knowledge.list_experiments(namespace, query, after):
            keys.append(listed.key)
            if listed.experiment is not None:
                yield encode.experiment(listed.experiment)

    # Experiments with long curves fill a page before the count does.
    page, more = page_of(entries(), page_size(request.page_size))
    # One key more than experiments: that of the next one, or of an early end.
    ended_early = not more and len(keys) > len(page)
    following = keys[len(page) - 1] if more else keys[-1] if ended_early else None
    return pb2.ListExperimentsResponse(
        experiments=page,
        next_page_token="" if following is None else key_token(name, following),
        last_sequence=_last_sequence(query, request, page, after),
    )


def _last_sequence(
    query: ExperimentQuery,
    request: pb2.ListExperimentsRequest,
    page: list[experiment_pb2.Experiment],
    after: Key | None,
) -> int:
    if not _in_recording_order(query):
        return 0
    if page:
        return decode.experiment_name(page[-1].experiment_id)[2]
    return request.after_sequence if after is None else int(after[-1])


def experiment_query(request: pb2.ListExperimentsRequest) -> ExperimentQuery:
    """The query of a request. Raises InvalidInput."""
    query = ExperimentQuery(
        task_id=request.task_id or None,
        search_space_id=request.search_space_id or None,
        order=_order(request),
        descending=request.descending,
        after_sequence=request.after_sequence,
        filter=codec_knowledge.filter_from_proto(request.filter, "filter"),
    )
    if query.task_id is None and query.order is not ExperimentOrder.RECORD_TIME:
        raise decode.invalid("order_by", f"{query.order.name} needs task_id: over all tasks only RECORD_TIME has one")
    if query.after_sequence < 0:
        raise decode.invalid("after_sequence", f"must not be negative, got {query.after_sequence}")
    if query.after_sequence and not _in_recording_order(query):
        raise decode.invalid("after_sequence", "needs task_id, search_space_id and the ascending order RECORDING")
    require(filter_violations(query.filter))
    return query


def _in_recording_order(query: ExperimentQuery) -> bool:
    """Whether the sequence numbers of the list increase."""
    named = query.task_id is not None and query.search_space_id is not None
    return named and query.order is ExperimentOrder.RECORDING and not query.descending


def _order(request: pb2.ListExperimentsRequest) -> ExperimentOrder:
    if request.order_by:
        return codec.enum_from_proto(ExperimentOrder, request.order_by, "order_by")
    return ExperimentOrder.RECORDING if request.task_id else ExperimentOrder.RECORD_TIME


def filter_violations(filter_: ExperimentFilter, field: str = "filter") -> Iterator[Violation]:
    """All violations of a filter."""
    yield from _range_violations(
        filter_.objective_value, f"{field}.min_objective_value", f"{field}.max_objective_value"
    )
    yield from _range_violations(filter_.node_count, f"{field}.min_node_count", f"{field}.max_node_count")
    if len(filter_.proxies) > MAX_METRICS:
        yield Violation(f"{field}.proxies", f"at most {MAX_METRICS} entries, got {len(filter_.proxies)}")
    for name, numbers in filter_.proxies.items():
        path = f"{field}.proxies[{name[:63]}]"
        yield from text_violations(name, f"{field}.proxies", MAX_NAME, minimum=1)
        yield from _range_violations(numbers, f"{path}.lower", f"{path}.upper")
    begin, end = filter_.recorded_from, filter_.recorded_before
    if begin is not None and end is not None and begin > end:
        yield Violation(f"{field}.recorded_from", f"is after recorded_before, {end.isoformat()}")


def _range_violations(numbers: NumberRange, lower: str, upper: str) -> Iterator[Violation]:
    ends = [(field, end) for field, end in ((lower, numbers.lower), (upper, numbers.upper)) if end is not None]
    for field, end in ends:
        if math.isnan(end):
            yield Violation(field, "must be a number, got NaN")
    if len(ends) == 2 and ends[0][1] > ends[1][1]:
        yield Violation(lower, f"{ends[0][1]} is above the upper end, {ends[1][1]}")
