"""Alembic's entry: runs the revisions on the connection that the server's ``migration`` module hands over."""

from alembic import context

from headstart_server.runtime.database.engine import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
