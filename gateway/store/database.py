"""A store: one database, opened once, that gives sessions that read and sessions that write, one writer at a time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import sqlalchemy
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from gateway.errors import Refused, Unavailable
from gateway.fhir.dates import microseconds_now
from gateway.store import columns, faults, file_locks, migrations
from gateway.store.connecting import new_engine
from gateway.store.hashes import hash64, hex64
from gateway.store.session import Session, driver_of

MOST_WAITING = 8
"""Writes that wait for their turn at once, in a store whose patience has a limit."""
_TURN = 727001
"""The advisory lock that is the writer's turn on PostgreSQL."""
Clock = Callable[[], int]
_BORN = f"SELECT {columns.STORE.only('id mode namespace')} FROM store"


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
    def write(self, *, is_aside: bool = False, may_wait: bool = True) -> Iterator[Session]:
        """A write transaction with the writer's turn, the next ``commit_seq`` and a time later than every earlier one.
        One that ``is_aside`` changes no record: the ``commit_seq`` stays, and with it all that is cached by it. Raises
        ``Unavailable``, with its reason, for an outage of the database, and when the turn does not come within the
        store's ``patience``; at once for one that may not wait (``may_wait``)."""
        patience = self.patience if may_wait else 0.0
        with self._faults(), self._turn(patience), self.engine.connect() as connection:
            connection = connection.execution_options(gateway_write=True)
            with connection.begin():
                session = Session(driver_of(connection), self.postgres, lambda: connection)
                if self.postgres:
                    _take_turn(session, patience)
                last = session.row("SELECT commit_seq, updated FROM clock WHERE id = 1") or (0, 0)
                session.commit_seq, session.now = last[0] + (not is_aside), max(self.clock(), last[1] + 1000)
                yield session
                session.run(
                    "UPDATE clock SET commit_seq = ?, updated = ? WHERE id = 1", session.commit_seq, session.now
                )

    @contextmanager
    def alone(self, name: str, patience: float | None = None) -> Iterator[None]:
        """Hold a lock called ``name`` across all processes while the block runs. Others wait, or get ``Unavailable``
        after ``patience`` seconds. The lock ends with the block or the process."""
        if self.postgres:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                session = Session(driver_of(connection), True)
                _lock(session, hash64("alone", name), patience)
                try:
                    yield
                finally:
                    session.run("SELECT pg_advisory_unlock(?)", hash64("alone", name))
        else:
            with file_locks.held(self.engine, f"{hex64('alone', name)}.alone", patience):
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
    def _turn(self, patience: float | None) -> Iterator[None]:
        with (
            self._few_waiting(),
            nullcontext() if self.postgres else file_locks.held(self.engine, file_locks.TURN, patience),
        ):
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

    def close(self) -> None:
        self.engine.dispose()


def _take_turn(session: Session, patience: float | None) -> None:
    """Take the writer's turn on PostgreSQL until the transaction ends. Raises ``Unavailable`` as ``Store.write``."""
    if patience == 0:  # a lock_timeout of 0 would wait for ever
        if not session.value(f"SELECT pg_try_advisory_xact_lock({_TURN})"):
            raise faults.unavailable(faults.BUSY)
        return
    if patience is not None:
        session.run(f"SET LOCAL lock_timeout = {int(patience * 1000)}")
    session.run(f"SELECT pg_advisory_xact_lock({_TURN})")


def _lock(session: Session, number: int, patience: float | None) -> None:
    """Take an advisory lock. Raises ``Unavailable`` when others hold it for longer than ``patience``."""
    if patience is None:
        session.run("SELECT pg_advisory_lock(?)", number)
        return
    until = time.monotonic() + patience
    while not session.value("SELECT pg_try_advisory_lock(?)", number):
        if time.monotonic() >= until:
            raise faults.unavailable(faults.BUSY)
        time.sleep(file_locks.TRY_SECONDS)


def _joined(engine: Engine, pooled: PoolProxiedConnection) -> Connection:
    """A SQLAlchemy connection inside the transaction that was begun on the driver."""
    connection = Connection(engine, pooled).execution_options(gateway_joined=True)
    connection.begin()  # whoever comes to a connection that has begun leaves its end to others
    return connection


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
