"""A whole database copied out of a store at one moment, while others write to it, and into an empty place.

SQLite is copied by its own online backup in one step: with fewer pages a step it would begin again at every commit.
PostgreSQL is copied table by table in one snapshot, so no program beside the driver is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import sqlalchemy

from gateway.errors import Invalid, Refused
from gateway.store import migrations, tables
from gateway.store.database import Session, Store, driver_of, new_engine

DATABASE_FILE = "database.db"
"""The copy of a SQLite database."""
NUMBERED = ("audit", "ledger")
"""Tables whose numbers PostgreSQL hands out: it goes on after the last one copied in."""


def copy_out(store: Store, folder: Path) -> None:
    """Copy the database of a store into a folder: one file, or a file for each table."""
    if store.path is not None:
        copy_file(store.path, folder / DATABASE_FILE)
        return
    with store.read() as session:
        for name in _names():
            with open(_own(folder / f"{name}.copy"), "wb") as file:
                for piece in session.copied(f"COPY {name} ({_columns(name)}) TO STDOUT"):
                    file.write(piece)


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
    """Fill the empty PostgreSQL database at ``url`` with what ``copy_out`` wrote under this revision of the schema.
    Raises ``Refused`` where there is a store. It is filled whole or not at all."""
    engine = new_engine(url)
    try:
        if migrations.is_present(engine):
            raise Refused("there is a store in the database: restore into an empty one")
        migrations.create(engine, revision)
        with engine.begin() as connection:
            session = Session(driver_of(connection), True)
            for name in _names():
                session.copy_in(f"COPY {name} ({_columns(name)}) FROM STDIN", _pieces(folder / f"{name}.copy"))
            for name in NUMBERED:
                session.run(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'seq'), (SELECT max(seq) FROM {name})) "
                    f"WHERE EXISTS (SELECT 1 FROM {name})"
                )
    finally:
        engine.dispose()


def clear(url: str) -> None:
    """Remove a store that was copied into a PostgreSQL database, after it was found not to hold."""
    engine = new_engine(url)
    with engine.begin() as connection:
        tables.StoreInfo.metadata.drop_all(connection)
        connection.execute(sqlalchemy.text("DROP TABLE IF EXISTS alembic_version"))
    engine.dispose()


def counts(session: Session) -> dict[str, int]:
    """How many rows each table has."""
    return {name: session.value(f"SELECT count(*) FROM {name}") for name in _names()}


def _names() -> list[str]:
    return sorted(tables.StoreInfo.metadata.tables)


def _columns(name: str) -> str:
    return ", ".join(tables.StoreInfo.metadata.tables[name].columns.keys())


def _pieces(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(size):
            yield piece


def _own(path: Path) -> int:
    """A new file, for its owner only."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
