"""The catalogue: every metric that any role emits, with its labels, and the port that shows them.

Dashboards and alert rules may name nothing that is not here; a test compares them. Labels take few values only: ids
that clients choose never become one, except the search space of a model, of which a server trains few; names of arms
that are not the client's own portfolio count as one (``arm_label``). Every process has a page of its own, those of
``serve --processes`` too: queries add them up.
"""

from __future__ import annotations

import math
import os

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics import MetricWrapperBase

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import split_address

_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TRAINING_SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_DEVIATIONS = (0.25, 0.5, 0.674, 1.0, 1.645, 2.0, 3.0, 5.0, 10.0)
_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0)


def _check_shared_directory() -> None:
    """prometheus_client keeps every metric in a file there, from its declaration on."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.environ.get("prometheus_multiproc_dir")  # noqa: SIM112
    if directory and not (os.path.isdir(directory) and os.access(directory, os.W_OK)):
        raise StartupError(
            f"PROMETHEUS_MULTIPROC_DIR names {directory}, which is no directory that can be written to: "
            "make it, or unset the variable (every process shows its own metrics without it)"
        )


_check_shared_directory()

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
RECORD_QUEUE_DEPTH = Gauge("headstart_record_queue_depth", "Results waiting to be written")
RECORD_QUEUE_SECONDS = Histogram(
    "headstart_record_queue_seconds",
    "Time from a result's arrival to the start of its first transaction",
    buckets=_CALL_SECONDS,
)
RECORD_COMMIT_SECONDS = Histogram(
    "headstart_record_commit_seconds", "Time of a transaction that writes results", buckets=_CALL_SECONDS
)

PREDICTIONS = Counter("headstart_predictions_total", "Candidates predicted", ["basis"])
SUGGESTIONS = Counter("headstart_suggestions_total", "Candidates suggested by warm starts", ["origin"])
WARM_START_GATES = Counter("headstart_warm_start_gates_total", "Warm starts by state of the gate", ["gate"])
AGAINST_RANDOM = Counter(
    "headstart_suggestions_against_random_total",
    "Results of suggestions, compared with the last random one of their task",
    ["origin", "outcome"],
)
DECISIONS = Counter("headstart_decisions_total", "Strategy decisions made", ["arm"])
ARM_RESULTS = Counter("headstart_arm_results_total", "Results credited to an arm", ["arm"])
ARM_REWARDS = Counter("headstart_arm_rewards_total", "Sum of the rewards of an arm, each 0 to 1", ["arm"])
DEGRADED_ANSWERS = Counter(
    "headstart_degraded_answers_total", "Answers made without a part that was out of reach", ["method"]
)

PREDICTED_RESULTS = Counter(
    "headstart_predicted_results_total", "Results of candidates that had been predicted before", ["basis"]
)
RESULTS_INSIDE = Counter(
    "headstart_predicted_results_inside_total", "Predicted results inside their prediction's interval", ["basis"]
)
RESULTS_PROMISED = Counter(
    "headstart_predicted_results_promised_total",
    "Expected number of predicted results inside their intervals: the sum of the levels",
    ["basis"],
)
PREDICTION_ERROR = Histogram(
    "headstart_prediction_error_deviations",
    "Distance of a result from its prediction, in predicted standard deviations",
    ["basis"],
    buckets=_DEVIATIONS,
)
PREDICTED_PAIRS = Counter(
    "headstart_predicted_pairs_total",
    "Pairs of successive predicted results of a task, by whether their order was predicted",
    ["basis", "order"],
)

MODEL_NUMBER = Gauge("headstart_model_number", "Serving model version of a search space", ["namespace", "search_space"])
MODEL_AGE_SECONDS = Gauge(
    "headstart_model_age_seconds", "Time since the serving model was trained", ["namespace", "search_space"]
)
MODEL_GROWTH = Gauge(
    "headstart_model_growth_ratio",
    "Experiments of a search space divided by those at its last training",
    ["namespace", "search_space"],
)
MODEL_KENDALL_TAU = Gauge(
    "headstart_model_kendall_tau",
    "Validation rank correlation of the serving model, mean over its tasks",
    ["namespace", "search_space"],
)
MODEL_COVERAGE = Gauge(
    "headstart_model_interval_coverage",
    "Validation coverage of the serving model's 90 % intervals, mean over its tasks",
    ["namespace", "search_space"],
)
TRAINING_SECONDS = Histogram("headstart_training_seconds", "Time to train a model version", buckets=_TRAINING_SECONDS)
TRAINING_FAILURES = Counter("headstart_training_failures_total", "Trainings that failed")
PREDICTOR_HOST_UP = Gauge(
    "headstart_predictor_host_up", "1 if the predictor host answered last, else 0; NaN without one"
)
SCORED_BATCH_CANDIDATES = Histogram(
    "headstart_scored_batch_candidates", "Candidates scored in one pass through a model", buckets=_ROWS
)
MODELS_REJECTED = Counter(
    "headstart_models_rejected_total", "Model versions rejected because they were worse on recent results"
)
MODEL_LOAD_FAILURES = Counter(
    "headstart_model_load_failures_total", "Failed reads of model versions, corrupt or of a newer format"
)

OUTBOX_DEPTH = Gauge("headstart_outbox_depth", "Architectures not yet in the vector index")
OUTBOX_LAG_SECONDS = Gauge(
    "headstart_outbox_lag_seconds", "Age of the oldest architecture that waits for the vector index; 0 without any"
)
INDEX_SPACES_SET_ASIDE = Gauge(
    "headstart_index_spaces_set_aside", "Search spaces set aside because the vector index refuses them"
)
VECTOR_INDEX_UP = Gauge("headstart_vector_index_up", "1 if the vector index answered last, else 0; NaN before")
# A process that has not checked does not know, and must not report the part as down.
PREDICTOR_HOST_UP.set(math.nan)
VECTOR_INDEX_UP.set(math.nan)
VECTORS_INDEXED = Counter("headstart_vectors_indexed_total", "Architectures written to the vector index")
DATABASE_RETRIES = Counter(
    "headstart_database_retries_total", "Transactions repeated after a deadlock or serialization failure"
)
DATABASE_CONNECTIONS = Gauge("headstart_database_connections", "Connections that the pool of a process may have")
DATABASE_CONNECTIONS_IN_USE = Gauge("headstart_database_connections_in_use", "Connections of the pool in use")
NAMESPACES_NEAR_QUOTA = Gauge(
    "headstart_namespaces_near_quota", "Namespaces that have used 90 % of a quota of experiments or tasks"
)

CATALOGUE: tuple[MetricWrapperBase, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, MetricWrapperBase)
)

# The client's portfolio (headstart.search.portfolio); clients may use any names.
ARMS = frozenset(
    {
        "gaussian_process",
        "genetic_algorithm",
        "local_search",
        "predictor_guided_evolution",
        "random",
        "regularized_evolution",
        "regularized_evolution_small",
        "tpe",
        "tree_ensemble",
        "warm_started_gaussian_process",
        "warm_started_local_search",
    }
)


def arm_label(name: str) -> str:
    """The arm's name if it is in the client's portfolio, else ``other``."""
    return name if name in ARMS else "other"


def catalogue_names() -> frozenset[str]:
    """The names that a query may use, as on the metrics page (``_total``, ``_bucket``, ...)."""
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
    """Serve the metrics at http:

    ADDRESS/metrics from a thread of this process, and return the port.

    Port 0 takes a free one. Raises StartupError if the port is taken.
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
