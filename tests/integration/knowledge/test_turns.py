"""A space of large graphs has shorter turns in the vector index, so that the others wait less for theirs."""

from __future__ import annotations

import random
from uuid import uuid4

from headstart.spaces import Candidate, Graph, Node, OpRole, SearchSpace
from headstart_server.assembly import open_domains
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index import outbox
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.settings import Settings

SPACE = SearchSpace("large", explicit_graphs=True, op_roles={"input": OpRole.INPUT})
LENGTH, COUNT = 40, 6


def chain(seed: int) -> Candidate:
    generator = random.Random(seed)
    nodes = tuple(Node("input" if place == 0 else generator.choice("abc"), {}) for place in range(LENGTH))
    return Candidate({}, Graph(nodes, tuple((place, place + 1) for place in range(LENGTH - 1))))


def test_a_turn_ends_with_the_nodes_that_it_may_have(settings: Settings) -> None:
    domains = open_domains(settings)

    def record(connection):
        domains.knowledge.create_search_space(connection, "default", SPACE)
        domains.knowledge.create_task(connection, "default", Task("task", "", "accuracy", True, {}, {}, "", 0.0))
        records = []
        for seed in range(COUNT):
            canonical = domains.knowledge.canonical("default", SPACE, chain(seed))
            outcome = Outcome(Status.COMPLETED, seed / COUNT)
            records.append(NewExperiment(uuid4(), "task", "large", chain(seed), canonical, outcome))
        domains.knowledge.record(connection, "default", records)

    run_transaction(domains.engine, record)
    with domains.engine.connect() as connection:
        (space,) = outbox.waiting_spaces(connection)
        taken = {
            most: len(outbox.read_waiting(connection, space, 1_000, most).new)  # type: ignore[union-attr]
            for most in (1, 2 * LENGTH, 2 * LENGTH + 1, 1_000)
        }
    domains.close()
    assert taken == {1: 1, 2 * LENGTH: 2, 2 * LENGTH + 1: 2, 1_000: COUNT}
