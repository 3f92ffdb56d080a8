"""Arm statistics of other tasks: the newest ones, at a cost that does not grow with their number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, event, insert, select, text

from headstart_server.knowledge.tables import tasks
from headstart_server.knowledge.tasks import StoredTask, Task, create_task, find_task
from headstart_server.runtime.database.row_security import acting_for
from headstart_server.strategy.arm_statistics import read_statistics
from headstart_server.strategy.tables import strategy_arms

NAMESPACE, OTHER = "default", "other"
ARMS = ["random", "evolution"]
# Of these the last ones earned 1 with each pull, all before them nothing.
TASKS, NEWEST = 3_000, 40


@pytest.fixture
def filled(engine: Engine) -> StoredTask:
    """A task after many that pulled two arms, twice each, in a namespace beside another."""
    with engine.begin() as connection:
        for namespace, reward in ((NAMESPACE, 1.0), (OTHER, 0.5)):
            rows = [a_task(connection, namespace)._asdict()]
            rows[0].pop("id")
            copies = [{**rows[0], "name": f"task-{number}"} for number in range(TASKS)]
            numbers = sorted(connection.execute(insert(tasks).returning(tasks.c.id), copies).scalars())
            connection.execute(
                insert(strategy_arms),
                [pulled(number, arm, reward * (number in numbers[-NEWEST:])) for number in numbers for arm in ARMS],
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
        return find_task(connection, NAMESPACE, "asked")


def a_task(connection: Connection, namespace: str) -> Row[Any]:
    created = create_task(connection, namespace, Task("asked", "", "metric", True, {}, {}, "epoch", 100.0))
    return connection.execute(select(tasks).where(tasks.c.id == created.id)).one()


def pulled(task: int, arm: str, reward: float) -> dict[str, Any]:
    sums = dict.fromkeys(("weight", "reward_sum", "reward_square_sum"), 0.0)
    return {"task_id": task, "arm": arm, "tuned": False, "pulls": 2, "total_reward": 2 * reward, **sums}


def test_the_newest_other_tasks_of_the_namespace_tell_of_an_arm(engine, filled):
    with engine.connect() as connection:
        known = read_statistics(connection, filled, ARMS)
    for arm in ARMS:
        statistics = known[arm, False]
        assert (statistics.pulls, statistics.pending) == (0, 0)
        # Two pulls of each of the newest 50 tasks, the newest 40 of which earned 1 with each.
        assert (statistics.other_pulls, statistics.other_reward_sum) == (100, 80.0)


@pytest.mark.parametrize("tenant", [None, NAMESPACE])
@pytest.mark.parametrize(("names", "most"), [(ARMS, 500), (["new"], 2_500)])
def test_a_choice_reads_as_much_of_thousands_of_tasks_as_of_hundreds(engine, filled, names, most, tenant):
    sent: list[tuple[str, Any]] = []

    def keep(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "FROM strategy_arms" in statement:
            sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    with acting_for(tenant), engine.connect() as connection:
        read_statistics(connection, filled, names)
        ((statement, parameters),) = sent
        # Of what is served: the plan that was made without looking at the values.
        (name,) = connection.exec_driver_sql(
            "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%%strategy_arms%%'"
        ).scalars()
        placeholders = ", ".join(f"%({each})s" for each in dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {name} ({placeholders})"
        plan = connection.exec_driver_sql(explain, parameters).scalar_one()
    read = sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan[0]["Plan"])
        if node.get("Relation Name") in ("strategy_arms", "tasks")
    )
    assert 0 < read < most, json.dumps(plan)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
