"""The catalogue: every metric that any role emits, with its labels, and the port that shows them.

Dashboards and alert rules may name nothing that is not here; a test compares them. Labels take few values only: ids
that clients choose never become one, except the search space of a model, of which a server trains few.
"""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics import MetricWrapperBase

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import split_address

_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TRAINING_SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0)

GRPC_CALLS = Counter("headstart_grpc_calls_total", "Calls answered", ["method", "code"])
GRPC_SECONDS = Histogram(
    "headstart_grpc_call_seconds", "Time from a call's arrival to its answer", ["method"], buckets=_CALL_SECONDS
)
GRPC_IN_FLIGHT = Gauge("headstart_grpc_calls_in_flight", "Calls being worked on")

EXPERIMENTS_RECORDED = Counter("headstart_experiments_recorded_total", "Experiments committed", ["status"])
EXPERIMENTS_REPEATED = Counter(
    "headstart_experiments_repeated_total", "Records whose request_id had been committed before"
)
RECORD_BATCH_ROWS = Histogram(
    "headstart_record_batch_rows", "Experiments committed together in one transaction", buckets=_ROWS
)

PREDICTIONS = Counter("headstart_predictions_total", "Candidates predicted", ["basis"])
SUGGESTIONS = Counter("headstart_suggestions_total", "Candidates suggested by warm starts", ["origin"])
DECISIONS = Counter("headstart_decisions_total", "Strategy decisions made")
DEGRADED_ANSWERS = Counter(
    "headstart_degraded_answers_total", "Answers made without a part that was out of reach", ["method"]
)

MODEL_NUMBER = Gauge("headstart_model_number", "Newest model version of a search space", ["namespace", "search_space"])
TRAINING_SECONDS = Histogram("headstart_training_seconds", "Time to train a model version", buckets=_TRAINING_SECONDS)
TRAINING_FAILURES = Counter("headstart_training_failures_total", "Trainings that ended in an error")
PREDICTOR_HOST_UP = Gauge("headstart_predictor_host_up", "1 where the predictor host answered when last asked, else 0")
SCORED_BATCHES = Counter("headstart_scored_batches_total", "Passes through a model")
SCORED_CANDIDATES = Counter("headstart_scored_candidates_total", "Candidates scored by a model")
MODELS_REJECTED = Counter(
    "headstart_models_rejected_total", "Model versions that do not serve, being worse on recent results"
)
MODEL_LOAD_FAILURES = Counter(
    "headstart_model_load_failures_total", "Attempts to read a model version that is corrupt or of a newer format"
)

OUTBOX_DEPTH = Gauge("headstart_outbox_depth", "Architectures that the vector index does not hold yet")
VECTOR_INDEX_UP = Gauge("headstart_vector_index_up", "1 where the vector index answered when last asked, else 0")
VECTORS_INDEXED = Counter("headstart_vectors_indexed_total", "Architectures written to the vector index")
DATABASE_RETRIES = Counter(
    "headstart_database_retries_total", "Transactions repeated after a deadlock or serialization failure"
)

CATALOGUE: tuple[MetricWrapperBase, ...] = (
    GRPC_CALLS,
    GRPC_SECONDS,
    GRPC_IN_FLIGHT,
    EXPERIMENTS_RECORDED,
    EXPERIMENTS_REPEATED,
    RECORD_BATCH_ROWS,
    PREDICTIONS,
    SUGGESTIONS,
    DECISIONS,
    DEGRADED_ANSWERS,
    MODEL_NUMBER,
    TRAINING_SECONDS,
    TRAINING_FAILURES,
    PREDICTOR_HOST_UP,
    SCORED_BATCHES,
    SCORED_CANDIDATES,
    MODELS_REJECTED,
    MODEL_LOAD_FAILURES,
    OUTBOX_DEPTH,
    VECTOR_INDEX_UP,
    VECTORS_INDEXED,
    DATABASE_RETRIES,
)


def catalogue_names() -> frozenset[str]:
    """The names that a query may use, as they stand on the metrics page (``_total``, ``_bucket``, ...)."""
    names: set[str] = set()
    for metric in CATALOGUE:
        for family in metric.describe():
            if family.type == "counter":
                names.add(f"{family.name}_total")
            elif family.type == "histogram":
                names.update(f"{family.name}_{part}" for part in ("bucket", "sum", "count"))
            else:
                names.add(family.name)
    return frozenset(names)


def serve_metrics(address: str) -> int:
    """Show the metrics at http://ADDRESS/metrics from a thread of this process, and return the port.

    Port 0 takes a free one. Raises StartupError where the port is taken.
    """
    host, port = split_address(address)
    try:
        server, _ = start_http_server(port, host, REGISTRY)
    except OSError as error:
        raise StartupError(
            f"The metrics address {address} cannot be used ({error.strerror}): "
            "end what holds it, or set HEADSTART_METRICS_ADDRESS"
        ) from None
    return int(server.server_port)
