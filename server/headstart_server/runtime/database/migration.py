"""Bringing the tables to this version's revision: one transaction, one migrator at a time.

The revisions are in ``migrations/`` and are frozen: they know nothing of the rooms' present tables. Servers never
migrate; they check (``database.check_schema``) and name the command.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

import headstart_server
from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import SCHEMA_REVISION, revision_of, without_timeouts
from headstart_server.runtime.errors import SchemaMismatch, StartupError
from headstart_server.runtime.settings import DEFAULT_TENANT_ROLE

# A fixed number that other users of the same database are unlikely to lock.
_ADVISORY_LOCK = 7_305_804_402_566_189
OLDEST_POSTGRES = 140_000


def migrate(engine: Engine, tenant_role: str = DEFAULT_TENANT_ROLE) -> tuple[str | None, str]:
    """Upgrade to the newest revision; returns the revisions before and after.

    The tenant role is created and gets its rights, as far as the login may grant them. Raises StartupError for a
    PostgreSQL that is too old, or a database that is newer than this version.
    """
    with engine.begin() as connection:
        before = upgrade(connection)
        row_security.prepare_role(connection, tenant_role)
    return before, SCHEMA_REVISION


def upgrade(connection: Connection, revision: str = "head") -> str | None:
    """Upgrade within the caller's transaction; returns the revision before. Raises as ``migrate`` does."""
    without_timeouts(connection)
    # Waits for another migrator, which may then have done the work.
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if version < OLDEST_POSTGRES:
        raise StartupError(f"Headstart needs PostgreSQL 14 or newer, this server is version {version // 10_000}")
    before = revision_of(connection)
    if before is not None and before > SCHEMA_REVISION:
        raise SchemaMismatch(
            f"The database is at schema revision {before}, newer than this version's {SCHEMA_REVISION}: "
            "install the newer headstart"
        )
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    return before


def step_back(engine: Engine) -> tuple[str, str]:
    """Undo the newest revision, for the version before it; returns the revisions before and after.

    Data that only the newest revision can hold are deleted. Raises SchemaMismatch if the database is not at it.
    """
    with engine.begin() as connection:
        without_timeouts(connection)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        before = revision_of(connection)
        if before != SCHEMA_REVISION:
            raise SchemaMismatch(
                f"The database is at schema revision {before or 'none'}, and one step back leads from {SCHEMA_REVISION}"
            )
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
        after = revision_of(connection)
        assert after is not None
    return before, after


def known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def alembic_config() -> Config:
    config = Config()
    # ConfigParser takes a percent sign for the beginning of a placeholder.
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _migrations() -> Path:
    """Inside the package of an installed wheel; beside the sources in a checkout."""
    package = Path(headstart_server.__file__).parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").exists():
            return folder
    raise StartupError("This installation lacks its migrations: install headstart again")
