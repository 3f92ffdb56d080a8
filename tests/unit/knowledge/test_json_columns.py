"""What is stored of a space: everything that was declared, and nothing more than before for what is not new."""

from __future__ import annotations

import hashlib
import json

from headstart.spaces import (
    Categorical,
    Float,
    Integer,
    Ordering,
    Parameter,
    ParameterRole,
    SearchSpace,
    mlp_classifier,
)
from headstart_server.knowledge.json_columns import space_from_json, space_to_json


def test_roles_are_stored_with_the_space() -> None:
    space = SearchSpace("s", tuple(Parameter(role.name, Integer(1, 9), role=role) for role in ParameterRole))
    assert space_from_json("s", space_to_json(space)) == space


def test_a_space_without_roles_is_stored_as_before_there_were_any() -> None:
    """Else a client that declares it again would be told that it exists with other content."""
    [stored] = space_to_json(SearchSpace("s", (Parameter("a", Integer(1, 9)),)))["parameters"]
    assert stored == {
        "name": "a",
        "domain": {"kind": "integer", "lower": 1, "upper": 9, "logarithmic": False},
        "condition": None,
    }


def test_orders_and_defaults_are_stored_with_the_space() -> None:
    parameters = [
        *(Parameter(ordering.name, Categorical((8, 16.0, 32), ordering), default=16.0) for ordering in Ordering),
        Parameter("flag", Categorical((False, True)), default=False),
        Parameter("rate", Float(0.0, 1e25), default=1e25),
    ]
    space = SearchSpace("s", tuple(parameters))
    assert repr(space_from_json("s", json.loads(json.dumps(space_to_json(space))))) == repr(space)


def test_a_space_without_orders_and_defaults_is_stored_as_before_there_were_any() -> None:
    """Text and hash are those of the version before: a client that declares it again is told that it is there."""
    stored = json.dumps(space_to_json(mlp_classifier()), sort_keys=True)
    assert (
        hashlib.sha256(stored.encode()).hexdigest()
        == "2f11c8730fa01e3f82596b1bcfff36b0807d2dacc39548bbbd6ad9cc5f072099"
    )
    space = SearchSpace("s", (Parameter("width", Categorical((8, 16.0, 32, "x", True))),))
    assert json.dumps(space_to_json(space)["parameters"]) == (
        '[{"name": "width", "domain": {"kind": "categorical", "choices": [8, {"float": "16.0"}, 32, "x", true]}, '
        '"condition": null}]'
    )
