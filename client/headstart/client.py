"""The connection to a Headstart service: every question of the contract as a method with plain values.

A call is repeated until its deadline while the service is out of reach or asks to come again; calls that change
something carry a request id drawn once, so that a repeat is answered and not done again. Failures raise the exceptions
of ``errors``.
"""

from __future__ import annotations

import math
import random
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, NoReturn, cast

import grpc

from headstart import errors, proxies
from headstart.accepting import candidate_of, of_kind
from headstart.codec import answers as codec_answers
from headstart.codec import knowledge as codec_knowledge
from headstart.codec import strategies as codec_strategies
from headstart.codec import transfer as codec_transfer
from headstart.codec import values as codec
from headstart.proxies import require_address
from headstart.record_stream import RecordedMany, RecordStream, in_chunks
from headstart.spaces.declaration import Candidate, SearchSpace
from headstart.text import naming_broken_text, refuse_broken_text
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.v1 import knowledge_base_service_pb2_grpc as knowledge_grpc
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc
from headstart.values import (
    ArchitectureMatches,
    ArchitectureMeasure,
    Arm,
    Decision,
    Experiment,
    ExperimentFilter,
    ExperimentOrder,
    Explanation,
    MultiTaskObjective,
    Outcome,
    Predictions,
    Predictor,
    Query,
    Record,
    Recorded,
    RecordedDecision,
    SimilarTask,
    StrategyExplanation,
    Task,
    TaskCluster,
    Transfer,
    WarmStart,
)

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 30.0
# 200,000 experiments of as many architectures take about half a minute on a busy machine.
_DELETE_SECONDS = 300.0
MAX_MESSAGE_BYTES = 8 * 2**20

# A stream of records is renewed after this time; the import continues where it was.
_STREAM_SECONDS = 300.0

# Delay between the attempts of a call, before jitter.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0

_SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'


