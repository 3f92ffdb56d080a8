"""Decides whether a declaration, a graph or a candidate is right, and names every field that is not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from headstart.spaces.declaration import (
    Candidate,
    Categorical,
    Condition,
    Domain,
    Float,
    Graph,
    GraphTemplate,
    Integer,
    Ordering,
    Parameter,
    SearchSpace,
    Value,
    ValueOf,
    holds,
)

MAX_NODES = 2048
MAX_EDGES = 8192
MAX_PARAMETERS = 256
MAX_CHOICES = 4096
MAX_NAME_LENGTH = 63
MAX_TEXT_LENGTH = 4096
MAX_VIOLATIONS = 1024

# Characters of a text, and items of a list, that a violation shows at most.
_SHOWN = 120

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Violation:
    """One violation of an input: the path of the field and what to do about it."""

    field: str
    description: str


class InvalidInput(ValueError):
    """An input that its sender can correct, with one violation for each wrong field."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{violation.field}: {violation.description}" for violation in violations))
        self.violations = violations


def require(violations: Iterator[Violation]) -> None:
    """Raise InvalidInput if there is any violation. At most MAX_VIOLATIONS are collected."""
    listed = list(islice(violations, MAX_VIOLATIONS))
    if listed:
        raise InvalidInput(listed)


def text_violations(text: str, field: str, maximum: int, minimum: int = 0) -> Iterator[Violation]:
    """Violations of a text: its length, or a NUL character, which PostgreSQL cannot store."""
    if not minimum <= len(text) <= maximum:
        yield Violation(field, f"must have {minimum} to {maximum} characters, got {len(text)}")
    if "\0" in text:
        yield Violation(field, "must not contain NUL characters")


def is_slug(text: str) -> bool:
    """Whether a text is a valid id."""
    return _SLUG.fullmatch(text) is not None


def slug_violations(value: str, field: str) -> Iterator[Violation]:
    if not is_slug(value):
        yield Violation(field, f"must be 1 to {MAX_NAME_LENGTH} of a-z, 0-9 and inner hyphens, got {value[:80]!r}")


def space_violations(space: SearchSpace, field: str = "search_space") -> Iterator[Violation]:
    """All violations of a declaration."""
    yield from slug_violations(space.search_space_id, f"{field}.search_space_id")
    yield from text_violations(space.description, f"{field}.description", MAX_TEXT_LENGTH)
    for op in space.op_roles:
        yield from text_violations(op, f"{field}.op_roles", MAX_NAME_LENGTH, minimum=1)
    if not space.parameters and space.graph_template is None and not space.explicit_graphs:
        yield Violation(f"{field}.parameters", "a space needs parameters, a graph template, or explicit graphs")
    if space.graph_template is not None and space.explicit_graphs:
        yield Violation(f"{field}.explicit_graphs", "a space has a graph template or explicit graphs, not both")
    yield from parameter_violations(space.parameters, f"{field}.parameters")
    if space.graph_template is not None:
        domains = {parameter.name: parameter.domain for parameter in space.parameters}
        yield from _template_violations(space.graph_template, domains, f"{field}.graph_template")


def parameter_violations(parameters: tuple[Parameter, ...], field: str) -> Iterator[Violation]:
    """All violations of a list of parameters: names, domains, and conditions on parameters declared earlier."""
    if len(parameters) > MAX_PARAMETERS:
        yield Violation(field, f"at most {MAX_PARAMETERS} parameters, got {len(parameters)}")
        return
    earlier: dict[str, Domain] = {}
    for index, parameter in enumerate(parameters):
        path = f"{field}[{index}]"
        yield from text_violations(parameter.name, f"{path}.name", MAX_NAME_LENGTH, minimum=1)
        if parameter.name in earlier:
            yield Violation(f"{path}.name", f"{parameter.name!r} is declared twice")
        yield from _domain_violations(parameter.domain, path)
        yield from _condition_violations(parameter.condition, earlier, f"{path}.condition")
        if parameter.role is not None and not _of_numbers(parameter.domain):
            yield Violation(f"{path}.role", f"{parameter.role.name} needs a domain of numbers")
        if parameter.default is not None and (problem := value_problem(parameter.default, parameter.domain)):
            yield Violation(f"{path}.default_value", problem)
        earlier[parameter.name] = parameter.domain


