"""What follows from ``tables.py``: the text of the next migration, and of ``columns.py``."""

from __future__ import annotations

import sqlalchemy
from alembic.autogenerate import api
from alembic.migration import MigrationContext

WIDTH = 120
_COLUMNS = '''"""The columns of each table in their order, generated from ``tables.py``: do not edit.

``python -m gateway.store.migrations`` writes this file, and a test compares it with the tables. A process that only
runs plain statements starts without importing SQLModel.
"""

from gateway.store.statements import Columns

'''


def migration(
    connection: sqlalchemy.Connection, metadata: sqlalchemy.MetaData, title: str, number: str, before: str
) -> str:
    """The module of a migration that makes the connected database hold the tables; empty when it does.

    Alembic compares tables, columns, types, server defaults, indexes and unique constraints. Triggers, data and
    changes that SQLite cannot make by ALTER are for the author to write.
    """
    script = api.produce_migrations(comparison(connection), metadata)
    if script.upgrade_ops is None or script.upgrade_ops.is_empty():
        return ""
    body = api.render_python_code(script.upgrade_ops)
    return (
        f'"""{title}."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{number}"\ndown_revision = "{before}"\n\n\ndef upgrade() -> None:\n    {body}\n'
    )


def comparison(connection: sqlalchemy.Connection) -> MigrationContext:
    """What Alembic compares a database by: types and server defaults too."""
    options = {"compare_type": True, "compare_server_default": _is_other_default}
    return MigrationContext.configure(connection, opts=options)


def _is_other_default(
    _context: object, _inspected: object, _column: object, inspected: str | None, _default: object, rendered: str | None
) -> bool:
    """Whether a column has another server default. Alembic itself takes an empty text for none on SQLite."""
    return _bare(inspected) != _bare(rendered)


def _bare(default: str | None) -> str | None:
    """A default without its cast, brackets and quotes. A number from a sequence is no default of the table's."""
    if default is None or default.startswith("nextval("):
        return None
    return default.partition("::")[0].strip("()'")


def columns(metadata: sqlalchemy.MetaData) -> str:
    """The module of column lists: a line for each table, by name."""
    return _COLUMNS + "".join(_line(name, table.columns.keys()) for name, table in sorted(metadata.tables.items()))


def _line(table: str, names: list[str]) -> str:
    line = f"{table.upper()} = Columns({_quoted(table)}, ({', '.join(map(_quoted, names))}))"
    return f"{line}  # fmt: skip\n" if len(line) > WIDTH else f"{line}\n"


def _quoted(name: str) -> str:
    return f'"{name}"'