def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    token: str | None = None,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    credentials: grpc.ChannelCredentials | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> Client:
    """A client of the service at an address; it connects on the first call.

    ``address`` is "host:port" or any gRPC target; several servers share the calls
    ("ipv4:10.0.0.1:50051,10.0.0.2:50051" or a DNS name with several addresses). ``timeout``, in seconds, applies to
    each call that gives none, retries included. ``credentials`` switch to TLS. Threads may share a client, processes
    may not: connect after forking. Raises InvalidInput for a malformed address.
    """
    require_address(address)
    options = [
        *proxies.channel_options(address),
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        # A silent server is given up within seconds (unacknowledged data: the second; a missing answer: both), so
        # that its calls are repeated elsewhere. Servers accept a ping every ten seconds.
        ("grpc.keepalive_time_ms", 12_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # Without these a client waits up to two minutes before it looks for a restarted service.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 3_000),
    ]
    if credentials is None:
        channel = grpc.insecure_channel(address, options)
    else:
        channel = grpc.secure_channel(address, credentials, options)
    return Client(channel, address=address, token=token, timeout=timeout)


@naming_broken_text
class Client:
    """The client of the service, made by ``connect``. Every method takes ``timeout`` in seconds, and raises
    HeadstartError if the call fails.

    Values that cannot be sent (an integer of more than 64 bits) raise ``headstart.spaces.InvalidInput``.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        address: str,
        token: str | None,
        timeout: float,
        patience: float = math.inf,
        closed: threading.Event | None = None,
    ) -> None:
        self.address = address
        self._token = token
        self._patience = patience
        self._channel = channel
        # Errors of the connection: calls that end with them are not repeated.
        self._closed = closed or threading.Event()
        self._timeout = timeout
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._meta = meta_grpc.MetaLearningServiceStub(channel)
        self._knowledge = knowledge_grpc.KnowledgeBaseServiceStub(channel)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied into another process: connect anew there")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and cancel running calls."""
        self._closed.set()
        self._channel.close()

    def with_patience(self, seconds: float) -> Client:
        """The same connection with retries limited to ``seconds``, for callers that can go on without an answer.

        A call that is running may still take its whole timeout.
        """
        return Client(
            self._channel,
            address=self.address,
            token=self._token,
            timeout=self._timeout,
            patience=seconds,
            closed=self._closed,
        )

    def wait_until_reachable(self, timeout: float | None = None) -> None:
        """Wait for a connection. Raises DeadlineExceeded."""
        seconds = self._timeout if timeout is None else timeout
        if self._closed.is_set():
            raise _closed()
        try:
            grpc.channel_ready_future(self._channel).result(seconds)
        except grpc.FutureTimeoutError:
            message = f"no service at {self.address} within {seconds:g} seconds{self._way}"
            raise errors.DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED, "", message) from None

    @property
    def _way(self) -> str:
        """The route to the service, for error messages."""
        proxy = proxies.proxy_of(self.address)
        return f" (through the proxy {proxy}; NO_PROXY names what is reached without)" if proxy else ""

    # Search spaces

    def create_search_space(self, space: SearchSpace, *, timeout: float | None = None) -> SearchSpace:
        """Idempotent for the same content. Raises AlreadyExists for other content under the same id.

        Warns (DeclarationWarning) of assumptions of the service, such as choices that it takes as ordered.
        """
        request = knowledge_pb2.CreateSearchSpaceRequest(
            request_id=_request_id(), search_space=codec.space_to_proto(space)
        )
        answer = self._call(self._knowledge.CreateSearchSpace, request, timeout)
        for assumed in answer.warnings:
            warnings.warn(assumed, errors.DeclarationWarning, stacklevel=3)
        return codec.space_from_proto(answer.search_space)

    def get_search_space(self, search_space_id: str, *, timeout: float | None = None) -> SearchSpace:
        request = knowledge_pb2.GetSearchSpaceRequest(search_space_id=search_space_id)
        return codec.space_from_proto(self._call(self._knowledge.GetSearchSpace, request, timeout).search_space)

    def list_search_spaces(self, *, page_size: int = 100, timeout: float | None = None) -> Iterator[SearchSpace]:
        request = knowledge_pb2.ListSearchSpacesRequest(page_size=page_size)
        for page in self._pages(self._knowledge.ListSearchSpaces, request, timeout):
            yield from map(codec.space_from_proto, page.search_spaces)

    # Tasks

    def create_task(self, task: Task, *, timeout: float | None = None) -> Task:
        """Idempotent for the same content. Raises AlreadyExists for other content under the same id."""
        request = knowledge_pb2.CreateTaskRequest(request_id=_request_id(), task=codec.task_to_proto(task))
        return codec.task_from_proto(self._call(self._knowledge.CreateTask, request, timeout).task)

    def get_task(self, task_id: str, *, timeout: float | None = None) -> Task:
        request = knowledge_pb2.GetTaskRequest(task_id=task_id)
        return codec.task_from_proto(self._call(self._knowledge.GetTask, request, timeout).task)

    def list_tasks(self, *, page_size: int = 100, timeout: float | None = None) -> Iterator[Task]:
        request = knowledge_pb2.ListTasksRequest(page_size=page_size)
        for page in self._pages(self._knowledge.ListTasks, request, timeout):
            yield from map(codec.task_from_proto, page.tasks)

    def update_task(self, task: Task, *, timeout: float | None = None) -> Task:
        """Replace description, descriptor, meta-features and fidelity; the objective stays."""
        request = knowledge_pb2.UpdateTaskRequest(request_id=_request_id(), task=codec.task_to_proto(task))
        return codec.task_from_proto(self._call(self._knowledge.UpdateTask, request, timeout).task)

    def delete_task(self, task_id: str, *, timeout: float | None = None) -> int:
        """Remove a task with its experiments, decisions, and the architectures that no other task tried.

        Returns the number of removed experiments. Large tasks take a while, so its default timeout is longer.
        """
        request = knowledge_pb2.DeleteTaskRequest(request_id=_request_id(), task_id=task_id)
        seconds = max(self._timeout, _DELETE_SECONDS) if timeout is None else timeout
        return int(self._call(self._knowledge.DeleteTask, request, seconds).deleted_experiment_count)

    # Experiments

    def record(
        self,
        task_id: str,
        search_space_id: str,
        candidate: Candidate,
        outcome: Outcome,
        *,
        decision_id: str = "",
        worker_id: str = "",
        request_id: str = "",
        timeout: float | None = None,
    ) -> Recorded:
        """Record one result exactly once; returns after the service has committed it.

        Give a ``request_id`` (a UUID) if several calls may send the same record.
        """
        record = Record(task_id, search_space_id, candidate, outcome, decision_id, worker_id, request_id)
        request = _record_to_proto(record)
        return codec_answers.recorded_from_proto(self._call(self._meta.RecordExperiment, request, timeout))

    def record_many(
        self,
        records: Iterable[Record],
        *,
        chunk_size: int = 1_000,
        progress: Callable[[int], None] | None = None,
        stream_seconds: float = _STREAM_SECONDS,
    ) -> RecordedMany:
        """Record many results in chunks; a broken stream is opened again and continues where it was.

        ``progress`` is called with the number of acknowledged records. A chunk is recorded as a whole or not at all.
        Raises HeadstartError if the service refuses a chunk or stays out of reach for about a minute.
        """

        def open_stream(requests: Iterator[meta_pb2.RecordExperimentsRequest]) -> Any:
            if self._closed.is_set():
                raise _closed()
            return self._meta.RecordExperiments(requests, timeout=stream_seconds, metadata=self._metadata)

        chunks = in_chunks(map(_record_to_proto, records), chunk_size)
        return RecordStream(open_stream, chunks, progress, self._closed).run()

    def get_experiment(self, experiment_id: str, *, timeout: float | None = None) -> Experiment:
        request = knowledge_pb2.GetExperimentRequest(experiment_id=experiment_id)
        return codec.experiment_from_proto(self._call(self._knowledge.GetExperiment, request, timeout).experiment)

    def list_experiments(
        self,
        task_id: str = "",
        search_space_id: str = "",
        *,
        filter: ExperimentFilter | None = None,
        order_by: ExperimentOrder | None = None,
        descending: bool = False,
        after_sequence: int = 0,
        page_size: int = 500,
        timeout: float | None = None,
    ) -> Iterator[Experiment]:
        """Experiments of a task (or of all tasks) in a space (or in all), read page by page.

        Without ``order_by``, those of a task come in the order of recording, those of all tasks by time. For a task
        and a space, pass the last ``sequence`` as ``after_sequence`` to read later ones.
        """
        request = knowledge_pb2.ListExperimentsRequest(
            task_id=task_id,
            search_space_id=search_space_id,
            page_size=page_size,
            after_sequence=after_sequence,
            filter=None if filter is None else codec_knowledge.filter_to_proto(filter),
            order_by=None if order_by is None else cast("knowledge_pb2.ExperimentOrder", order_by.value),
            descending=descending,
        )
        for page in self._pages(self._knowledge.ListExperiments, request, timeout):
            yield from map(codec.experiment_from_proto, page.experiments)

    # Questions of a search

    def warm_start(
        self,
        task_id: str,
        search_space_id: str,
        count: int,
        *,
        pool: Sequence[Candidate] = (),
        exploration_share: float | None = None,
        seed: int | None = None,
        timeout: float | None = None,
    ) -> WarmStart:
        """Candidates to try first, and next; never one that was evaluated. With ``pool``, choose only from these."""
        request = meta_pb2.WarmStartRequest(
            task_id=task_id,
            search_space_id=search_space_id,
            count=count,
            pool=[codec.candidate_to_proto(candidate, f"pool[{index}]") for index, candidate in enumerate(pool)],
            exploration_share=exploration_share,
            seed=seed,
        )
        return codec_answers.warm_start_from_proto(self._call(self._meta.WarmStart, request, timeout))

    def predict(
        self,
        task_id: str,
        search_space_id: str,
        queries: Sequence[Candidate | Query],
        *,
        interval_level: float | None = None,
        timeout: float | None = None,
    ) -> Predictions:
        """Predictions for candidates, in the given order; at most 4,096 a call.

        Raises FailedPrecondition while there is nothing to predict from.
        """
        encoded = [
            query if isinstance(query, Query) else Query(candidate_of(query, f"queries[{index}]"))
            for index, query in enumerate(queries)
        ]
        request = meta_pb2.PredictPerformanceRequest(
            task_id=task_id,
            search_space_id=search_space_id,
            queries=[codec_answers.query_to_proto(query, f"queries[{index}]") for index, query in enumerate(encoded)],
            interval_level=interval_level,
        )
        return codec_answers.predictions_from_proto(self._call(self._meta.PredictPerformance, request, timeout))

    def select_strategy(
        self,
        task_id: str,
        arms: Sequence[Arm | str],
        *,
        slots: int = 1,
        spent_budget: float = 0.0,
        total_budget: float = 0.0,
        timeout: float | None = None,
    ) -> tuple[Decision, ...]:
        """The arm to run next, for each of ``slots``. Budgets are in evaluations, 0 if unknown."""
        offered = [Arm(arm) if isinstance(arm, str) else arm for arm in arms]
        request = meta_pb2.SelectStrategyRequest(
            request_id=_request_id(),
            task_id=task_id,
            arms=[codec_answers.arm_to_proto(arm, f"arms[{index}]") for index, arm in enumerate(offered)],
            slots=slots,
            spent_budget=spent_budget,
            total_budget=total_budget,
        )
        decisions = self._call(self._meta.SelectStrategy, request, timeout).decisions
        return tuple(map(codec_answers.decision_from_proto, decisions))

    # Similarity

    def transfer_architecture(
        self,
        search_space_id: str,
        candidate: Candidate,
        source_task_id: str,
        target_task_ids: str | Sequence[str],
        *,
        objective: MultiTaskObjective = MultiTaskObjective.WEIGHTED,
        target_weights: Mapping[str, float] | None = None,
        timeout: float | None = None,
    ) -> Transfer:
        """Adapt a candidate of one task to others, with a plan to fine-tune its weights; for several tasks, propose
        one candidate for all of them too.
        """
        request = meta_pb2.TransferArchitectureRequest(
            search_space_id=search_space_id,
            candidate=codec.candidate_to_proto(candidate),
            source_task_id=source_task_id,
            target_task_ids=[target_task_ids] if isinstance(target_task_ids, str) else target_task_ids,
            objective=cast("meta_pb2.MultiTaskObjective", objective.value),
            target_weights=target_weights,
        )
        return codec_transfer.transfer_from_proto(self._call(self._meta.TransferArchitecture, request, timeout))

    def search_architectures(
        self,
        search_space_id: str,
        candidate: Candidate,
        *,
        count: int = 10,
        measure: ArchitectureMeasure = ArchitectureMeasure.EMBEDDING,
        time_limit_seconds: float | None = None,
        timeout: float | None = None,
    ) -> ArchitectureMatches:
        """The recorded architectures nearest to a candidate; the time limit applies to GRAPH_EDIT_DISTANCE."""
        request = knowledge_pb2.SearchArchitecturesRequest(
            search_space_id=search_space_id,
            candidate=codec.candidate_to_proto(candidate),
            count=count,
            measure=cast("knowledge_pb2.ArchitectureMeasure", measure.value),
            time_limit_seconds=time_limit_seconds,
        )
        answer = self._call(self._knowledge.SearchArchitectures, request, timeout)
        return codec_knowledge.architecture_matches_from_proto(answer)

    def search_tasks(
        self, task_id: str, *, search_space_id: str = "", count: int = 10, timeout: float | None = None
    ) -> tuple[SimilarTask, ...]:
        """The tasks most similar to a task; agreement is measured in the given space, or over all common ones."""
        request = knowledge_pb2.SearchTasksRequest(task_id=task_id, search_space_id=search_space_id, count=count)
        tasks = self._call(self._knowledge.SearchTasks, request, timeout).tasks
        return tuple(map(codec_answers.similar_task_from_proto, tasks))

    def list_task_clusters(self, *, page_size: int = 100, timeout: float | None = None) -> Iterator[TaskCluster]:
        """Clusters of similar tasks as the worker last computed them, the largest first."""
        request = knowledge_pb2.ListTaskClustersRequest(page_size=page_size)
        for page in self._pages(self._knowledge.ListTaskClusters, request, timeout):
            yield from map(codec_knowledge.cluster_from_proto, page.clusters)

    def explain_task(self, task_id: str, search_space_id: str, *, timeout: float | None = None) -> Explanation:
        """Explain for people what the service would transfer to a task and from where. It reserves no candidates."""
        request = knowledge_pb2.ExplainTaskRequest(task_id=task_id, search_space_id=search_space_id)
        return codec_knowledge.explanation_from_proto(self._call(self._knowledge.ExplainTask, request, timeout))

    def list_decisions(
        self, task_id: str, *, page_size: int = 100, timeout: float | None = None
    ) -> Iterator[RecordedDecision]:
        """The strategy decisions of a task in their order, with their rewards."""
        request = knowledge_pb2.ListDecisionsRequest(task_id=task_id, page_size=page_size)
        for page in self._pages(self._knowledge.ListDecisions, request, timeout):
            yield from map(codec_strategies.recorded_decision_from_proto, page.decisions)

    def explain_strategies(self, task_id: str, *, timeout: float | None = None) -> StrategyExplanation:
        """Statistics of each strategy that was chosen on a task, and the models of past decisions that take part."""
        request = knowledge_pb2.ExplainStrategiesRequest(task_id=task_id)
        return codec_strategies.explanation_from_proto(self._call(self._knowledge.ExplainStrategies, request, timeout))

    def get_predictor(self, search_space_id: str, *, timeout: float | None = None) -> Predictor:
        """The newest model of a search space and its validation figures. Raises NotFound if there is none yet."""
        request = knowledge_pb2.GetPredictorRequest(search_space_id=search_space_id)
        return codec_knowledge.predictor_from_proto(self._call(self._knowledge.GetPredictor, request, timeout))

    def _call(self, method: Any, request: Any, timeout: float | None) -> Any:
        seconds = self._timeout if timeout is None else timeout
        begin = time.monotonic()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return method(request, timeout=begin + seconds - time.monotonic(), metadata=self._metadata)
            except ValueError as error:
                # gRPC's error for a channel that is closed.
                if self._closed.is_set():
                    raise _closed() from None
                raise error
            except grpc.RpcError as error:
                failure = errors.translate(error)
                if isinstance(failure, errors.Unavailable) and not failure.reason:
                    failure.message += self._way
            wait = (failure.retry_seconds or 0.0) + pause * random.uniform(0.5, 1.0)
            late = time.monotonic() + wait >= begin + min(seconds, self._patience)
            if late or not _may_pass(failure) or self._closed.wait(wait):
                raise failure
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _pages(self, method: Any, request: Any, timeout: float | None) -> Iterator[Any]:
        while True:
            page = self._call(method, request, timeout)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _may_pass(failure: errors.HeadstartError) -> bool:
    """Whether a retry may succeed: a size limit stays, a load limit comes with a retry time."""
    busy = isinstance(failure, errors.ResourceExhausted) and failure.retry_seconds is not None
    return busy or isinstance(failure, errors.Unavailable)


def _closed() -> errors.Unavailable:
    return errors.Unavailable(grpc.StatusCode.CANCELLED, "", "the client is closed: connect anew")


def _request_id() -> str:
    return str(uuid.uuid4())


def _record_to_proto(record: Record) -> meta_pb2.RecordExperimentRequest:
    try:
        named = of_kind(record, Record, "record").request_id
        return codec_answers.record_to_proto(record if named else replace(record, request_id=_request_id()))
    except UnicodeEncodeError:
        refuse_broken_text({"": record})
        raise
