"""Assembles the gRPC server of the serve and predictor roles, and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from headstart.v1 import (
    knowledge_base_service_pb2,
    knowledge_base_service_pb2_grpc,
    meta_learning_service_pb2,
    meta_learning_service_pb2_grpc,
    predictor_service_pb2,
    predictor_service_pb2_grpc,
)
from headstart_server.api.admission.authentication import Admission
from headstart_server.api.admission.transport import server_credentials
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.calls import CallInterceptor
from headstart_server.api.handlers.knowledge_base import KnowledgeBaseServicer
from headstart_server.api.handlers.meta_learning import MetaLearningServicer
from headstart_server.api.handlers.predictor import PredictorServicer
from headstart_server.api.handlers.record_queue import RecordQueue
from headstart_server.api.health import HealthWatch, IndexWatch
from headstart_server.api.reflection import add_reflection
from headstart_server.assembly import open_domains, open_predictor
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import Settings, split_address
from headstart_server.threads import DATABASE, EDITS, END, MODELS, PREPARE, SLOW

# So that clients of a name with several addresses find new replicas.
_MAX_CONNECTION_AGE_SECONDS = 600
# Seconds to close connections after the grace period.
_CLOSE_SECONDS = 0.5
_TURN_SECONDS = 0.0005
_COLLECT_AFTER = 20_000

logger = logging.getLogger(__name__)

Ready = Callable[[int], None]


async def serve(settings: Settings, ready: Ready | None = None) -> None:
    """Answer calls until SIGTERM or SIGINT; ``ready`` is called with the port once calls are answered.

    The database must exist with the right schema (``runtime.startup``); from then on health reports its state. Raises
    StartupError for a port that is taken.
    """
    domains = open_domains(settings)
    database = BlockingWork(DATABASE.executor(settings.database_threads))
    models, edits, slow = (BlockingWork(each.executor()) for each in (MODELS, EDITS, SLOW))
    record_queue = RecordQueue(domains, settings.record_queue_size)
    gate = Admission(domains.engine, settings.authentication)
    calls = CallInterceptor(settings, gate)
    server, port = _bound_server(settings, calls)
    meta_learning_service_pb2_grpc.add_MetaLearningServiceServicer_to_server(
        MetaLearningServicer(domains, database, models, record_queue, slow), server
    )
    knowledge_base_service_pb2_grpc.add_KnowledgeBaseServiceServicer_to_server(
        KnowledgeBaseServicer(domains, database, models, edits, slow), server
    )
    services = [
        meta_learning_service_pb2.DESCRIPTOR.services_by_name["MetaLearningService"].full_name,
        knowledge_base_service_pb2.DESCRIPTOR.services_by_name["KnowledgeBaseService"].full_name,
    ]
    watch = HealthWatch(services, settings)
    health_pb2_grpc.add_HealthServicer_to_server(watch.servicer, server)
    add_reflection([*services, health.SERVICE_NAME], server)
    preparing = asyncio.get_running_loop().run_in_executor(PREPARE.executor(), domains.prediction.prepare)
    index_watch = IndexWatch(domains.knowledge.vectors)
    watching_index = asyncio.create_task(index_watch.run())
    await _run(server, port, watch, settings, ready)
    watching_index.cancel()
    index_watch.close()
    await preparing
    record_queue.close()
    database.close()
    models.close()
    edits.close()
    calls.close()
    gate.close()
    domains.close()


async def serve_predictor(settings: Settings, ready: Ready | None = None) -> None:
    """Answer the scoring calls of other servers until SIGTERM or SIGINT. Raises StartupError as ``serve`` does."""
    engine, scorer = open_predictor(settings)
    models = BlockingWork(MODELS.executor())
    gate = Admission(engine, settings.authentication)
    calls = CallInterceptor(settings, gate)
    server, port = _bound_server(settings, calls)
    predictor_service_pb2_grpc.add_PredictorServiceServicer_to_server(PredictorServicer(scorer, models), server)
    services = [predictor_service_pb2.DESCRIPTOR.services_by_name["PredictorService"].full_name]
    watch = HealthWatch(services, settings)
    health_pb2_grpc.add_HealthServicer_to_server(watch.servicer, server)
    add_reflection([*services, health.SERVICE_NAME], server)
    await _run(server, port, watch, settings, ready)
    models.close()
    calls.close()
    gate.close()
    engine.dispose()


def _bound_server(settings: Settings, calls: CallInterceptor) -> tuple[grpc.aio.Server, int]:
    """A server that holds its port. Raises StartupError if another process does."""
    server = grpc.aio.server(
        interceptors=[calls],
        options=[
            # Two processes must not share a port by accident.
            ("grpc.so_reuseport", int(settings.share_port)),
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", settings.max_message_bytes),
            ("grpc.max_connection_age_ms", _MAX_CONNECTION_AGE_SECONDS * 1000),
            ("grpc.max_connection_age_grace_ms", int(settings.shutdown_grace_seconds * 1000)),
            # The client's keepalive interval is not below this.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ],
    )
    credentials = server_credentials(settings)
    try:
        if credentials is None:
            port = server.add_insecure_port(settings.grpc_address)
        else:
            port = server.add_secure_port(settings.grpc_address, credentials)
    except RuntimeError:
        port = 0
    if port == 0:
        raise StartupError(
            f"Cannot listen on {settings.grpc_address}: another process holds port "
            f"{split_address(settings.grpc_address)[1]}; stop it or set HEADSTART_GRPC_ADDRESS"
        )
    return server, port


def _prepare_interpreter() -> None:
    """Let threads switch at once, and collect garbage rarely.

    A thread with an answer from the database waits for the interpreter behind one that decodes a request; an import
    of many small statements spent half of its time so. Decoded requests are many short-lived objects without
    reference cycles.
    """
    sys.setswitchinterval(_TURN_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


async def _run(server: grpc.aio.Server, port: int, watch: HealthWatch, settings: Settings, ready: Ready | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _prepare_interpreter()
    # A caller that learns the port may ask for health at once.
    await watch.look()
    await server.start()
    watching = asyncio.create_task(watch.run())
    logger.info("serving", extra={"port": port})
    if ready is not None:
        ready(port)
    await stop.wait()
    logger.info("stopping")
    watching.cancel()
    await watch.drain()
    await server.stop(settings.shutdown_grace_seconds)
    _end_within(_CLOSE_SECONDS)


def _end_within(seconds: float) -> None:
    """Abandon work that outlasts the grace period: its callers were answered, and what is not committed never
    happened.
    """
    END.start(_exit_after, seconds)


def _exit_after(seconds: float) -> None:
    time.sleep(seconds)
    os._exit(0)
