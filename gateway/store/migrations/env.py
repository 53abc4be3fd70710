"""Run by Alembic: one transaction a migration, on the connection the gateway gives."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, transaction_per_migration=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
