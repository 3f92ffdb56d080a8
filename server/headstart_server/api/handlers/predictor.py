"""PredictorService at the edge: what servers ask of the host that holds the models."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.codec.spaces import graph_from_proto
from headstart.spaces import CanonicalCandidate
from headstart.v1 import predictor_service_pb2 as pb2
from headstart.v1 import predictor_service_pb2_grpc as pb2_grpc
from headstart.v1 import search_space_pb2
from headstart_server.api import decode
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.calls import Context
from headstart_server.prediction.serving.scorer import LocalScorer, candidate_of, matrix_to_proto, score_response


class PredictorServicer(pb2_grpc.PredictorServiceServicer):
    def __init__(self, scorer: LocalScorer, models: BlockingWork) -> None:
        self._scorer = scorer
        self._models = models

    async def Score(self, request: pb2.ScoreRequest, context: Context) -> pb2.ScoreResponse:
        def work() -> pb2.ScoreResponse:
            if not request.graphs:
                # A server loads a version here before its first question.
                self._scorer.load(request.model_version)
                return pb2.ScoreResponse(embeddings=pb2.Matrix(), scores=pb2.Matrix(), device=self._scorer.device)
            scores = self._scorer.score(request.model_version, _candidates(request.graphs))
            return score_response(scores, self._scorer.device)

        return await self._models.run(context, work)

    async def Embed(self, request: pb2.EmbedRequest, context: Context) -> pb2.EmbedResponse:
        def work() -> pb2.EmbedResponse:
            scores = self._scorer.score(request.model_version, _candidates(request.graphs))
            return pb2.EmbedResponse(embeddings=matrix_to_proto(scores.embeddings))

        return await self._models.run(context, work)


def _candidates(graphs: Sequence[search_space_pb2.Graph]) -> list[CanonicalCandidate]:
    decode.count(len(graphs), "graphs", None, decode.MAX_CANDIDATES)
    return [candidate_of(graph_from_proto(graph, f"graphs[{index}]")) for index, graph in enumerate(graphs)]
