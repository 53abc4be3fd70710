"""One database, SQLite or PostgreSQL, opened the one safe way; sessions that read, sessions that write."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import pysqlite3.dbapi2 as sqlite
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from gateway.errors import Refused, Unavailable
from gateway.fhir.dates import microseconds_now
from gateway.store import columns, faults, migrations

if TYPE_CHECKING:
    import psycopg

LEAST_SQLITE = (3, 51, 3)  # WAL-reset corruption below (reference: operations §5)
BUSY_SECONDS = 30
POOL_SECONDS = 10
"""Seconds that a request waits for a connection of the pool."""
TRY_SECONDS = 0.005
PAGES_KB = 256 * 1024
"""Memory for pages that a connection to SQLite may keep."""
MOST_WAITING = 8
"""Writes that wait for their turn at once, in a store whose patience has a limit."""
NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A PostgreSQL server that no longer answers is noticed within these seconds (the last in ms)."""
Clock = Callable[[], int]
_BORN = f"SELECT {columns.STORE.only('id mode namespace')} FROM store"


def hash64(*parts: str) -> int:
    """A signed 64-bit hash of the parts, the same everywhere and for ever.

    >>> hash64("a", "b") == hash64("a", "b"), hash64("ab") == hash64("a", "b")
    (True, False)
    """
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=1 << 14)
def id_hash(id_: str) -> int:
    """The 64-bit form of a resource id: the start of a UUID, else a hash of it.

    >>> id_hash("00000000-0000-5000-8000-000000000000"), id_hash("ffffffff-ffff-ffff-8000-000000000000")
    (20480, -1)
    """
    if len(id_) == 36 and id_[8] == id_[13] == id_[18] == id_[23] == "-":
        try:
            number = int(id_[:8] + id_[9:13] + id_[14:18], 16)
        except ValueError:
            return hash64("id", id_)
        return number - (1 << 64) if number >> 63 else number
    return hash64("id", id_)


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


class Store:
    """An open database and its mode. ``read()`` and ``write()`` give sessions; there is no other access."""

    def __init__(self, url: str, engine: Engine, clock: Clock):
        self.url, self.engine, self.clock = url, engine, clock
        self.postgres = engine.dialect.name == "postgresql"
        self.path = None if self.postgres else Path(engine.url.database or "")
        self.mode, self.namespace, self.id = "", uuid.UUID(int=0), ""
        self.patience: float | None = None
        """Seconds that a write waits for other writers before it raises ``Unavailable``. None waits for ever, as a load
        does; who answers requests may not."""
        self.is_damaged = False
        """Whether damage was met since the store was opened."""
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    @property
    def is_sandbox(self) -> bool:
        return self.mode == "sandbox"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read-only transaction: one snapshot, never a write. Raises ``Unavailable``, with its reason, for an outage
        of the database or damage in it."""
        with self._faults(is_reading=True), self._reading() as session:
            yield session

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        if self.postgres:
            snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            with self.engine.connect().execution_options(**snapshot) as connection, connection.begin():
                yield Session(driver_of(connection), True, lambda: connection)
        else:
            with closing(self.engine.raw_connection()) as pooled:  # going back to the pool ends the transaction
                driver: sqlite.Connection = pooled.driver_connection
                driver.execute("BEGIN")
                yield Session(driver, False, lambda: _joined(self.engine, pooled))

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction with the writer's turn, the next ``commit_seq`` and a time later than every earlier one.
        Raises ``Unavailable``, with its reason, for an outage of the database, and when the turn does not come within
        the store's ``patience``."""
        with self._faults(), self._turn(), self.engine.connect() as connection:
            connection = connection.execution_options(gateway_write=True)
            with connection.begin():
                session = Session(driver_of(connection), self.postgres, lambda: connection)
                if self.postgres:
                    if self.patience is not None:
                        session.run(f"SET LOCAL lock_timeout = {int(self.patience * 1000)}")
                    session.run("SELECT pg_advisory_xact_lock(727001)")
                last = session.row("SELECT commit_seq, updated FROM clock WHERE id = 1") or (0, 0)
                session.commit_seq, session.now = last[0] + 1, max(self.clock(), last[1] + 1000)
                yield session
                session.run(
                    "UPDATE clock SET commit_seq = ?, updated = ? WHERE id = 1", session.commit_seq, session.now
                )

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold a lock called ``name`` across all processes while the block runs. Others wait. The lock ends with the
        block or the process."""
        if self.postgres:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                session = Session(driver_of(connection), True)
                session.run("SELECT pg_advisory_lock(?)", hash64("alone", name))
                try:
                    yield
                finally:
                    session.run("SELECT pg_advisory_unlock(?)", hash64("alone", name))
        else:
            with self._flock(f"{hash64('alone', name) & (2**64 - 1):016x}.alone"):
                yield

    @contextmanager
    def _faults(self, is_reading: bool = False) -> Iterator[None]:
        """Name an outage. After one, PostgreSQL's old connections are of no use; after damage, it is remembered."""
        try:
            with faults.named(is_reading):
                yield
        except Unavailable as error:
            if error.code == faults.AWAY:
                self.engine.dispose()
            self.is_damaged |= error.code == faults.DAMAGED
            raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._few_waiting(), nullcontext() if self.postgres else self._flock("turn", self.patience):
            yield

    @contextmanager
    def _few_waiting(self) -> Iterator[None]:
        """Refuse a write at once where many wait already: each of them holds a thread."""
        if self.patience is None:
            yield
            return
        if not self._waiting.acquire(blocking=False):
            raise faults.unavailable(faults.BUSY)
        try:
            yield
        finally:
            self._waiting.release()

    @contextmanager
    def _flock(self, name: str, patience: float | None = None) -> Iterator[None]:
        with open(f"{self.path}.{name}", "a", opener=_own) as file:
            if patience is None:
                fcntl.flock(file, fcntl.LOCK_EX)
            else:
                _lock_within(file, patience)
            yield

    def close(self) -> None:
        self.engine.dispose()


