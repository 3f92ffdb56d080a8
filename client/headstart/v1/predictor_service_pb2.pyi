from headstart.v1 import search_space_pb2 as _search_space_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("model_version", "graphs")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    GRAPHS_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    graphs: _containers.RepeatedCompositeFieldContainer[_search_space_pb2.Graph]
    def __init__(self, model_version: _Optional[str] = ..., graphs: _Optional[_Iterable[_Union[_search_space_pb2.Graph, _Mapping]]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("embeddings", "scores", "device")
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    embeddings: Matrix
    scores: Matrix
    device: str
    def __init__(self, embeddings: _Optional[_Union[Matrix, _Mapping]] = ..., scores: _Optional[_Union[Matrix, _Mapping]] = ..., device: _Optional[str] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("model_version", "graphs")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    GRAPHS_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    graphs: _containers.RepeatedCompositeFieldContainer[_search_space_pb2.Graph]
    def __init__(self, model_version: _Optional[str] = ..., graphs: _Optional[_Iterable[_Union[_search_space_pb2.Graph, _Mapping]]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("embeddings",)
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    embeddings: Matrix
    def __init__(self, embeddings: _Optional[_Union[Matrix, _Mapping]] = ...) -> None: ...

class Matrix(_message.Message):
    __slots__ = ("rows", "columns", "values")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...
