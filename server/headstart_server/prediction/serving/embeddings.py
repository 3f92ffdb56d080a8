"""Choice of the embedding that the vector index of a space uses.

Before a model exists, the embedding is the structural features; after that, the readouts of the space's graph networks,
concatenated. A model is trained again whenever the experiments have grown by a fifth, and to embed a million
architectures each time would cost too much. The index therefore changes to a newer model only when that one was trained
on twice the experiments, so over the life of a space each architecture is embedded about twice. The registry keeps the
model behind the index.
"""

from __future__ import annotations

from sqlalchemy import Connection

from headstart_server.prediction.registry.versions import EMBEDDING_PREFIX, serving_version, version_numbered

# The factor by which a newer model's experiments must exceed those of the index's model.
_GROWTH = 2.0


def choose_embedding(
    connection: Connection, namespace: str, search_space_id: str, present: str | None, structural: str
) -> str:
    """The embedding for the index: "graph-NUMBER", or ``structural`` before the first model.

    ``present`` is the embedding that the index has now, if any.
    """
    serving = serving_version(connection, namespace, search_space_id)
    if serving is None:
        return structural
    number = _number(present)
    current = version_numbered(connection, namespace, search_space_id, number) if number is not None else None
    if current is None or serving.trained_through >= _GROWTH * current.trained_through:
        return f"{EMBEDDING_PREFIX}{serving.number}"
    return f"{EMBEDDING_PREFIX}{current.number}"


def model_of_embedding(namespace: str, search_space_id: str, embedding: str) -> str | None:
    """The name of the model version behind an embedding; None for structural embeddings."""
    number = _number(embedding)
    return None if number is None else f"{namespace}/{search_space_id}/{number}"


def embedding_name(namespace: str, search_space_id: str, embedding: str) -> str:
    """The name of an embedding in API responses: that of the model version, or "structural-N"."""
    return model_of_embedding(namespace, search_space_id, embedding) or embedding


def _number(embedding: str | None) -> int | None:
    if embedding is None or not embedding.startswith(EMBEDDING_PREFIX):
        return None
    return int(embedding.removeprefix(EMBEDDING_PREFIX))
