"""Search spaces: declaration, validation, drawing of candidates, and which candidates are equivalent. Pure Python."""

from headstart.spaces.canonical_graph import CanonicalCandidate, CanonicalGraph, canonical_graph, canonicalize
from headstart.spaces.declaration import (
    Candidate,
    Categorical,
    Condition,
    EdgeTemplate,
    Float,
    Graph,
    GraphTemplate,
    Integer,
    Node,
    NodeTemplate,
    OpRole,
    Parameter,
    SearchSpace,
    Value,
    ValueOf,
)
from headstart.spaces.ready_made import mlp_classifier, nas_bench_201, nas_bench_graph, nas_bench_graph_proteins
from headstart.spaces.sampling import NotEnumerable, enumerate_space, mutate, recombine, sample, space_size
from headstart.spaces.validation import InvalidInput, Violation, candidate_violations, space_violations

__all__ = [
    "Candidate",
    "CanonicalCandidate",
    "CanonicalGraph",
    "Categorical",
    "Condition",
    "EdgeTemplate",
    "Float",
    "Graph",
    "GraphTemplate",
    "Integer",
    "InvalidInput",
    "Node",
    "NodeTemplate",
    "NotEnumerable",
    "OpRole",
    "Parameter",
    "SearchSpace",
    "Value",
    "ValueOf",
    "Violation",
    "candidate_violations",
    "canonical_graph",
    "canonicalize",
    "enumerate_space",
    "mlp_classifier",
    "mutate",
    "nas_bench_201",
    "nas_bench_graph",
    "nas_bench_graph_proteins",
    "recombine",
    "sample",
    "space_size",
    "space_violations",
]
