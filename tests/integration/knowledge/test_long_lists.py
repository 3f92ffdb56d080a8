"""A call that lists experiments reads so many and no more, however few of them it may return."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.values import ExperimentOrder
from headstart_server.api.handlers.experiment_lists import list_experiments
from headstart_server.knowledge.experiments import listing
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.runtime.database.engine import run_transaction
from tests.integration.knowledge.hands import NAMESPACE, SPACE, Recorder, a_task, candidates, completed

FLAT = SearchSpace("flat", parameters=(Parameter("size", Categorical((1, 2, 3))),))
MANY, FEW, READ = 60, 3, 20
RECORDING, VALUE, TIME = (order.value for order in ExperimentOrder)


@pytest.fixture
def tasks(
    engine: Engine, knowledge: KnowledgeService, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """Two tasks in one partition. One has many results, at last a few in another space; then the other has a few."""
    monkeypatch.setattr(listing, "_BATCH", 5)
    monkeypatch.setattr(listing, "_LONGEST_STEP", READ)
    monkeypatch.setattr(listing, "_LONGEST_READ", READ)

    def create(connection):
        knowledge.create_search_space(connection, NAMESPACE, FLAT)
        for number in range(17):
            knowledge.create_task(connection, NAMESPACE, a_task(f"task-{number}"))
        together = (
            "SELECT min(name), max(name) FROM tasks, generate_series(0, 15) number "
            "WHERE satisfies_hash_partition('experiments'::regclass, 16, number, id) GROUP BY number "
            "HAVING count(*) > 1"
        )
        return connection.execute(text(together)).first()

    crowd, rare = run_transaction(engine, create)
    flat = Candidate({"size": 1})
    canonical = knowledge.canonical(NAMESPACE, FLAT, flat)
    tried = candidates(1)[0]
    recorder.record(*(recorder.new(tried, completed(0.5), crowd) for _ in range(MANY)))
    recorder.record(*(NewExperiment(uuid4(), crowd, "flat", flat, canonical, completed(0.9)) for _ in range(FEW)))
    recorder.record(*(recorder.new(tried, completed(0.9), rare) for _ in range(FEW)))
    return crowd, rare


def pages(knowledge: KnowledgeService, **asked: object) -> Iterator[pb2.ListExperimentsResponse]:
    request = pb2.ListExperimentsRequest(page_size=1000, **asked)
    for _ in range(50):
        page = list_experiments(knowledge, NAMESPACE, request)
        yield page
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
    raise AssertionError("no last page")


@pytest.mark.parametrize("order", [RECORDING, VALUE, TIME])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("asked", [{"statuses": [2]}, {"proxies": {"flops": {}}}, {"min_node_count": 1000}])
def test_filter_that_lets_nothing_through_gives_empty_pages_until_all_is_read(
    tasks, knowledge, order, descending, asked
):
    found = list(pages(knowledge, task_id=tasks[0], order_by=order, descending=descending, filter=asked))
    assert not any(page.experiments for page in found)
    assert MANY / READ <= len(found) <= 6


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("order", "task", "space"), [(TIME, None, "flat"), (TIME, 0, "flat"), (VALUE, 0, "flat"), (TIME, 1, "")]
)
def test_few_among_many_are_found_by_calls_that_each_read_so_many(tasks, knowledge, order, task, space, descending):
    task_id = "" if task is None else tasks[task]
    found = list(pages(knowledge, task_id=task_id, search_space_id=space, order_by=order, descending=descending))
    names = [each.experiment_id for page in found for each in page.experiments]
    whole = [f"{tasks[task or 0]}/{space or SPACE.search_space_id}/{number}" for number in range(1, FEW + 1)]
    assert names == (whole[::-1] if descending else whole)
    assert len(found) >= MANY / READ
    assert bool(found[0].experiments) is descending


def test_last_sequence_of_an_empty_page_is_not_before_what_was_read(tasks, knowledge):
    where = {"task_id": tasks[0], "search_space_id": SPACE.search_space_id, "filter": {"statuses": [2]}}
    told = [page.last_sequence for page in pages(knowledge, **where)]
    assert told == sorted(told)
    assert told[-1] > READ


def test_everything_is_listed_once_with_and_without_a_filter(tasks, knowledge):
    for asked, order in itertools.product(({}, {"statuses": [1]}), (RECORDING, VALUE, TIME)):
        found = pages(knowledge, task_id=tasks[0], order_by=order, filter=asked)
        names = [each.experiment_id for page in found for each in page.experiments]
        assert len(set(names)) == len(names) == MANY + FEW
