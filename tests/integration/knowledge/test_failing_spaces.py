"""A search space that the vector index cannot take is set aside: no other space or namespace waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import insert, text

from headstart.spaces import Candidate, Float, InvalidInput, Parameter, SearchSpace
from headstart_server.assembly import Domains, open_domains
from headstart_server.cli.check import set_aside_finding
from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.tables import namespaces
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index import failures, indexer
from headstart_server.knowledge.vector_index.indexer import VectorKeeper
from headstart_server.roles.operator_metrics import Gauges
from headstart_server.roles.worker import Worker
from headstart_server.runtime.database.claims import claimed
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.observability import metrics
from headstart_server.runtime.settings import Settings


@pytest.fixture
def domains(settings: Settings) -> Iterator[Domains]:
    domains = open_domains(settings)
    yield domains
    domains.close()


def floats(space_id: str, lower: float = 0.0, upper: float = 1.0, logarithmic: bool = False) -> SearchSpace:
    return SearchSpace(space_id, (Parameter("x", Float(lower, upper, logarithmic)),))


def record(domains: Domains, space: SearchSpace, values: Sequence[float], namespace: str = "default") -> None:
    """Results of these values of x on a task of the space."""
    records = []
    for x in values:
        candidate = Candidate({"x": x})
        canonical = domains.knowledge.canonical(namespace, space, candidate)
        outcome = Outcome(Status.COMPLETED, 0.5)
        task = f"{space.search_space_id}-task"
        records.append(NewExperiment(uuid4(), task, space.search_space_id, candidate, canonical, outcome))

    def work(connection):
        domains.knowledge.create_search_space(connection, namespace, space)
        task = Task(f"{space.search_space_id}-task", "", "accuracy", True, {}, {}, "", 0.0)
        domains.knowledge.create_task(connection, namespace, task)
        domains.knowledge.record(connection, namespace, records)

    run_transaction(domains.engine, work)


def broken_for(domains: Domains, space_id: str) -> VectorKeeper:
    """Embeds one space as not-a-number, as a model whose training diverged would."""

    def embed(namespace, search_space_id, embedding, canonicals):
        found = domains.prediction.embed(namespace, search_space_id, embedding, canonicals)
        return np.full_like(found, np.nan) if search_space_id == space_id else found

    return domains.knowledge.vector_keeper(embed, domains.prediction.choose_embedding)


def due_again(domains: Domains) -> None:
    """As if the pause after a failure had passed."""
    with domains.engine.begin() as connection:
        connection.execute(text("UPDATE index_failures SET retry_at = clock_timestamp()"))


def set_aside(domains: Domains) -> list[tuple[str, str]]:
    with domains.engine.connect() as connection:
        return [(found.namespace, found.search_space_id) for found in failures.set_aside(connection)]


def serves(domains: Domains, space_id: str, namespace: str = "default") -> bool:
    index = domains.knowledge.vectors.serving(namespace, space_id, fresh=True)
    return index is not None and index.vector_count >= 0


def test_one_space_that_cannot_be_embedded_keeps_no_other_from_the_index(domains: Domains, caplog) -> None:
    record(domains, floats("bad"), [0.1])
    record(domains, floats("good"), [0.2, 0.3])
    keeper = broken_for(domains, "bad")
    assert keeper.deliver() == 2
    assert serves(domains, "good")
    # It is not tried again at once.
    assert keeper.deliver() == 0
    assert domains.knowledge.outbox_depth() == 1
    assert "default/bad" in caplog.text


def test_space_is_set_aside_after_some_tries_and_told(domains: Domains, settings: Settings, caplog) -> None:
    record(domains, floats("bad"), [0.1])
    keeper = broken_for(domains, "bad")
    for tries in range(failures.MOST_TRIES):
        assert set_aside(domains) == [], tries
        due_again(domains)
        keeper.deliver()
    assert set_aside(domains) == [("default", "bad")]
    assert "set aside" in caplog.text
    Gauges(domains).read()
    assert metrics.INDEX_SPACES_SET_ASIDE._value.get() == 1
    # What waits for it is told by that gauge, and is no lag of the index.
    assert domains.knowledge.outbox_lag_seconds() == 0
    finding = set_aside_finding(domains.engine)
    assert "default/bad" in finding.text
    assert "NaN" in finding.text


def test_space_that_can_be_embedded_again_comes_back_by_itself(domains: Domains) -> None:
    record(domains, floats("bad"), [0.1])
    keeper = broken_for(domains, "bad")
    for _ in range(failures.MOST_TRIES):
        due_again(domains)
        keeper.deliver()
    due_again(domains)
    assert Worker(domains)._vectors.deliver() == 1
    assert set_aside(domains) == []
    assert domains.knowledge.outbox_depth() == 0
    assert serves(domains, "bad")


def test_reindex_tries_a_space_that_was_set_aside_at_once(domains: Domains) -> None:
    record(domains, floats("bad"), [0.1])
    keeper = broken_for(domains, "bad")
    for _ in range(failures.MOST_TRIES):
        due_again(domains)
        keeper.deliver()
    mended = domains.knowledge.vector_keeper(domains.prediction.embed, domains.prediction.choose_embedding)
    mended.rebuild_all()
    assert set_aside(domains) == []
    while mended.deliver() or mended.build():
        pass
    assert serves(domains, "bad")


def test_version_that_cannot_be_built_keeps_no_other_from_being_built(domains: Domains) -> None:
    record(domains, floats("bad"), [0.1])
    record(domains, floats("good"), [0.2])
    Worker(domains).drain()
    keeper = broken_for(domains, "bad")
    keeper.rebuild_all()
    for _ in range(4):
        keeper.build()
    with domains.engine.connect() as connection:
        states = connection.execute(
            text("SELECT name, state FROM vector_indexes JOIN search_spaces ON id = search_space_id")
        ).all()
    assert ("good", "BUILDING") not in states
    assert ("bad", "BUILDING") in states


def test_space_with_many_rows_lets_others_go_between(domains: Domains, monkeypatch) -> None:
    monkeypatch.setattr(indexer, "_OF_ONE_SPACE", 5)
    monkeypatch.setattr(indexer, "_DELIVERED", 5)
    record(domains, floats("large"), [index / 100 for index in range(20)])
    record(domains, floats("small"), [0.5])
    keeper = domains.knowledge.vector_keeper(domains.prediction.embed, domains.prediction.choose_embedding)
    keeper.deliver()
    keeper.deliver()
    assert serves(domains, "small")
    assert domains.knowledge.outbox_depth() == 10


@pytest.mark.parametrize(
    ("lower", "upper", "logarithmic"),
    [
        (-1e308, 1e308, False),
        (-1.5e308, 1.5e308, False),
        (1e-200, 1e200, True),
        (5e-324, 1.7976931348623157e308, True),
    ],
)
def test_range_wider_than_the_largest_float_has_a_place_in_the_index(
    domains: Domains, lower: float, upper: float, logarithmic: bool
) -> None:
    record(domains, floats("wide", lower, upper, logarithmic), [lower, 1.0, upper])
    Worker(domains).drain()
    assert serves(domains, "wide")
    features = domains.prediction.features("default", "wide")
    space = domains.knowledge.search_space("default", "wide")
    canonicals = [domains.knowledge.canonical("default", space, Candidate({"x": x})) for x in (lower, 1.0, upper)]
    places = features.vectors(canonicals)[:, 0].tolist()
    assert places[0] == 0.0
    assert 0.0 < places[1] < 1.0
    assert places[2] == pytest.approx(1.0)


STRANGE = ["team-a'; drop/writer", " team-a", "команда", "a/b", "UPPER", "a b", "", "x" * 64, "a\nb"]


@pytest.mark.parametrize("name", STRANGE)
def test_namespace_of_another_grammar_is_not_made(domains: Domains, name: str) -> None:
    with domains.engine.begin() as connection:
        with pytest.raises(InvalidInput, match="namespace"):
            namespace_id(connection, name)
        assert connection.execute(text("SELECT count(*) FROM namespaces")).scalar_one() == 0


@pytest.mark.parametrize("name", ["team-a'; drop/writer", "команда", "a/b"])
def test_namespace_of_another_grammar_that_is_there_is_indexed(domains: Domains, name: str) -> None:
    """Servers before this one made it."""
    with domains.engine.begin() as connection:
        connection.execute(insert(namespaces).values(name=name))
    record(domains, floats("space"), [0.5], name)
    record(domains, floats("space"), [0.6])
    Worker(domains).drain()
    assert domains.knowledge.outbox_depth() == 0
    assert serves(domains, "space", name)
    assert serves(domains, "space")


def test_worker_that_comes_second_forgets_no_failure(domains: Domains) -> None:
    record(domains, floats("bad"), [0.1])
    keeper = broken_for(domains, "bad")
    for _ in range(failures.MOST_TRIES):
        due_again(domains)
        keeper.deliver()
    due_again(domains)
    with domains.engine.connect() as connection:
        space = connection.execute(text("SELECT id FROM search_spaces")).scalar_one()
    with claimed(domains.engine, f"deliver/{space}"):
        assert Worker(domains)._vectors.deliver() == 0
    assert set_aside(domains) == [("default", "bad")]
