"""Row-level security: transactions of a caller run as a PostgreSQL role that sees one namespace only.

Every query names its namespace; row-level security covers a query that forgot it. While ``tenant`` is set, each
transaction of a watched engine runs as a role that is neither owner nor superuser, so that the policies apply to it.
Role and namespace are sent with the transaction's first statement, in the same message, and end with the transaction.
Work for all namespaces (workers, commands, lookups of tokens before the namespace is known) leaves ``tenant`` unset
and runs as the login, which owns the tables and is not subject to policies.

If the role does not exist, or the login may not take it, transactions run as the login; ``problem`` says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from psycopg2.extensions import STATUS_READY
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from headstart_server.runtime.database import prepared_statements
from headstart_server.runtime.errors import StartupError

# The namespace that the current work is for; None: for no caller.
tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

# The rights of the role on each table: what calls need, and no more.
PRIVILEGES = {
    "namespaces": "SELECT, INSERT, UPDATE",
    "search_spaces": "SELECT, INSERT, UPDATE",
    "tasks": "SELECT, INSERT, UPDATE, DELETE",
    "task_summaries": "SELECT, INSERT, UPDATE",
    "architectures": "SELECT, INSERT, UPDATE, DELETE",
    "experiments": "SELECT, INSERT",
    "outbox": "SELECT, INSERT",
    "vector_indexes": "SELECT",
    "task_embeddings": "SELECT",
    "meta_feature_weights": "SELECT",
    "task_clusters": "SELECT",
    "task_cluster_members": "SELECT",
    "model_versions": "SELECT",
    "strategy_decisions": "SELECT, INSERT, UPDATE",
    "strategy_arms": "SELECT, INSERT, UPDATE",
    "strategy_models": "SELECT",
    "recent_suggestions": "SELECT, INSERT, DELETE",
    "requests": "SELECT, INSERT",
    # An insertion returns its number.
    "jobs": "SELECT (id), INSERT",
    "audit_log": "SELECT (id), INSERT",
}
# Tables read before the namespace is known, or by workers alone.
NOT_FOR_TENANTS = frozenset({"tokens", "quotas", "index_failures"})

# PostgreSQL 16 distinguishes membership from the right to become the role. One table stands for all, because they are
# granted in one transaction.
_STATE = """
    SELECT role.oid IS NOT NULL AS is_there,
        coalesce(pg_has_role(role.oid, CASE WHEN CAST(current_setting('server_version_num') AS integer) >= 160000
            THEN 'SET' ELSE 'MEMBER' END), false) AS may_be_taken,
        coalesce(has_table_privilege(role.oid, CAST(to_regclass('experiments') AS oid), 'INSERT'), false) AS has_tables,
        coalesce(role.rolsuper OR role.rolbypassrls OR pg_has_role(role.oid, tables.relowner, 'USAGE'), false)
            AS is_free,
        session_user AS login
    FROM (SELECT '{role}' AS name) AS asked LEFT JOIN pg_roles AS role ON role.rolname = asked.name
    LEFT JOIN pg_class AS tables ON tables.oid = to_regclass('experiments')
"""
_PARTITIONS = (
    "SELECT CAST(CAST(inhrelid AS regclass) AS text) FROM pg_inherits WHERE inhparent = to_regclass('experiments')"
)
# "$user" in the search path would be the role.
_KEEP_SEARCH_PATH = """
    SELECT set_config('search_path', string_agg(quote_ident(name), ', '), false)
    FROM unnest(current_schemas(false)) AS name
"""
# One statement: the subquery still reads as the login. Prepared once for a connection.
_PREPARE_ENTRANCE = """
    PREPARE headstart_enter (text) AS SELECT set_config('headstart.namespace', $1, true),
        set_config('headstart.namespace_id', (SELECT id::text FROM namespaces WHERE name = $1), true),
        set_config('role', '{role}', true)
