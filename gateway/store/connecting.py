"""How a database is reached: the engine of SQLite or PostgreSQL, configured the one safe way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from gateway.errors import Refused

LEAST_SQLITE = (3, 51, 3)  # WAL-reset corruption below (reference: operations §5)
BUSY_SECONDS = 30
POOL_SECONDS = 10
"""Seconds that a request waits for a connection of the pool."""
NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A PostgreSQL server that no longer answers is noticed within these seconds (the last in ms)."""
AGAIN_SECONDS = 0.02
PAGES_KB = 256 * 1024
"""Memory for pages that a connection to SQLite may keep."""


def new_engine(url: str) -> Engine:
    """The engine of a database, configured the one safe way."""
    if url.startswith("sqlite"):
        return _sqlite(Path(url.split("///", 1)[1]))
    return sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), hide_parameters=True, pool_size=10, pool_timeout=POOL_SECONDS,
        connect_args={"options": "-c synchronous_commit=on", **NETWORK},  # whatever the server's default: an answer waits for its audit on disk
    )  # fmt: skip


def _sqlite(path: Path) -> Engine:
    if sqlite.sqlite_version_info < LEAST_SQLITE:
        raise Refused(f"SQLite {sqlite.sqlite_version} is older than {'.'.join(map(str, LEAST_SQLITE))}")
    if not path.parent.is_dir():
        raise Refused(
            "the folder of the database does not exist: `gateway init` makes the data folder, and a store in it"
        )
    os.close(
        os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    )  # SQLite gives its WAL the mode of the database: nobody else reads either, ever
    # No reader waits for another's connection: the event loop reads too, and may not wait. The threads that there are
    # bound how many are open; those beyond the pool's size are closed after use.
    engine = sqlalchemy.create_engine(
        f"sqlite+pysqlite:///{path}", module=sqlite, hide_parameters=True, pool_size=16, max_overflow=-1,
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def settings(connection: sqlite.Connection, _record: object) -> None:
        # No mmap_size: never with writers in other processes (a stray write or a cut file is then corruption,
        # reference: reliability §1).
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", f"cache_size=-{PAGES_KB}", "temp_store=MEMORY", "mmap_size=0",
                       "wal_autocheckpoint=16000", "trusted_schema=OFF"):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # One statement decides who waits: a deferred transaction that reads and then writes is refused at once
        # (store.md, Audit).
        options = connection.get_execution_options()
        if not options.get("gateway_joined"):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("gateway_write") else "BEGIN")

    return engine


def _write_ahead(connection: sqlite.Connection) -> None:
    """Put the database into WAL mode. Of two processes that do so at once with a new one, SQLite refuses the second
    without waiting: it tries again."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite.OperationalError as error:
            if (getattr(error, "sqlite_errorcode", 0) & 0xFF) != sqlite.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(AGAIN_SECONDS)
