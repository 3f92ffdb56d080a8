"""What somebody without our client sees: reflection, health, and stubs of their own from proto/."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PROTO = Path(__file__).parents[2] / "proto"

STRANGER = """
import sys
import grpc
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.v1 import knowledge_base_service_pb2_grpc as pb2_grpc
assert "site-packages" not in pb2.__file__ and "client" not in pb2.__file__, pb2.__file__
with grpc.insecure_channel(sys.argv[1]) as channel:
    pb2_grpc.KnowledgeBaseServiceStub(channel).ListTasks(pb2.ListTasksRequest(page_size=1), timeout=10)
print("called")
"""


def test_reflection_lists_the_services_with_all_their_methods(shared_service):
    with grpc.insecure_channel(shared_service.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        names = set(database.get_services())
        assert {
            "headstart.v1.MetaLearningService",
            "headstart.v1.KnowledgeBaseService",
            "grpc.health.v1.Health",
        } <= names
        service = DescriptorPool(database).FindServiceByName("headstart.v1.MetaLearningService")
        assert {method.name for method in service.methods} == {
            "WarmStart",
            "PredictPerformance",
            "RecordExperiment",
            "RecordExperiments",
            "SelectStrategy",
            "TransferArchitecture",
        }


def test_reflection_answers_under_its_name_of_today_too(shared_service):
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(shared_service.address) as channel:
        answer = channel.stream_unary(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )(iter([request]), timeout=10)
    assert "headstart.v1.MetaLearningService" in {each.name for each in answer.list_services_response.service}


def test_health_is_serving_for_every_service(shared_service):
    with grpc.insecure_channel(shared_service.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "headstart.v1.MetaLearningService", "headstart.v1.KnowledgeBaseService"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status == 1


def test_stubs_generated_by_a_stranger_can_call(shared_service, tmp_path):
    """In an environment that has grpcio-tools and not one line of ours."""
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "grpcio-tools"], check=True)
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    files = [str(path.relative_to(PROTO)) for path in PROTO.glob("headstart/v1/*.proto")]
    subprocess.run(
        [python, "-m", "grpc_tools.protoc", "-I", ".", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *files],
        cwd=PROTO,
        check=True,
    )
    called = subprocess.run(
        [python, "-c", STRANGER, shared_service.address], cwd=stubs, capture_output=True, text=True, check=False
    )
    assert called.stdout == "called\n", called.stderr


def test_client_imports_nothing_heavy_and_quickly():
    program = (
        "import sys, time; begin = time.process_time(); import headstart; seconds = time.process_time() - begin;"
        "heavy = {'numpy', 'torch', 'sqlalchemy', 'chromadb'} & set(sys.modules);"
        "assert not heavy, heavy; print(seconds)"
    )
    # Processor time, the best of three: neither a cold disk nor busy neighbours count.
    seconds = min(float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(3))
    assert seconds <= 0.3
