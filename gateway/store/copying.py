"""A whole database copied out of a store at one moment, while others write to it, and into an empty place.

SQLite is copied by its own online backup in one step: with fewer pages a step it would begin again at every commit.
PostgreSQL is copied table by table in one snapshot, so no program beside the driver is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import pysqlite3.dbapi2 as sqlite
import sqlalchemy

from gateway.errors import Invalid, Refused
from gateway.store import migrations, tables
from gateway.store.connecting import new_engine
from gateway.store.database import Store
from gateway.store.session import Session, driver_of

T = TypeVar("T")
DATABASE_FILE, COLUMNS_FILE = "database.db", "columns.json"
"""The copy of a SQLite database; the columns of the tables of a PostgreSQL one."""
NUMBERED = ("audit", "ledger")
"""Tables whose numbers PostgreSQL hands out: it goes on after the last one copied in."""


def copy_out(store: Store, folder: Path, look: Callable[[Session], T]) -> T:
    """Copy the database of a store into a folder: one file, or a file for each table and one that names their columns.
    Returns what ``look`` sees in the copy, and not in the store, which others write to meanwhile."""
    if store.path is not None:
        copy_file(store.path, folder / DATABASE_FILE)
        with _reading_copy(folder / DATABASE_FILE) as session:
            return look(session)
    with store.read() as session:
        columns = _columns(session)
        with open(_own(folder / COLUMNS_FILE), "wb") as file:
            file.write(msgspec.json.encode(columns))
        for name, listed in columns.items():
            with open(_own(folder / f"{name}.copy"), "wb") as file:
                for piece in session.copied(f"COPY {name} ({', '.join(listed)}) TO STDOUT"):
                    file.write(piece)
        return look(session)


def revision(session: Session) -> str:
    """The revision of a database's schema."""
    return str(session.value("SELECT version_num FROM alembic_version"))


@contextmanager
def _reading_copy(path: Path) -> Iterator[Session]:
    """Read a copied file, which stays the one file that it is."""
    engine = sqlalchemy.create_engine(
        "sqlite+pysqlite://",
        module=sqlite,
        creator=lambda: sqlite.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True),
    )
    try:
        with engine.connect() as connection:
            yield Session(driver_of(connection), False, lambda: connection)
    finally:
        engine.dispose()


def copy_file(path: Path, copy: Path) -> None:
    """Copy a SQLite file in use, as of one moment, and check the copy. Raises ``Invalid`` for one that is damaged."""
    os.close(_own(copy))
    try:
        with closing(sqlite.connect(str(path))) as source, closing(sqlite.connect(str(copy))) as target:
            source.backup(target, pages=-1)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, which a hash can cover
            require_whole(target)
    except sqlite.DatabaseError:
        raise Invalid(f"{path.name}: the database is damaged") from None


def check_file(path: Path) -> None:
    """Raise ``Invalid`` where SQLite finds damage in a file."""
    with closing(sqlite.connect(str(path))) as connection:
        require_whole(connection)


def require_whole(connection: sqlite.Connection) -> None:
    """Raise ``Invalid`` where SQLite finds damage in a file."""
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise Invalid("the database is damaged")


def copy_in(url: str, revision: str, folder: Path) -> None:
    """Fill the empty PostgreSQL database at ``url`` with what ``copy_out`` wrote under this revision of the schema,
    which may be older than this code's: opening the store brings it up.

    Raises ``Refused`` where there is a store, ``Invalid`` where the columns are not that revision's. It is filled whole
    or not at all: after a failure the database is as empty as before.
    """
    columns = _read_columns(folder / COLUMNS_FILE)
    engine = new_engine(url)
    try:
        if migrations.is_present(engine):
            raise Refused("there is a store in the database: restore into an empty one")
        try:
            migrations.create(engine, revision)
            with engine.begin() as connection:
                _fill(Session(driver_of(connection), True), columns, folder)
        except BaseException:
            clear(url)
            raise
    finally:
        engine.dispose()


def _fill(session: Session, columns: dict[str, list[str]], folder: Path) -> None:
    if columns != _columns(session):
        raise Invalid("the backup: its columns are not those of its schema")
    for name, listed in columns.items():
        session.copy_in(f"COPY {name} ({', '.join(listed)}) FROM STDIN", _pieces(folder / f"{name}.copy"))
    for name in NUMBERED:
        session.run(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'seq'), (SELECT max(seq) FROM {name})) "
            f"WHERE EXISTS (SELECT 1 FROM {name})"
        )


def _read_columns(path: Path) -> dict[str, list[str]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except (OSError, msgspec.MsgspecError):
        raise Invalid("the backup: the columns of its tables cannot be read") from None


def clear(url: str) -> None:
    """Remove a store that was copied into a PostgreSQL database, after it was found not to hold."""
    engine = new_engine(url)
    with engine.begin() as connection:
        tables.StoreInfo.metadata.drop_all(connection)
        connection.execute(sqlalchemy.text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()


def _columns(session: Session) -> dict[str, list[str]]:
    """The columns of each table that a PostgreSQL database has of ours, in the order of its revision."""
    rows = session.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() "
        "ORDER BY table_name, ordinal_position"
    )
    columns: dict[str, list[str]] = {}
    for table, column in rows:
        if table in tables.StoreInfo.metadata.tables:
            columns.setdefault(table, []).append(column)
    return columns


def _pieces(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(size):
            yield piece


def _own(path: Path) -> int:
    """A new file, for its owner only."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
