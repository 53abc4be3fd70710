"""Alembic, configured in code: the schema is brought up in one transaction, or not at all.

As shipped, Alembic on SQLite is not all-or-nothing: a migration that fails after its first statement leaves half the
tables and every retry fails. Here the engine begins transactions itself, and each migration runs inside one. A schema
that is this code's already costs one look: every command and every worker opens a store, and Alembic is a tenth of a
second to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy.engine import Engine

from gateway.errors import Refused
from gateway.store import file_locks

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent
LOCK = 727002
"""The key of PostgreSQL's advisory lock that is held while a schema is brought up."""


def config() -> Config:
    """Alembic's settings, without an ini file."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.set_main_option("path_separator", "os")
    return settings


def is_present(engine: Engine) -> bool:
    """Whether the database holds a gateway's schema."""
    return _current(engine) is not None


def upgrade(engine: Engine) -> None:
    """Bring the schema up to this code's. Raises ``Refused`` when it is ahead of it."""
    if _is_current(engine):
        return
    with _alone(engine):
        if _is_current(engine):  # another process brought it up meanwhile
            return
        create(engine, "head")


def create(engine: Engine, revision: str) -> None:
    """Bring the schema up to a revision. Raises ``Refused`` for one that this code does not know."""
    from alembic import command

    if revision not in (*revisions(), "head"):
        raise Refused("the schema is newer than this gateway")
    settings = config()
    with engine.connect() as connection:
        settings.attributes["connection"] = connection.execution_options(gateway_write=True)
        command.upgrade(settings, revision)


def _is_current(engine: Engine) -> bool:
    """Whether the schema is this code's. Raises ``Refused`` when it is ahead of it."""
    known, current = revisions(), _current(engine)
    if current is not None and current not in known:
        raise Refused("the database's schema is newer than this gateway")
    return current == known[-1]


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """One process at a time brings a schema up; others wait. The lock ends with the block, or with the process. Each
    migration is a transaction of its own, so that on SQLite too a lock must hold across them: that of its writers."""
    if engine.dialect.name != "postgresql":
        with file_locks.held(engine, file_locks.TURN):
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")


def revisions() -> list[str]:
    """The revisions of this code in their order: what the files of ``versions/`` are called before their first
    underscore."""
    return sorted(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))


def _current(engine: Engine) -> str | None:
    if not sqlalchemy.inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
