"""An append-only file with group commit: everyone who waits for a row to be on disk shares one fsync.

The file is a SQLite database of its own, so a row never waits for a loader's turn at the main one. The audit of reads
is one; whatever must be durable before it is answered can be another, given its table.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pysqlite3.dbapi2 as sqlite

from gateway.errors import AUDIT_DAMAGED, Unavailable
from gateway.fhir.dates import microseconds_now
from gateway.store import faults
from gateway.store.statements import Columns

BATCH = 1000
"""The largest number of rows in one commit."""
WAIT_SECONDS = 30
PROBE_BYTES, PROBE_SECONDS = 1 << 16, 1.0
"""A probe writes more than any row takes, and at most so often: between, its last outcome stands."""
Packed = str | list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """The table of an append-only file: ``seq``, ``at`` (µs UTC), and one column for what is appended.

    ``is_bytes`` says whether that is bytes or text; ``beside`` names columns of text that come with each value;
    ``may_go`` says that rows are removed once they are of no more use, which is refused otherwise; ``more`` is DDL for
    whatever else the file holds.
    """

    name: str
    column: str
    is_bytes: bool = False
    beside: tuple[str, ...] = ()
    may_go: bool = False
    more: str = ""

    @property
    def schema(self) -> str:
        """The statements that make the table where it is not there. The triggers refuse changes to its rows."""
        refused = "BEGIN SELECT RAISE(ABORT, 'append only'); END;"
        kept = f"CREATE TRIGGER IF NOT EXISTS {self.name}_is_kept BEFORE DELETE ON {self.name} {refused}"
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, "
            f"{self.column} {'BLOB' if self.is_bytes else 'TEXT'} NOT NULL"
            f"{''.join(f', {name} TEXT NOT NULL' for name in self.beside)});"
            f"CREATE TRIGGER IF NOT EXISTS {self.name}_is_append_only BEFORE UPDATE ON {self.name} {refused}"
            f"{'' if self.may_go else kept}{self.more}"
        )

    @property
    def insert(self) -> str:
        """The statement that appends a JSON list of values, each a list where others come beside it. One statement is
        one transaction and releases the interpreter once: a statement for each row would do so twice for each row."""
        value, *beside = [f"value->>{number}" for number in range(len(self.beside) + 1)] if self.beside else ["value"]
        values = ", ".join([f"unhex({value})" if self.is_bytes else value, *beside])
        columns = Columns(self.name, ("seq", "at", self.column, *self.beside)).all.removeprefix("seq, ")
        return f"INSERT INTO {self.name} ({columns}) SELECT ?, {values} FROM json_each(?) ORDER BY key"

    @property
    def probe(self) -> str:
        """The JSON list of one empty value."""
        return msgspec.json.encode([[""] * (len(self.beside) + 1) if self.beside else ""]).decode()

    def packed(self, value: str | bytes, beside: Sequence[str]) -> Packed:
        """A value, and what comes beside it, as ``insert`` takes it."""
        text = value.hex() if isinstance(value, bytes) else value
        return [text, *beside] if self.beside else text


@dataclass(slots=True)
class _Waiting:
    """A row that is being written. A thread waits for it, or the event loop through ``future``."""

    value: Packed
    future: asyncio.Future[None] | None = None
    is_done: bool = False
    fault: Exception | None = None


class AppendFile:
    """An open file. ``append`` returns when the row is on disk, or raises what went wrong."""

    def __init__(self, path: Path, table: Table):
        self.path, self.table, self._insert = path, table, table.insert
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()
        self._is_called = False
        self._probed = -PROBE_SECONDS
        self._probe_fault: Exception | None = None
        self._committer = ThreadPoolExecutor(1, table.name)
        with _damage_named(path):
            self._connection: sqlite.Connection | None = self.connect()
            self._connection.executescript(table.schema)

    def connect(self) -> sqlite.Connection:
        """A new connection to the file. The caller closes it."""
        connection = sqlite.connect(str(self.path), isolation_level=None, timeout=WAIT_SECONDS, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def probe(self) -> None:
        """Write to the file and to the disk, as a test that a row can be written: one that is rolled back would never
        reach a full disk. It leaves no row. Raises what ``append`` would."""
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError
        try:
            if time.monotonic() - self._probed >= PROBE_SECONDS:
                self._probe_fault = self._guarded(self._write_probe)
                self._probed = time.monotonic()
        finally:
            self._turn.release()
        if self._probe_fault:
            raise self._probe_fault

    def _write_probe(self, connection: sqlite.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, space BLOB NOT NULL)")
        connection.execute("INSERT OR REPLACE INTO probe VALUES (1, randomblob(?))", (PROBE_BYTES,))
        # A row is inserted as well, because its table may be what fails.
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(self._insert, (0, self.table.probe))
        finally:
            connection.execute("ROLLBACK")

    def _guarded(self, write: Callable[[sqlite.Connection], None]) -> Exception | None:
        """Write on the file's connection; return what went wrong. After a fault the next write gets a new one."""
        try:
            if self._connection is None:
                self._connection = self.connect()
            write(self._connection)
        except Exception as error:
            self._disconnect()
            return error
        return None

    def append(self, value: str | bytes, *beside: str) -> None:
        """Write one row durably, with those of everyone who waits: the first to come commits for all of them.

        One batch may be filled by the rows that came before, so batches are committed until this row is in one.
        """
        row = _Waiting(self.table.packed(value, beside))
        self._waiting.append(row)
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError
        try:
            while not row.is_done:
                self._commit()
        finally:
            self._turn.release()
        if row.fault:
            raise row.fault

    def append_all(self, values: Sequence[str]) -> None:
        """``append`` of several rows of one column: they wait for the disk together."""
        rows = [_Waiting(self.table.packed(value, ())) for value in values]
        self._waiting.extend(rows)
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError
        try:
            while not all(row.is_done for row in rows):
                self._commit()
        finally:
            self._turn.release()
        for row in rows:
            if row.fault:
                raise row.fault

    async def appended(self, value: str | bytes, *beside: str) -> None:
        """``append`` for the event loop: a thread commits all rows that came while it committed the ones before."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(self.table.packed(value, beside), future))
        if not self._is_called:
            self._is_called = True
            self._committer.submit(self._commit_called)
        await future

    def _commit_called(self) -> None:
        self._is_called = False  # before the batch is taken: a row that comes from now on is in it, or calls again
        with self._turn:
            while self._waiting:
                self._commit()

    def _commit(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
        values = [row.value for row in batch]
        fault = self._guarded(lambda connection: self._write(connection, values))  # every waiter must hear of it
        for row in batch:
            row.is_done, row.fault = True, fault
            if row.future:
                with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                    row.future.get_loop().call_soon_threadsafe(_answer, row.future, fault)

    def _write(self, connection: sqlite.Connection, values: Sequence[Packed]) -> None:
        connection.execute(self._insert, (microseconds_now(), msgspec.json.encode(values).decode()))

    def _disconnect(self) -> None:
        with suppress(Exception):
            if self._connection is not None:
                self._connection.close()
        self._connection = None

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Read the file in one snapshot."""
        with _damage_named(self.path):
            connection = self.connect()
        with closing(connection):
            connection.execute("BEGIN")
            yield Reading(connection, self.path)

    def close(self) -> None:
        """Write all pending rows, then close the file."""
        self._committer.shutdown()
        with self._turn:
            self._disconnect()


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot of a file."""

    connection: sqlite.Connection
    path: Path

    def stream(self, sql: str, *params: str | int, size: int = 2000) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few at a time."""
        with closing(self.connection.cursor()) as cursor:
            with _damage_named(self.path):
                cursor.execute(sql, params)
            while rows := self._fetched(cursor, size):
                yield from rows

    def _fetched(self, cursor: sqlite.Cursor, size: int) -> list[tuple[Any, ...]]:
        with _damage_named(self.path):
            rows: list[tuple[Any, ...]] = cursor.fetchmany(size)
            return rows

    def row(self, sql: str, *params: str | int) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(self.stream(sql, *params, size=1), None)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Name the file that is damaged: its reader reads another database beside it, which is not."""
    try:
        yield
    except sqlite.Error as error:
        if faults.meaning(error) != faults.DAMAGED:
            raise
        raise Unavailable(f"{path.name} is damaged: an operator must restore it", AUDIT_DAMAGED) from None


def _answer(future: asyncio.Future[None], fault: Exception | None) -> None:
    """Pass the outcome of a commit to one waiting future."""
    if future.done():
        return
    if fault:
        future.set_exception(fault)
    else:
        future.set_result(None)
