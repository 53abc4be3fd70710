"""Alembic, configured in code: the schema is brought up in one transaction, or not at all.

As shipped, Alembic on SQLite is not all-or-nothing: a migration that fails after its first statement leaves half the
tables and every retry fails. Here the engine begins transactions itself, and each migration runs inside one. A schema
that is this code's already costs one look: every command and every worker opens a store, and Alembic is a tenth of a
second to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy.engine import Engine

from gateway.errors import Refused

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent


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
    known = revisions()
    current = _current(engine)
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise Refused("the database's schema is newer than this gateway")
    from alembic import command

    settings = config()
    with engine.connect() as connection:
        settings.attributes["connection"] = connection.execution_options(gateway_write=True)
        command.upgrade(settings, "head")


def revisions() -> list[str]:
    """The revisions of this code in their order: what the files of ``versions/`` are called before their first
    underscore."""
    return sorted(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))


def _current(engine: Engine) -> str | None:
    if not sqlalchemy.inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
