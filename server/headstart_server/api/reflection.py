"""Server reflection, under its name of today (v1) and the one before (v1alpha): the messages are the same."""

from __future__ import annotations

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def add_reflection(services: list[str], server: grpc.aio.Server) -> None:
    """Serve reflection of these services, and of itself."""
    # v1 is not listed, because grpcio-reflection has no descriptor of it.
    servicer = reflection.aio.ReflectionServicer(  # type: ignore[attr-defined]
        [*services, reflection.SERVICE_NAME]
    )
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in NAMES:
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),)
        )
