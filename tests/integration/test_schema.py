"""The schema is the one that was agreed upon, can be reached from every released one with data in it, and left again.

``python -m tests.integration.test_schema`` writes the golden dump anew, after a revision that was meant to change it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from headstart_server.runtime.database.engine import SCHEMA_REVISION, check_schema, create_engine
from headstart_server.runtime.database.migration import alembic_config, migrate, step_back
from headstart_server.runtime.local.child import running_postgres
from headstart_server.runtime.local.databases import EmbeddedPostgres, installed_binaries
from headstart_server.runtime.settings import load_settings

GOLDEN = Path(__file__).with_name("schema.sql")
REVISIONS = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]

# What a database of each revision may hold, besides what those before it could.
DATA = {
    "0001": (
        "INSERT INTO namespaces (id, name) VALUES (7, 'default'), (8, 'other')",
        """INSERT INTO search_spaces (id, namespace_id, name, declaration) VALUES
           (3, 7, 'cells', '{}'), (4, 8, 'mlp', '{}')""",
        """INSERT INTO tasks (id, namespace_id, name, description, metric, maximize, descriptor, meta_features,
           fidelity_unit, max_fidelity) VALUES (5, 7, 'cora', 'é, ''quoted''', 'accuracy', true, '{}', '{}', '', 0)""",
        """INSERT INTO architectures (id, search_space_id, fingerprint, candidate, canonical) VALUES
           (1, 3, 'a', '{}', '{"graph": null, "values": []}')""",
        """INSERT INTO experiments (task_id, search_space_id, sequence, request_id, content_hash, architecture_id,
           candidate, status, objective_value, metrics, curve_fidelities, curve_values, proxies, worker_id)
           VALUES (5, 3, 1, gen_random_uuid(), 'x', 1, '{}', 1, 0.5, '{}', '{1, 2}', '{0.25, 0.5}', '{}', 'me')""",
        "INSERT INTO task_summaries (task_id, search_space_id, experiment_count) VALUES (5, 3, 1)",
        "INSERT INTO outbox (architecture_id) VALUES (1)",
        """INSERT INTO strategy_decisions (id, task_id, arm, hyperparameters, probability, expected_reward, reason,
           context, expires_at) VALUES (gen_random_uuid(), 5, 'random', '{}', 0.5, 0.1, '', '{}', 'infinity')""",
        """INSERT INTO strategy_arms (task_id, arm, pulls, reward_sum, reward_square_sum)
           VALUES (5, 'random', 3, 1.5, 1)""",
    ),
    "0002": (
        # A removal that the vector index has not heard of.
        "INSERT INTO outbox (search_space_id, fingerprint) VALUES (3, 'gone')",
        """INSERT INTO task_clusters (namespace_id, number, name, description, medoid)
           VALUES (7, 1, 'graphs', '', 'cora')""",
        "INSERT INTO task_cluster_members (task_id, namespace_id, number, x, y) VALUES (5, 7, 1, 0, 0)",
        "INSERT INTO task_embeddings (task_id, search_space_id, version, profile, experiment_count) "
        "VALUES (5, 3, '1', '{0.5}', 1)",
    ),
    "0003": (
        """INSERT INTO strategy_models (namespace_id, kind, number, state, metrics, artefact, training_size,
           trained_through, training_seconds) VALUES (7, 'prior', 1, 'serving', '{}', '\\x00ff', 3, 4, 0.5)""",
    ),
    "0004": (
        "INSERT INTO tokens (namespace_id, name, role, digest) VALUES (7, 'workers', 'writer', '\\x01')",
        "INSERT INTO quotas (namespace_id, tasks) VALUES (7, 3)",
        "INSERT INTO audit_log (namespace, actor, action, subject) VALUES ('default', 'me', 'made', 'token 1')",
    ),
}
KEPT = {
    "0001": {
        "SELECT name FROM namespaces ORDER BY id": ["default", "other"],
        "SELECT name FROM search_spaces ORDER BY id": ["cells", "mlp"],
        "SELECT description FROM tasks": ["é, 'quoted'"],
        "SELECT fingerprint FROM architectures": ["a"],
        "SELECT curve_values FROM experiments": [[0.25, 0.5]],
        "SELECT experiment_count FROM task_summaries": [1],
        "SELECT architecture_id FROM outbox WHERE architecture_id IS NOT NULL": [1],
        "SELECT arm FROM strategy_decisions": ["random"],
        "SELECT ARRAY[pulls, reward_sum, reward_square_sum] FROM strategy_arms": [[3, 1.5, 1]],
    },
    "0002": {
        "SELECT fingerprint FROM outbox WHERE architecture_id IS NULL": ["gone"],
        "SELECT name FROM task_clusters": ["graphs"],
    },
    "0003": {"SELECT encode(artefact, 'hex') FROM strategy_models": ["00ff"]},
    "0004": {
        "SELECT role FROM tokens": ["writer"],
        "SELECT tasks FROM quotas": [3],
        "SELECT action FROM audit_log": ["made"],
    },
}


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(load_settings(database_url=empty_database_url))
    yield engine
    engine.dispose()


def go(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def fill(engine: Engine, through: str) -> None:
    """A database of that revision with rows in it, come to as such databases did: revision by revision."""
    for revision in REVISIONS[: REVISIONS.index(through) + 1]:
        go(engine, revision)
        with engine.begin() as connection:
            for statement in DATA.get(revision, ()):
                connection.exec_driver_sql(statement)


def assert_kept(engine: Engine, through: str) -> None:
    with engine.connect() as connection:
        for revision in REVISIONS[: REVISIONS.index(through) + 1]:
            for question, answer in KEPT.get(revision, {}).items():
                assert connection.exec_driver_sql(question).scalars().all() == answer, question


def dump(engine: Engine) -> str:
    """Every object of the schema, as ``pg_dump`` writes it, without what names the program's version."""
    binaries = installed_binaries()
    program = str(binaries / "pg_dump") if binaries is not None else shutil.which("pg_dump")
    assert program is not None
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = ["--schema-only", "--no-owner", "--no-privileges", f"--dbname={url}"]
    written = subprocess.run([program, *options], capture_output=True, text=True, check=True).stdout
    # Its session settings and the random word of \\restrict differ from one version, or one run, to the next.
    lines = [line for line in written.splitlines() if not re.match(r"--|SET |SELECT pg_catalog|\\", line)]
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip() + "\n"


