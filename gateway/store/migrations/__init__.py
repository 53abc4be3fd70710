"""Alembic, configured in code: the schema is brought up in one transaction, or not at all.

As shipped, Alembic on SQLite is not all-or-nothing: a migration that fails after its first statement leaves half the tables and every retry
fails. Here the engine begins transactions itself, and each migration runs inside one.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from gateway.errors import Refused

HERE = Path(__file__).parent


def config() -> Config:
    """Alembic's settings, without an ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.set_main_option("path_separator", "os")
    return settings


def is_present(engine: Engine) -> bool:
    """Whether the database holds a gateway's schema."""
    return _current(engine) is not None


def upgrade(engine: Engine) -> None:
    """Bring the schema up to this code's. Raises ``Refused`` when it is ahead of it."""
    script = ScriptDirectory.from_config(config())
    current = _current(engine)
    if current == script.get_current_head():
        return
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise Refused("the database's schema is newer than this gateway")
    settings = config()
    with engine.connect() as connection:
        settings.attributes["connection"] = connection.execution_options(gateway_write=True)
        command.upgrade(settings, "head")


def _current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
