CREATE TABLE public.architectures (
    id bigint NOT NULL,
    search_space_id bigint NOT NULL,
    fingerprint text NOT NULL,
    candidate jsonb NOT NULL,
    canonical jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    node_count integer NOT NULL
);

CREATE SEQUENCE public.architectures_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.architectures_id_seq OWNED BY public.architectures.id;

CREATE TABLE public.audit_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    namespace text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL
);

CREATE SEQUENCE public.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_log_id_seq OWNED BY public.audit_log.id;

CREATE TABLE public.experiments (
    task_id bigint NOT NULL,
    search_space_id bigint NOT NULL,
    sequence bigint NOT NULL,
    request_id uuid NOT NULL,
    content_hash bytea NOT NULL,
    architecture_id bigint NOT NULL,
    candidate jsonb NOT NULL,
    status smallint NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb NOT NULL,
    curve_fidelities double precision[] NOT NULL,
    curve_values double precision[] NOT NULL,
    cost_seconds double precision,
    proxies jsonb NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    namespace_id bigint NOT NULL
)
PARTITION BY HASH (task_id);

CREATE TABLE public.experiments_00 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_01 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_02 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_03 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_04 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_05 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_06 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_07 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_08 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_09 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_10 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_11 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_12 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_13 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_14 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.experiments_15 (
    task_id bigint CONSTRAINT experiments_task_id_not_null NOT NULL,
    search_space_id bigint CONSTRAINT experiments_search_space_id_not_null NOT NULL,
    sequence bigint CONSTRAINT experiments_sequence_not_null NOT NULL,
    request_id uuid CONSTRAINT experiments_request_id_not_null NOT NULL,
    content_hash bytea CONSTRAINT experiments_content_hash_not_null NOT NULL,
    architecture_id bigint CONSTRAINT experiments_architecture_id_not_null NOT NULL,
    candidate jsonb CONSTRAINT experiments_candidate_not_null NOT NULL,
    status smallint CONSTRAINT experiments_status_not_null NOT NULL,
    objective_value double precision,
    fidelity double precision,
    metrics jsonb CONSTRAINT experiments_metrics_not_null NOT NULL,
    curve_fidelities double precision[] CONSTRAINT experiments_curve_fidelities_not_null NOT NULL,
    curve_values double precision[] CONSTRAINT experiments_curve_values_not_null NOT NULL,
    cost_seconds double precision,
    proxies jsonb CONSTRAINT experiments_proxies_not_null NOT NULL,
    seed bigint,
    decision_id uuid,
    worker_id text CONSTRAINT experiments_worker_id_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT experiments_recorded_at_not_null NOT NULL,
    namespace_id bigint CONSTRAINT experiments_namespace_id_not_null NOT NULL
);

CREATE TABLE public.headstart_alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.index_failures (
    search_space_id bigint NOT NULL,
    work text NOT NULL,
    tries integer NOT NULL,
    error text NOT NULL,
    first_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retry_at timestamp with time zone NOT NULL
);

