"""One transaction: plain statements that serve SQLite and PostgreSQL by one text, and the connection of models."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import pysqlite3.dbapi2 as sqlite
from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    import psycopg


class Session:
    """One transaction. SQL is written with ``?`` and one text serves both databases.

    The connection is of SQLAlchemy's pool; what runs in it goes straight to the driver, whose answers are plain
    tuples. A statement that reads one row costs a fifth of what it costs with a result described around it.
    """

    def __init__(
        self,
        driver: sqlite.Connection | psycopg.Connection,
        postgres: bool,
        connection: Callable[[], Connection] | None = None,
    ):
        self.postgres, self._driver, self._execute = postgres, driver, driver.execute
        self._connection = connection
        self.now, self.commit_seq = 0, 0

    def connection(self) -> Connection:
        """SQLAlchemy's connection of this transaction: what ``models`` are read and written through."""
        if self._connection is None:
            raise RuntimeError("this session has no models")
        return self._connection()

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._execute(_dialect(sql, self.postgres), params).fetchall()

    def row(self, sql: str, *params: object) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return self._execute(_dialect(sql, self.postgres), params).fetchone()

    def value(self, sql: str, *params: object) -> Any:
        """The first column of the first row, or None."""
        row = self.row(sql, *params)
        return row[0] if row else None

    def stream(self, sql: str, *params: object, size: int = 2000) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few at a time, without holding them all."""
        with closing(
            self._driver.cursor(f"stream_{uuid.uuid4().hex}") if self.postgres else self._driver.cursor()
        ) as cursor:
            cursor.execute(_dialect(sql, self.postgres), params)
            while rows := cursor.fetchmany(size):
                yield from rows

    def run(self, sql: str, *params: object) -> int:
        """Change something; return how many rows it touched."""
        return self._execute(_dialect(sql, self.postgres), params).rowcount

    def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """The same change for every row of parameters."""
        if rows:
            self._driver.cursor().executemany(_dialect(sql, self.postgres), rows)

    def insert(self, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows: COPY on PostgreSQL, ``executemany`` on SQLite."""
        if not rows:
            return
        if self.postgres:
            with self._driver.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ",".join("?" * len(rows[0]))
            self.many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def ignore(self, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add the rows that are not there yet. Where all is integers PostgreSQL is told once, with a list for each
        column."""
        if rows and self.postgres and all(type(value) is int for value in rows[0]):
            marks = ",".join(["?::bigint[]"] * len(rows[0]))
            self.run(
                f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({marks}) ON CONFLICT DO NOTHING",
                *map(_array, zip(*rows)),
            )
        elif rows:
            marks = ",".join("?" * len(rows[0]))
            self.many(f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)

    def copied(self, sql: str) -> Iterator[bytes]:
        """What PostgreSQL's ``COPY … TO STDOUT`` gives, in pieces."""
        with self._driver.cursor() as cursor, cursor.copy(sql) as copy:
            yield from map(bytes, copy)

    def copy_in(self, sql: str, pieces: Iterable[bytes]) -> None:
        """Give such pieces to PostgreSQL's ``COPY … FROM STDIN``."""
        with self._driver.cursor() as cursor, cursor.copy(sql) as copy:
            for piece in pieces:
                copy.write(piece)

    def within(self, column: str) -> str:
        """The condition that ``column`` is one of a list, given as one parameter made by ``listed``."""
        return f"{column} = ANY(?)" if self.postgres else f"{column} IN (SELECT value FROM json_each(?))"

    def listed(self, values: Sequence[object]) -> object:
        """The parameter for ``within``."""
        if self.postgres:
            return _array(values) if values and type(values[0]) is int else list(values)
        return msgspec.json.encode(list(values)).decode()

    def stamp(self) -> int:
        """The last commit that this transaction sees. Two transactions with the same value read the same data."""
        return self.value("SELECT commit_seq FROM clock WHERE id = 1") or 0

    def next_key(self, table: str) -> int:
        """Return the next integer key of a table. Only a write transaction may call it."""
        return (self.value(f"SELECT max(key) FROM {table}") or 0) + 1


def _array(values: Iterable[object]) -> str:
    """Integers as PostgreSQL writes an array; the driver would look at each of them."""
    return f"{{{','.join(map(str, values))}}}"


def driver_of(connection: Connection) -> sqlite.Connection | psycopg.Connection:
    """The driver's own connection beneath SQLAlchemy's."""
    return connection.connection.driver_connection


@lru_cache(maxsize=2048)
def _dialect(sql: str, postgres: bool) -> str:
    return sql.replace("%", "%%").replace("?", "%s") if postgres else sql
