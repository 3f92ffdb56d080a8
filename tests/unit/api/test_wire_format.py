"""The count of fields is that of the message, bounds what it costs to count, and bears any bytes."""

from __future__ import annotations

import random
import time

from headstart.v1 import experiment_pb2, predictor_service_pb2, search_space_pb2
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart_server.api.admission.wire_format import count_fields, tags_of

TAGS = tags_of(meta_pb2.WarmStartRequest.DESCRIPTOR)


def test_every_field_counts_at_all_depths() -> None:
    node = search_space_pb2.Node(op="conv", attributes={"width": search_space_pb2.ParameterValue(integer_value=300)})
    graph = search_space_pb2.Graph(nodes=[node] * 40, edges=[search_space_pb2.Edge(source=1, target=2)] * 50)
    request = meta_pb2.WarmStartRequest(
        task_id="t" * 200, count=7, pool=[search_space_pb2.Candidate(graph=graph)] * 3, exploration_share=0.5
    )
    # A node: itself, op, entry, name, value, number. An edge: itself, two numbers. A candidate: itself, its graph.
    assert count_fields(request.SerializeToString(), TAGS, 10**6) == 3 + 3 * (2 + 40 * 6 + 50 * 3)


def test_records_and_packed_numbers_count_each_entry() -> None:
    points = [experiment_pb2.CurvePoint(fidelity=1.0, value=0.5)] * 10
    record = meta_pb2.RecordExperimentRequest(outcome=experiment_pb2.Outcome(learning_curve=points))
    chunk = meta_pb2.RecordExperimentsRequest(chunk=1, records=[record] * 2)
    assert count_fields(chunk.SerializeToString(), tags_of(chunk.DESCRIPTOR), 10**6) == 1 + 2 * (2 + 10 * 3)
    matrix = predictor_service_pb2.Matrix(values=[1.0] * 100)
    assert count_fields(matrix.SerializeToString(), tags_of(matrix.DESCRIPTOR), 10**6) == 101


def test_counting_ends_above_the_bound_and_at_what_is_no_message() -> None:
    begin = time.process_time()
    assert count_fields(b"\x22\x00" * 4_000_000, TAGS, 1000) == 1001
    assert count_fields(b"\xff" * 8_000_000, TAGS, 1000) <= 1001
    assert time.process_time() - begin < 0.5
    drawn = random.Random(0)
    for _ in range(300):
        assert count_fields(drawn.randbytes(50), TAGS, 1000) <= 1001