def detected_orders(space: SearchSpace, field: str = "search_space") -> Iterator[str]:
    """A sentence for each parameter whose choices are taken as ordered without a declaration."""
    for index, parameter in enumerate(space.parameters):
        domain = parameter.domain
        if isinstance(domain, Categorical) and domain.ordering is Ordering.AUTO and domain.ordered_choices is not None:
            yield (
                f"{field}.parameters[{index}].categorical.ordering: the choices of {parameter.name!r} are numbers and "
                "are taken as ordered by value; declare them UNORDERED where they are names, or ORDERED, listed in "
                "their order, to confirm it"
            )


def _of_numbers(domain: Domain) -> bool:
    if not isinstance(domain, Categorical):
        return True
    return all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in domain.choices)


def _of_strings(domain: Domain) -> bool:
    return isinstance(domain, Categorical) and all(isinstance(choice, str) for choice in domain.choices)


def _domain_violations(domain: Domain, path: str) -> Iterator[Violation]:
    if isinstance(domain, Categorical):
        if not 0 < len(domain.choices) <= MAX_CHOICES:
            yield Violation(
                f"{path}.categorical.choices", f"needs 1 to {MAX_CHOICES} choices, got {len(domain.choices)}"
            )
        elif len({(isinstance(choice, bool), choice) for choice in domain.choices}) < len(domain.choices):
            yield Violation(f"{path}.categorical.choices", "a choice is listed twice")
        if any(isinstance(choice, float) and not math.isfinite(choice) for choice in domain.choices):
            yield Violation(f"{path}.categorical.choices", "numbers must be finite")
        for index, choice in enumerate(domain.choices):
            if isinstance(choice, str):
                yield from text_violations(choice, f"{path}.categorical.choices[{index}]", MAX_TEXT_LENGTH)
        return
    kind = "integer" if isinstance(domain, Integer) else "float"
    if not (math.isfinite(domain.lower) and math.isfinite(domain.upper)):
        yield Violation(f"{path}.{kind}", "bounds must be finite")
    elif domain.lower > domain.upper:
        yield Violation(f"{path}.{kind}", f"lower bound {domain.lower} is above upper bound {domain.upper}")
    elif domain.logarithmic and domain.lower <= 0:
        yield Violation(f"{path}.{kind}.lower", "a logarithmic domain needs a positive lower bound")


def _condition_violations(condition: Condition | None, domains: Mapping[str, Domain], path: str) -> Iterator[Violation]:
    if condition is None:
        return
    if condition.parameter not in domains:
        yield Violation(f"{path}.parameter", f"{condition.parameter!r} is not a parameter declared before this one")
        return
    if not condition.values:
        yield Violation(f"{path}.values", "needs at least one value")
    for index, value in enumerate(condition.values):
        problem = value_problem(value, domains[condition.parameter])
        if problem:
            yield Violation(f"{path}.values[{index}]", problem)


def _template_violations(template: GraphTemplate, domains: Mapping[str, Domain], field: str) -> Iterator[Violation]:
    if not 0 < len(template.nodes) <= MAX_NODES:
        yield Violation(f"{field}.nodes", f"needs 1 to {MAX_NODES} nodes, got {len(template.nodes)}")
        return
    if len(template.edges) > MAX_EDGES:
        yield Violation(f"{field}.edges", f"at most {MAX_EDGES} edges, got {len(template.edges)}")
        return
    of_strings = {name for name, domain in domains.items() if _of_strings(domain)}
    index_of: dict[str, int] = {}
    for index, node in enumerate(template.nodes):
        path = f"{field}.nodes[{index}]"
        yield from text_violations(node.name, f"{path}.name", MAX_NAME_LENGTH, minimum=1)
        if node.name in index_of:
            yield Violation(f"{path}.name", f"{node.name!r} is declared twice")
        index_of[node.name] = index
        if isinstance(node.op, ValueOf):
            if node.op.parameter not in of_strings:
                yield Violation(
                    f"{path}.op_parameter", f"{node.op.parameter!r} is not a categorical parameter of strings"
                )
        else:
            yield from text_violations(node.op, f"{path}.op", MAX_NAME_LENGTH, minimum=1)
        for name, source in node.attributes.items():
            yield from _attribute_violations(name, source, path)
            if isinstance(source, ValueOf) and source.parameter not in domains:
                yield Violation(_attribute_path(name, path), f"{source.parameter!r} is not a declared parameter")
    pairs: list[tuple[int, int]] = []
    for index, edge in enumerate(template.edges):
        path = f"{field}.edges[{index}]"
        for end, name in (("source", edge.source), ("target", edge.target)):
            if name not in index_of:
                yield Violation(f"{path}.{end}", f"{name!r} is not a node of the template")
        if edge.source in index_of and edge.target in index_of:
            pairs.append((index_of[edge.source], index_of[edge.target]))
        yield from _condition_violations(edge.condition, domains, f"{path}.condition")
    if has_cycle(len(template.nodes), pairs):
        yield Violation(f"{field}.edges", "edges form a cycle")