CREATE TABLE public.jobs (
    id bigint NOT NULL,
    kind text NOT NULL,
    namespace text NOT NULL,
    subject text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    run_after timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.jobs_id_seq OWNED BY public.jobs.id;

CREATE TABLE public.meta_feature_weights (
    namespace_id bigint NOT NULL,
    name text NOT NULL,
    weight double precision NOT NULL,
    pair_count bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.model_versions (
    id bigint NOT NULL,
    namespace_id bigint NOT NULL,
    search_space_id bigint NOT NULL,
    number integer NOT NULL,
    state text NOT NULL,
    kind text NOT NULL,
    metrics jsonb NOT NULL,
    artefact bytea NOT NULL,
    training_size bigint NOT NULL,
    trained_through bigint NOT NULL,
    parameter_count bigint NOT NULL,
    training_seconds double precision NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.model_versions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.model_versions_id_seq OWNED BY public.model_versions.id;

CREATE TABLE public.namespaces (
    id bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.namespaces_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.namespaces_id_seq OWNED BY public.namespaces.id;

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    architecture_id bigint,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    search_space_id bigint NOT NULL,
    fingerprint text NOT NULL
);

CREATE SEQUENCE public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.outbox_id_seq OWNED BY public.outbox.id;

CREATE TABLE public.quotas (
    namespace_id bigint NOT NULL,
    calls_per_second double precision,
    experiments bigint,
    tasks bigint
);

CREATE TABLE public.recent_suggestions (
    task_id bigint NOT NULL,
    search_space_id bigint NOT NULL,
    fingerprint text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.requests (
    namespace text NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    content_hash bytea NOT NULL,
    response bytea NOT NULL,
    answered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.search_spaces (
    id bigint NOT NULL,
    namespace_id bigint NOT NULL,
    name text NOT NULL,
    declaration jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.search_spaces_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.search_spaces_id_seq OWNED BY public.search_spaces.id;

CREATE TABLE public.strategy_arms (
    task_id bigint NOT NULL,
    arm text NOT NULL,
    pulls bigint NOT NULL,
    reward_sum double precision NOT NULL,
    reward_square_sum double precision NOT NULL,
    tuned boolean NOT NULL,
    total_reward double precision NOT NULL,
    weight double precision NOT NULL
);

CREATE TABLE public.strategy_decisions (
    id uuid NOT NULL,
    task_id bigint NOT NULL,
    arm text NOT NULL,
    hyperparameters jsonb NOT NULL,
    probability double precision NOT NULL,
    expected_reward double precision NOT NULL,
    reason text NOT NULL,
    context jsonb NOT NULL,
    decided_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    experiment_count bigint DEFAULT 0 NOT NULL,
    reward_sum double precision DEFAULT 0 NOT NULL,
    tuned boolean NOT NULL,
    decided_by text NOT NULL,
    namespace_id bigint NOT NULL
);

CREATE TABLE public.strategy_models (
    id bigint NOT NULL,
    namespace_id bigint NOT NULL,
    kind text NOT NULL,
    number integer NOT NULL,
    state text NOT NULL,
    metrics jsonb NOT NULL,
    artefact bytea NOT NULL,
    training_size bigint NOT NULL,
    trained_through bigint NOT NULL,
    training_seconds double precision NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.strategy_models_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.strategy_models_id_seq OWNED BY public.strategy_models.id;

CREATE TABLE public.task_cluster_members (
    task_id bigint NOT NULL,
    namespace_id bigint NOT NULL,
    number integer NOT NULL,
    x double precision NOT NULL,
    y double precision NOT NULL
);

CREATE TABLE public.task_clusters (
    namespace_id bigint NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    medoid text NOT NULL,
    silhouette double precision,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.task_embeddings (
    task_id bigint NOT NULL,
    search_space_id bigint NOT NULL,
    version text NOT NULL,
    profile real[] NOT NULL,
    experiment_count bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.task_summaries (
    task_id bigint NOT NULL,
    search_space_id bigint NOT NULL,
    experiment_count bigint DEFAULT 0 NOT NULL,
    completed_count bigint DEFAULT 0 NOT NULL,
    incumbent_sequence bigint,
    incumbent_value double precision
);

CREATE TABLE public.tasks (
    id bigint NOT NULL,
    namespace_id bigint NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    metric text NOT NULL,
    maximize boolean NOT NULL,
    descriptor jsonb NOT NULL,
    meta_features jsonb NOT NULL,
    fidelity_unit text NOT NULL,
    max_fidelity double precision NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.tasks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.tasks_id_seq OWNED BY public.tasks.id;

CREATE TABLE public.tokens (
    id bigint NOT NULL,
    namespace_id bigint NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    digest bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone
);

CREATE SEQUENCE public.tokens_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.tokens_id_seq OWNED BY public.tokens.id;

CREATE TABLE public.vector_indexes (
    search_space_id bigint NOT NULL,
    version text NOT NULL,
    state text NOT NULL,
    vector_count bigint DEFAULT 0 NOT NULL,
    built_through bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_00 FOR VALUES WITH (modulus 16, remainder 0);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_01 FOR VALUES WITH (modulus 16, remainder 1);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_02 FOR VALUES WITH (modulus 16, remainder 2);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_03 FOR VALUES WITH (modulus 16, remainder 3);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_04 FOR VALUES WITH (modulus 16, remainder 4);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_05 FOR VALUES WITH (modulus 16, remainder 5);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_06 FOR VALUES WITH (modulus 16, remainder 6);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_07 FOR VALUES WITH (modulus 16, remainder 7);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_08 FOR VALUES WITH (modulus 16, remainder 8);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_09 FOR VALUES WITH (modulus 16, remainder 9);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_10 FOR VALUES WITH (modulus 16, remainder 10);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_11 FOR VALUES WITH (modulus 16, remainder 11);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_12 FOR VALUES WITH (modulus 16, remainder 12);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_13 FOR VALUES WITH (modulus 16, remainder 13);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_14 FOR VALUES WITH (modulus 16, remainder 14);

ALTER TABLE ONLY public.experiments ATTACH PARTITION public.experiments_15 FOR VALUES WITH (modulus 16, remainder 15);

ALTER TABLE ONLY public.architectures ALTER COLUMN id SET DEFAULT nextval('public.architectures_id_seq'::regclass);

ALTER TABLE ONLY public.audit_log ALTER COLUMN id SET DEFAULT nextval('public.audit_log_id_seq'::regclass);

ALTER TABLE ONLY public.jobs ALTER COLUMN id SET DEFAULT nextval('public.jobs_id_seq'::regclass);

ALTER TABLE ONLY public.model_versions ALTER COLUMN id SET DEFAULT nextval('public.model_versions_id_seq'::regclass);

ALTER TABLE ONLY public.namespaces ALTER COLUMN id SET DEFAULT nextval('public.namespaces_id_seq'::regclass);

ALTER TABLE ONLY public.outbox ALTER COLUMN id SET DEFAULT nextval('public.outbox_id_seq'::regclass);

ALTER TABLE ONLY public.search_spaces ALTER COLUMN id SET DEFAULT nextval('public.search_spaces_id_seq'::regclass);

ALTER TABLE ONLY public.strategy_models ALTER COLUMN id SET DEFAULT nextval('public.strategy_models_id_seq'::regclass);

ALTER TABLE ONLY public.tasks ALTER COLUMN id SET DEFAULT nextval('public.tasks_id_seq'::regclass);

ALTER TABLE ONLY public.tokens ALTER COLUMN id SET DEFAULT nextval('public.tokens_id_seq'::regclass);

ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT pk_experiments PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_00
    ADD CONSTRAINT experiments_00_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT uq_experiments_task_id_request_id UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_00
    ADD CONSTRAINT experiments_00_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_01
    ADD CONSTRAINT experiments_01_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_01
    ADD CONSTRAINT experiments_01_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_02
    ADD CONSTRAINT experiments_02_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_02
    ADD CONSTRAINT experiments_02_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_03
    ADD CONSTRAINT experiments_03_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_03
    ADD CONSTRAINT experiments_03_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_04
    ADD CONSTRAINT experiments_04_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_04
    ADD CONSTRAINT experiments_04_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_05
    ADD CONSTRAINT experiments_05_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_05
    ADD CONSTRAINT experiments_05_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_06
    ADD CONSTRAINT experiments_06_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_06
    ADD CONSTRAINT experiments_06_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_07
    ADD CONSTRAINT experiments_07_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_07
    ADD CONSTRAINT experiments_07_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_08
    ADD CONSTRAINT experiments_08_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_08
    ADD CONSTRAINT experiments_08_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_09
    ADD CONSTRAINT experiments_09_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_09
    ADD CONSTRAINT experiments_09_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_10
    ADD CONSTRAINT experiments_10_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_10
    ADD CONSTRAINT experiments_10_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_11
    ADD CONSTRAINT experiments_11_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_11
    ADD CONSTRAINT experiments_11_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_12
    ADD CONSTRAINT experiments_12_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_12
    ADD CONSTRAINT experiments_12_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_13
    ADD CONSTRAINT experiments_13_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_13
    ADD CONSTRAINT experiments_13_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_14
    ADD CONSTRAINT experiments_14_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_14
    ADD CONSTRAINT experiments_14_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.experiments_15
    ADD CONSTRAINT experiments_15_pkey PRIMARY KEY (task_id, search_space_id, sequence);

ALTER TABLE ONLY public.experiments_15
    ADD CONSTRAINT experiments_15_task_id_request_id_key UNIQUE (task_id, request_id);

ALTER TABLE ONLY public.headstart_alembic_version
    ADD CONSTRAINT headstart_alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.architectures
    ADD CONSTRAINT pk_architectures PRIMARY KEY (id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT pk_audit_log PRIMARY KEY (id);

ALTER TABLE ONLY public.index_failures
    ADD CONSTRAINT pk_index_failures PRIMARY KEY (search_space_id, work);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT pk_jobs PRIMARY KEY (id);

ALTER TABLE ONLY public.meta_feature_weights
    ADD CONSTRAINT pk_meta_feature_weights PRIMARY KEY (namespace_id, name);

ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT pk_model_versions PRIMARY KEY (id);

ALTER TABLE ONLY public.namespaces
    ADD CONSTRAINT pk_namespaces PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (id);

ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT pk_quotas PRIMARY KEY (namespace_id);

ALTER TABLE ONLY public.recent_suggestions
    ADD CONSTRAINT pk_recent_suggestions PRIMARY KEY (task_id, search_space_id, fingerprint);

ALTER TABLE ONLY public.requests
    ADD CONSTRAINT pk_requests PRIMARY KEY (namespace, request_id);

ALTER TABLE ONLY public.search_spaces
    ADD CONSTRAINT pk_search_spaces PRIMARY KEY (id);

ALTER TABLE ONLY public.strategy_arms
    ADD CONSTRAINT pk_strategy_arms PRIMARY KEY (task_id, arm, tuned);

ALTER TABLE ONLY public.strategy_decisions
    ADD CONSTRAINT pk_strategy_decisions PRIMARY KEY (id);

ALTER TABLE ONLY public.strategy_models
    ADD CONSTRAINT pk_strategy_models PRIMARY KEY (id);

ALTER TABLE ONLY public.task_cluster_members
    ADD CONSTRAINT pk_task_cluster_members PRIMARY KEY (task_id);

ALTER TABLE ONLY public.task_clusters
    ADD CONSTRAINT pk_task_clusters PRIMARY KEY (namespace_id, number);

ALTER TABLE ONLY public.task_embeddings
    ADD CONSTRAINT pk_task_embeddings PRIMARY KEY (task_id, search_space_id);

ALTER TABLE ONLY public.task_summaries
    ADD CONSTRAINT pk_task_summaries PRIMARY KEY (task_id, search_space_id);

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (id);

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT pk_tokens PRIMARY KEY (id);

ALTER TABLE ONLY public.vector_indexes
    ADD CONSTRAINT pk_vector_indexes PRIMARY KEY (search_space_id, version);

ALTER TABLE ONLY public.architectures
    ADD CONSTRAINT uq_architectures_search_space_id_fingerprint UNIQUE (search_space_id, fingerprint);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT uq_jobs_kind_namespace_subject UNIQUE (kind, namespace, subject);

ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT uq_model_versions_search_space_id_number UNIQUE (search_space_id, number);

ALTER TABLE ONLY public.namespaces
    ADD CONSTRAINT uq_namespaces_name UNIQUE (name);

ALTER TABLE ONLY public.search_spaces
    ADD CONSTRAINT uq_search_spaces_namespace_id_name UNIQUE (namespace_id, name);

ALTER TABLE ONLY public.strategy_models
    ADD CONSTRAINT uq_strategy_models_namespace_id_kind_number UNIQUE (namespace_id, kind, number);

ALTER TABLE ONLY public.task_clusters
    ADD CONSTRAINT uq_task_clusters_namespace_id_name UNIQUE (namespace_id, name);

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT uq_tasks_namespace_id_name UNIQUE (namespace_id, name);

CREATE INDEX ix_experiments_architecture_id_task_id ON ONLY public.experiments USING btree (architecture_id, task_id);

CREATE INDEX experiments_00_architecture_id_task_id_idx ON public.experiments_00 USING btree (architecture_id, task_id);

CREATE INDEX ix_experiments_namespace_id_recorded_at ON ONLY public.experiments USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_00_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_00 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX ix_experiments_task_id_objective_value ON ONLY public.experiments USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_00_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_00 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_01_architecture_id_task_id_idx ON public.experiments_01 USING btree (architecture_id, task_id);

CREATE INDEX experiments_01_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_01 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_01_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_01 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_02_architecture_id_task_id_idx ON public.experiments_02 USING btree (architecture_id, task_id);

CREATE INDEX experiments_02_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_02 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_02_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_02 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_03_architecture_id_task_id_idx ON public.experiments_03 USING btree (architecture_id, task_id);

CREATE INDEX experiments_03_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_03 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_03_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_03 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_04_architecture_id_task_id_idx ON public.experiments_04 USING btree (architecture_id, task_id);

CREATE INDEX experiments_04_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_04 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_04_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_04 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_05_architecture_id_task_id_idx ON public.experiments_05 USING btree (architecture_id, task_id);

CREATE INDEX experiments_05_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_05 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_05_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_05 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_06_architecture_id_task_id_idx ON public.experiments_06 USING btree (architecture_id, task_id);

CREATE INDEX experiments_06_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_06 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_06_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_06 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_07_architecture_id_task_id_idx ON public.experiments_07 USING btree (architecture_id, task_id);

CREATE INDEX experiments_07_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_07 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_07_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_07 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_08_architecture_id_task_id_idx ON public.experiments_08 USING btree (architecture_id, task_id);

CREATE INDEX experiments_08_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_08 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_08_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_08 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_09_architecture_id_task_id_idx ON public.experiments_09 USING btree (architecture_id, task_id);

CREATE INDEX experiments_09_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_09 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_09_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_09 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_10_architecture_id_task_id_idx ON public.experiments_10 USING btree (architecture_id, task_id);

CREATE INDEX experiments_10_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_10 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_10_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_10 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_11_architecture_id_task_id_idx ON public.experiments_11 USING btree (architecture_id, task_id);

CREATE INDEX experiments_11_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_11 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_11_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_11 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_12_architecture_id_task_id_idx ON public.experiments_12 USING btree (architecture_id, task_id);

CREATE INDEX experiments_12_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_12 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_12_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_12 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_13_architecture_id_task_id_idx ON public.experiments_13 USING btree (architecture_id, task_id);

CREATE INDEX experiments_13_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_13 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_13_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_13 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_14_architecture_id_task_id_idx ON public.experiments_14 USING btree (architecture_id, task_id);

CREATE INDEX experiments_14_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_14 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_14_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_14 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX experiments_15_architecture_id_task_id_idx ON public.experiments_15 USING btree (architecture_id, task_id);

CREATE INDEX experiments_15_namespace_id_recorded_at_task_id_search_spac_idx ON public.experiments_15 USING btree (namespace_id, recorded_at, task_id, search_space_id, sequence);

CREATE INDEX experiments_15_task_id_objective_value_search_space_id_sequ_idx ON public.experiments_15 USING btree (task_id, objective_value, search_space_id, sequence);

CREATE INDEX ix_architectures_search_space_id_id ON public.architectures USING btree (search_space_id, id);

CREATE INDEX ix_audit_log_at ON public.audit_log USING btree (at);

CREATE INDEX ix_outbox_architecture_id ON public.outbox USING btree (architecture_id);

CREATE INDEX ix_outbox_search_space_id_id ON public.outbox USING btree (search_space_id, id);

CREATE INDEX ix_requests_answered_at ON public.requests USING btree (answered_at);

CREATE INDEX ix_strategy_decisions_namespace_id_arm_decided_at ON public.strategy_decisions USING btree (namespace_id, arm, decided_at) WHERE tuned;

CREATE INDEX ix_strategy_decisions_task_id_decided_at ON public.strategy_decisions USING btree (task_id, decided_at, id);

CREATE INDEX ix_strategy_decisions_task_id_expires_at ON public.strategy_decisions USING btree (task_id, expires_at);

CREATE INDEX ix_task_cluster_members_namespace_id_number ON public.task_cluster_members USING btree (namespace_id, number);

CREATE INDEX ix_task_embeddings_search_space_id ON public.task_embeddings USING btree (search_space_id);

CREATE INDEX ix_task_summaries_search_space_id ON public.task_summaries USING btree (search_space_id);

CREATE INDEX ix_tasks_namespace_id_id ON public.tasks USING btree (namespace_id, id);

CREATE INDEX ix_tokens_namespace_id ON public.tokens USING btree (namespace_id);

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_00_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_00_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_00_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_00_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_00_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_01_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_01_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_01_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_01_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_01_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_02_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_02_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_02_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_02_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_02_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_03_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_03_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_03_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_03_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_03_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_04_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_04_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_04_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_04_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_04_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_05_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_05_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_05_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_05_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_05_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_06_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_06_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_06_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_06_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_06_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_07_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_07_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_07_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_07_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_07_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_08_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_08_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_08_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_08_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_08_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_09_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_09_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_09_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_09_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_09_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_10_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_10_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_10_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_10_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_10_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_11_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_11_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_11_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_11_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_11_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_12_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_12_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_12_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_12_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_12_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_13_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_13_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_13_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_13_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_13_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_14_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_14_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_14_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_14_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_14_task_id_request_id_key;

ALTER INDEX public.ix_experiments_architecture_id_task_id ATTACH PARTITION public.experiments_15_architecture_id_task_id_idx;

ALTER INDEX public.ix_experiments_namespace_id_recorded_at ATTACH PARTITION public.experiments_15_namespace_id_recorded_at_task_id_search_spac_idx;

ALTER INDEX public.pk_experiments ATTACH PARTITION public.experiments_15_pkey;

ALTER INDEX public.ix_experiments_task_id_objective_value ATTACH PARTITION public.experiments_15_task_id_objective_value_search_space_id_sequ_idx;

ALTER INDEX public.uq_experiments_task_id_request_id ATTACH PARTITION public.experiments_15_task_id_request_id_key;

ALTER TABLE ONLY public.architectures
    ADD CONSTRAINT fk_architectures_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE public.experiments
    ADD CONSTRAINT fk_experiments_architecture_id FOREIGN KEY (architecture_id) REFERENCES public.architectures(id);

ALTER TABLE public.experiments
    ADD CONSTRAINT fk_experiments_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE public.experiments
    ADD CONSTRAINT fk_experiments_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.index_failures
    ADD CONSTRAINT fk_index_failures_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE ONLY public.meta_feature_weights
    ADD CONSTRAINT fk_meta_feature_weights_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT fk_model_versions_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT fk_model_versions_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT fk_outbox_architecture_id FOREIGN KEY (architecture_id) REFERENCES public.architectures(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT fk_outbox_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT fk_quotas_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.recent_suggestions
    ADD CONSTRAINT fk_recent_suggestions_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE ONLY public.recent_suggestions
    ADD CONSTRAINT fk_recent_suggestions_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.search_spaces
    ADD CONSTRAINT fk_search_spaces_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.strategy_arms
    ADD CONSTRAINT fk_strategy_arms_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.strategy_decisions
    ADD CONSTRAINT fk_strategy_decisions_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.strategy_models
    ADD CONSTRAINT fk_strategy_models_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.task_cluster_members
    ADD CONSTRAINT fk_task_cluster_members_namespace_id_number FOREIGN KEY (namespace_id, number) REFERENCES public.task_clusters(namespace_id, number) ON DELETE CASCADE;

ALTER TABLE ONLY public.task_cluster_members
    ADD CONSTRAINT fk_task_cluster_members_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.task_clusters
    ADD CONSTRAINT fk_task_clusters_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.task_embeddings
    ADD CONSTRAINT fk_task_embeddings_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE ONLY public.task_embeddings
    ADD CONSTRAINT fk_task_embeddings_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.task_summaries
    ADD CONSTRAINT fk_task_summaries_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE ONLY public.task_summaries
    ADD CONSTRAINT fk_task_summaries_task_id FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT fk_tokens_namespace_id FOREIGN KEY (namespace_id) REFERENCES public.namespaces(id);

ALTER TABLE ONLY public.vector_indexes
    ADD CONSTRAINT fk_vector_indexes_search_space_id FOREIGN KEY (search_space_id) REFERENCES public.search_spaces(id);

ALTER TABLE public.architectures ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_00 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_01 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_02 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_03 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_04 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_05 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_06 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_07 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_08 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_09 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_10 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_11 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_12 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_13 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_14 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.experiments_15 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.index_failures ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.jobs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.meta_feature_weights ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.model_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.namespaces ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.outbox ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.quotas ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.recent_suggestions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.requests ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.search_spaces ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.strategy_arms ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.strategy_decisions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.strategy_models ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.task_cluster_members ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.task_clusters ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.task_embeddings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.task_summaries ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON public.architectures USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = architectures.search_space_id))));

CREATE POLICY tenant ON public.audit_log USING ((namespace = current_setting('headstart.namespace'::text, true)));

CREATE POLICY tenant ON public.experiments USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_00 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_01 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_02 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_03 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_04 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_05 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_06 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_07 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_08 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_09 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_10 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_11 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_12 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_13 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_14 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.experiments_15 USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.index_failures USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = index_failures.search_space_id))));

CREATE POLICY tenant ON public.jobs USING ((namespace = current_setting('headstart.namespace'::text, true)));

CREATE POLICY tenant ON public.meta_feature_weights USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.model_versions USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.namespaces USING ((name = current_setting('headstart.namespace'::text, true)));

CREATE POLICY tenant ON public.outbox USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = outbox.search_space_id))));

CREATE POLICY tenant ON public.quotas USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.recent_suggestions USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = recent_suggestions.search_space_id))));

CREATE POLICY tenant ON public.requests USING ((namespace = current_setting('headstart.namespace'::text, true)));

CREATE POLICY tenant ON public.search_spaces USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.strategy_arms USING ((EXISTS ( SELECT
   FROM public.tasks
  WHERE (tasks.id = strategy_arms.task_id))));

CREATE POLICY tenant ON public.strategy_decisions USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.strategy_models USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.task_cluster_members USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.task_clusters USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.task_embeddings USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = task_embeddings.search_space_id))));

CREATE POLICY tenant ON public.task_summaries USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = task_summaries.search_space_id))));

CREATE POLICY tenant ON public.tasks USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.tokens USING ((namespace_id = (NULLIF(current_setting('headstart.namespace_id'::text, true), ''::text))::bigint));

CREATE POLICY tenant ON public.vector_indexes USING ((EXISTS ( SELECT
   FROM public.search_spaces
  WHERE (search_spaces.id = vector_indexes.search_space_id))));

ALTER TABLE public.tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.vector_indexes ENABLE ROW LEVEL SECURITY;
