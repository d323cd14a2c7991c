"""Alembic's environment: runs the migrations on the connection that `upgrade` hands it."""

from alembic import context

from crisplens.areas import METADATA
from crisplens.core.working import WORKING

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=[METADATA, WORKING],
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
