"""PredictorService at the edge: what a server asks of the host that holds the models."""

from __future__ import annotations

from headstart.v1 import predictor_service_pb2_grpc as pb2_grpc
from headstart_server.api.blocking import BlockingWork
from headstart_server.prediction.scorer import LocalScorer


class PredictorServicer(pb2_grpc.PredictorServiceServicer):
    def __init__(self, scorer: LocalScorer, models: BlockingWork) -> None:
        self._scorer = scorer
        self._models = models