"""


@contextmanager
def acting_for(namespace: str | None) -> Iterator[None]:
    """The block acts for this namespace."""
    before = tenant.set(namespace)
    try:
        yield
    finally:
        tenant.reset(before)


def watch(engine: Engine, role: str) -> None:
    """Run tenants' statements as this role from now on; with an empty name, as the login.

    Prepared statements are set up too: the role has to be taken before them.
    """
    if role:
        listener = _TenantRoleListener(role)
        event.listen(engine, "connect", listener.look)
        event.listen(engine, "do_execute", listener.execute)
        event.listen(engine, "do_execute_no_params", listener.execute_without_parameters)
        event.listen(engine, "do_executemany", listener.precede)
    prepared_statements.watch(engine)


def problem(engine: Engine, role: str) -> str | None:
    """Why calls run as the login, and what to do; None if they run as the role. Raises Unavailable."""
    if not role:
        return "HEADSTART_TENANT_ROLE is empty"
    with engine.connect() as connection:
        result = connection.execute(text(_STATE.format(role=role))).one()
    grant = f'GRANT {role} TO "{result.login}"'
    if not result.is_there:
        return (
            f"there is no role {role}, and the login may not make it: as one who may, CREATE ROLE {role} NOLOGIN; "
            f"{grant}; then run headstart-server migrate"
        )
    if not result.may_be_taken:
        return f"the login may not take the role {role}: as one who may, {grant}"
    if result.is_free:
        return f"policies do not bind the role {role}: it owns the tables, is a superuser or has BYPASSRLS"
    return None if result.has_tables else f"the role {role} may not use the tables: run headstart-server migrate"


def require_free_login(engine: Engine) -> None:
    """Raises StartupError if the policies apply to the login itself, which then sees no rows."""
    with engine.connect() as connection:
        bound = connection.execute(text("SELECT row_security_active('experiments')")).scalar_one()
    if bound:
        raise StartupError(
            "The database login does not own Headstart's tables, so row-level security hides their rows from it: "
            "use the login that ran `headstart-server migrate`, or grant that one to it"
        )


def prepare_role(connection: Connection, role: str) -> None:
    """Create the role if it does not exist, and let it use the tables, as far as the login may grant that."""
    if not role:
        return
    state = text(_STATE.format(role=role))
    result = connection.execute(state).one()
    if not result.is_there:
        # Roles belong to the cluster: another database's migration may create the same one.
        _try(connection, f"CREATE ROLE {role} NOLOGIN")
        result = connection.execute(state).one()
    if not result.is_there:
        return
    if not result.may_be_taken:
        _try(connection, f"GRANT {role} TO CURRENT_USER")
    schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    _try(connection, f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    # Lists of a task by time read its partition.
    partitions = connection.execute(text(_PARTITIONS)).scalars().all()
    for table, privileges in {**PRIVILEGES, **dict.fromkeys(partitions, "SELECT")}.items():
        connection.execute(text(f"GRANT {privileges} ON {table} TO {role}"))
        sequence = connection.execute(text("SELECT to_regclass(:name)"), {"name": f"{table}_id_seq"}).scalar_one()
        if sequence is not None and "INSERT" in privileges:
            connection.execute(text(f"GRANT USAGE ON SEQUENCE {sequence} TO {role}"))


def _try(connection: Connection, statement: str) -> None:
    """Execute; ``problem`` reports failures."""
    with suppress(DBAPIError), connection.begin_nested():
        connection.execute(text(statement))


class _TenantRoleListener:
    """Listens to an engine. Connections are the driver's."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._state = _STATE.format(role=role)
        self._prepare_entrance = _PREPARE_ENTRANCE.format(role=role)
        # Connections whose login may take the role.
        self._ready: WeakSet[Any] = WeakSet()

    def look(self, connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self._state)
            is_there, may_be_taken, has_tables, is_free, _login = cursor.fetchone()
            if is_there and may_be_taken and has_tables and not is_free:
                cursor.execute(_KEEP_SEARCH_PATH)
                cursor.execute(self._prepare_entrance)
                self._ready.add(connection)
        connection.commit()

    def execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        """Whether it was sent here: tenants' statements are."""
        if tenant.get() is None or cursor.connection not in self._ready:
            return False
        entrance = (self._entrance(cursor) or "").replace("%", "%%")
        prepared_statements.send(cursor, statement, parameters, context, before=entrance, role=self._role)
        return True

    def execute_without_parameters(self, cursor: Any, statement: str, _: object) -> bool:
        entrance = self._entrance(cursor)
        if entrance is None:
            return False
        cursor.execute(entrance + statement)
        return True

    def precede(self, cursor: Any, *_: object) -> None:
        # The driver sends one statement for each of the rows.
        entrance = self._entrance(cursor)
        if entrance is not None:
            cursor.execute(entrance)

    def _entrance(self, cursor: Any) -> str | None:
        """The statements before the first one of a tenant's transaction; None otherwise."""
        namespace = tenant.get()
        if namespace is None or cursor.connection.status != STATUS_READY or cursor.connection not in self._ready:
            return None
        entrance: bytes = cursor.mogrify("EXECUTE headstart_enter (%s); ", (namespace,))
        return entrance.decode()