def candidate_violations(space: SearchSpace, candidate: Candidate, field: str = "candidate") -> Iterator[Violation]:
    """All violations of a candidate of a valid space."""
    known = {parameter.name for parameter in space.parameters}
    for name in candidate.values:
        if name not in known:
            yield Violation(f"{field}.values[{name[:MAX_NAME_LENGTH]}]", f"not a parameter of {space.search_space_id}")
    for parameter in space.parameters:
        path = f"{field}.values[{parameter.name}]"
        active = holds(parameter.condition, candidate.values)
        if parameter.name not in candidate.values:
            if active:
                yield Violation(path, "missing")
        elif not active:
            condition = parameter.condition
            assert condition is not None
            yield Violation(path, f"only allowed where {condition.parameter} is one of {_short_list(condition.values)}")
        else:
            problem = value_problem(candidate.values[parameter.name], parameter.domain)
            if problem:
                yield Violation(path, problem)
    if space.explicit_graphs:
        if candidate.graph is None:
            yield Violation(f"{field}.graph", f"missing: candidates of {space.search_space_id} are explicit graphs")
        else:
            yield from graph_violations(candidate.graph, f"{field}.graph")
    elif candidate.graph is not None:
        yield Violation(f"{field}.graph", f"{space.search_space_id} takes no explicit graphs")


def graph_violations(graph: Graph, field: str = "graph") -> Iterator[Violation]:
    """All violations of an explicit graph."""
    if not 0 < len(graph.nodes) <= MAX_NODES:
        yield Violation(f"{field}.nodes", f"needs 1 to {MAX_NODES} nodes, got {len(graph.nodes)}")
        return
    if len(graph.edges) > MAX_EDGES:
        yield Violation(f"{field}.edges", f"at most {MAX_EDGES} edges, got {len(graph.edges)}")
        return
    for index, node in enumerate(graph.nodes):
        yield from text_violations(node.op, f"{field}.nodes[{index}].op", MAX_NAME_LENGTH, minimum=1)
        for name, value in node.attributes.items():
            yield from _attribute_violations(name, value, f"{field}.nodes[{index}]")
    outside = False
    for index, (source, target) in enumerate(graph.edges):
        for end, node_index in (("source", source), ("target", target)):
            if not 0 <= node_index < len(graph.nodes):
                outside = True
                yield Violation(
                    f"{field}.edges[{index}].{end}", f"{node_index} is not a node: there are {len(graph.nodes)}"
                )
    if not outside and has_cycle(len(graph.nodes), graph.edges):
        yield Violation(f"{field}.edges", "edges form a cycle")


def _attribute_path(name: str, path: str) -> str:
    return f"{path}.attributes[{name[:MAX_NAME_LENGTH]}]"


def _attribute_violations(name: str, value: Value | ValueOf, path: str) -> Iterator[Violation]:
    field = _attribute_path(name, path)
    yield from text_violations(name, field, MAX_NAME_LENGTH, minimum=1)
    if isinstance(value, str):
        yield from text_violations(value, field, MAX_TEXT_LENGTH)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Violation(field, "must be finite")


def value_problem(value: Value, domain: Domain) -> str | None:
    """The reason why a value is not in a domain, or None."""
    if isinstance(domain, Categorical):
        if value in domain:
            return None
        return f"{_short(value)} is not one of the choices {_short_list(domain.choices)}"
    if isinstance(domain, Integer):
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be an integer, got {_short(value)}"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, got {_short(value)}"
    if not (isinstance(domain, Float | Integer) and domain.lower <= value <= domain.upper):
        return f"{_short(value)} is outside {domain.lower} to {domain.upper}"
    return None


def has_cycle(node_count: int, edges: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> bool:
    """Kahn's algorithm: a graph is acyclic when every node can be taken after its predecessors."""
    successors: list[list[int]] = [[] for _ in range(node_count)]
    waiting = [0] * node_count
    for source, target in edges:
        successors[source].append(target)
        waiting[target] += 1
    ready = [node for node in range(node_count) if waiting[node] == 0]
    taken = 0
    while ready:
        taken += 1
        for target in successors[ready.pop()]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return taken < node_count


def _short_list(values: tuple[Value, ...]) -> str:
    """The first of many: listing all of them for each wrong value takes longer than finding it."""
    return _short([value[:_SHOWN] if isinstance(value, str) else value for value in values[:_SHOWN]])


def _short(value: object) -> str:
    text = repr(value[:_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= 120 else text[:117] + "..."