def _lock_within(file: IO[str], seconds: float) -> None:
    """Lock a file. Raises ``Unavailable`` when others hold it for longer: a writer may be stopped, and not at work."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise faults.unavailable(faults.BUSY) from None
            time.sleep(TRY_SECONDS)


def _joined(engine: Engine, pooled: PoolProxiedConnection) -> Connection:
    """A SQLAlchemy connection inside the transaction that was begun on the driver."""
    connection = Connection(engine, pooled).execution_options(gateway_joined=True)
    connection.begin()  # whoever comes to a connection that has begun leaves its end to others
    return connection


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def open_store(
    url: str, *, create: str | None = None, namespace: uuid.UUID | None = None, clock: Clock = microseconds_now
) -> Store:
    """Open a store, bringing its schema up to this code's. ``create`` (``sandbox`` or ``live``) makes one where there
    is none.

    Raises ``Refused`` when there is no store and none is to be made, when it is of the other mode, or when the
    database is unsafe.
    """
    engine = new_engine(url)
    store = Store(url, engine, clock)
    with ExitStack() as opening:
        opening.callback(store.close)  # a store that cannot be opened leaves no connection behind
        try:
            if not create and not migrations.is_present(engine):
                raise Refused("there is no store here: run `gateway init`")
            migrations.upgrade(engine)
        except sqlalchemy.exc.DBAPIError as error:
            code = faults.meaning(error)
            words = f"the database cannot be opened: {faults.WORDS[code]}" if code else "the database cannot be opened"
            raise Unavailable(words, code or "") from None
        _settle(store, create, namespace)
        opening.pop_all()
    return store


def _settle(store: Store, create: str | None, namespace: uuid.UUID | None) -> None:
    with store.read() as session:
        born = session.row(_BORN)
    if not born and not create:
        raise Refused("there is no store here: run `gateway init`")
    if not born:
        with store.write() as session:
            born = session.row(_BORN)  # another process may have created it meanwhile
            if not born:
                born = (str(uuid.uuid4()), create, str(namespace or uuid.uuid4()))
                session.run(
                    f"INSERT INTO clock ({columns.CLOCK.only('id commit_seq updated label_seq')}) VALUES (1, 0, 0, 0)"
                )
                session.insert("store", columns.STORE.only("id mode namespace created"), [(*born, session.now)])
    if create and create != born[1]:
        raise Refused(f"this store was born {born[1]}")
    if namespace and str(namespace) != born[2]:
        raise Refused("this store makes its ids in another namespace")
    store.id, store.mode, store.namespace = born[0], born[1], uuid.UUID(born[2])


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
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"cache_size=-{PAGES_KB}", "temp_store=MEMORY", "mmap_size=0",
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