def test_schema_is_the_golden_one(empty: Engine) -> None:
    migrate(empty)
    assert dump(empty) == GOLDEN.read_text(), "meant to change? python -m tests.integration.test_schema"


@pytest.mark.parametrize("released", REVISIONS)
def test_every_released_schema_comes_to_this_one_with_its_rows(empty: Engine, released: str) -> None:
    fill(empty, released)
    assert migrate(empty) == (released, SCHEMA_REVISION)
    check_schema(empty)
    assert_kept(empty, released)
    assert dump(empty) == GOLDEN.read_text()


def test_one_step_down_keeps_what_the_last_version_knew_and_the_way_up_is_open(empty: Engine) -> None:
    before = REVISIONS[-2]
    fill(empty, before)
    earlier = dump(empty)
    migrate(empty)
    with empty.begin() as connection:
        for statement in DATA.get(SCHEMA_REVISION, ()):
            connection.exec_driver_sql(statement)
    assert step_back(empty) == (SCHEMA_REVISION, before)
    assert dump(empty) == earlier
    assert_kept(empty, before)
    assert migrate(empty) == (before, SCHEMA_REVISION)
    assert dump(empty) == GOLDEN.read_text()


@pytest.mark.parametrize("revision", REVISIONS[1:])
def test_each_revision_can_be_undone_with_its_rows_and_done_again(empty: Engine, revision: str) -> None:
    before = REVISIONS[REVISIONS.index(revision) - 1]
    fill(empty, before)
    earlier = dump(empty)
    go(empty, revision)
    with empty.begin() as connection:
        for statement in DATA.get(revision, ()):
            connection.exec_driver_sql(statement)
    undo(empty)
    assert dump(empty) == earlier
    assert_kept(empty, before)
    assert migrate(empty) == (before, SCHEMA_REVISION)
    assert_kept(empty, before)
    assert dump(empty) == GOLDEN.read_text()


def test_arms_with_settings_of_their_own_are_counted_with_the_others_one_revision_back(empty: Engine) -> None:
    fill(empty, "0003")
    arms = (
        "UPDATE strategy_arms SET pulls = 4, weight = 2, reward_sum = 1, total_reward = 2, reward_square_sum = 0.75",
        """INSERT INTO strategy_arms (task_id, arm, tuned, pulls, weight, reward_sum, total_reward, reward_square_sum)
           VALUES (5, 'random', true, 6, 3, 1, 2.5, 1), (5, 'evolution', true, 1, 1, 0.5, 0.5, 0.25)""",
    )
    with empty.begin() as connection:
        for statement in arms:
            connection.exec_driver_sql(statement)
    undo(empty)
    with empty.connect() as connection:
        question = "SELECT arm, pulls, reward_sum, reward_square_sum FROM strategy_arms ORDER BY arm"
        assert connection.exec_driver_sql(question).all() == [("evolution", 1, 0.5, 0.25), ("random", 10, 4.5, 3.5)]


def undo(engine: Engine) -> None:
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")


def write_golden() -> None:
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        directory = Path(place)
        directory.chmod(0o711)
        server = EmbeddedPostgres(directory / "postgresql")
        server.prepare()
        with running_postgres(server, directory / "log"):
            server.ensure_database()
            engine = create_engine(load_settings(database_url=server.url()))
            migrate(engine)
            GOLDEN.write_text(dump(engine))
            engine.dispose()
    sys.stdout.write(f"{GOLDEN}\n")


if __name__ == "__main__":
    write_golden()
