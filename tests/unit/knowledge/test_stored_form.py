"""What is stored of a space: everything that was declared, and nothing more than before for what is not new."""

from __future__ import annotations

from headstart.spaces import Integer, Parameter, ParameterRole, SearchSpace
from headstart_server.knowledge.stored_form import space_from_json, space_to_json


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
