"""The audit: append-only, durable before the answer leaves, hash-chained behind.

On SQLite the audit of reads is a file of its own with one writer a process, so that a read never waits for a loader's
turn; many waiting requests share one fsync. On PostgreSQL it is a table. Writes carry their audit row in their own
transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pysqlite3.dbapi2 as sqlite

from gateway.errors import Unavailable
from gateway.fhir.dates import microseconds_now
from gateway.store.database import Session, Store, driver_of

SEAL_ROWS, SEAL_SECONDS = 1000, 60
WAIT_SECONDS = 30
_encode = msgspec.json.Encoder(order="sorted").encode


class Audit:
    """The audit of one store. ``record`` returns when the event is on disk, or raises ``Unavailable``: then nothing
    may be answered. ``recorded`` is the same for who must not wait in a thread: the event loop."""

    def __init__(self, store: Store, path: Path | None = None):
        self.store = store
        self._file = None if store.postgres else _File(path or store.path.with_name("audit.db"))

    def record(self, event: dict[str, Any]) -> None:
        """Write one read event, durably. Raises ``Unavailable``."""
        try:
            if self._file:
                self._file.append(_encode(event).decode())
            else:
                with self.store.engine.connect() as connection, connection.begin():
                    _insert(Session(driver_of(connection), True), "read", event)
        except Exception:  # whatever the reason: no audit, no answer
            raise Unavailable("the audit cannot be written") from None

    async def recorded(self, event: dict[str, Any]) -> None:
        """``record``, awaited."""
        if self._file is None:
            return await asyncio.to_thread(self.record, event)
        try:
            return await self._file.appended(_encode(event).decode())
        except Exception:
            raise Unavailable("the audit cannot be written") from None

    def probe(self) -> None:
        """Write an event and take it back: raises when ``record`` would. Nothing is left, and no loader waits."""
        if self._file:
            self._file.probe()
        else:
            with self.store.engine.connect() as connection, connection.begin() as transaction:
                _insert(Session(driver_of(connection), True), "read", {})
                transaction.rollback()

    def events(self, stream: str | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Events in the order written, each with its ``seq``, ``at`` (µs UTC) and ``stream``; ``limit`` gives the
        newest so many."""
        found = []
        if self._file and stream in (None, "read"):
            found += [("read", *row) for row in self._file.rows("SELECT seq, at, event FROM audit ORDER BY seq")]
        with self.store.read() as session:
            streams = ("read", "write") if stream is None else (stream,)
            rows = session.rows(
                f"SELECT stream, seq, at, event FROM audit WHERE {session.within('stream')} ORDER BY seq",
                session.listed(streams),
            )
        found += rows
        found.sort(key=lambda row: (row[2], row[0], row[1]))
        for name, seq, at, event in found[-limit:] if limit else found:
            yield {"seq": seq, "at": at, "stream": name, **msgspec.json.decode(event)}

    def seal(self) -> None:
        """Extend the hash chains over what was committed since the last seal. Nobody waits while it reads and
        computes."""
        if self._file:
            self._file.seal()
        with self.store.read() as session:
            waiting = [stream for stream in ("read", "write") if _unsealed(session, stream)]
        if not waiting:
            return
        last = self._settled()
        for stream in waiting:
            with self.store.read() as session:
                before = session.row(
                    "SELECT last, hash FROM seal WHERE stream = ? ORDER BY last DESC LIMIT 1", stream
                ) or (0, "")
                sql = "SELECT seq, at, event FROM audit WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq"
                seals = _seals(before, session.stream(sql, stream, before[0], last))
            with self.store.write() as session:
                if (session.value("SELECT max(last) FROM seal WHERE stream = ?", stream) or 0) == before[
                    0
                ]:  # else somebody else was here
                    session.insert("seal", "stream, last, rows, hash", [(stream, *seal) for seal in seals])

    def _settled(self) -> int:
        """The number up to which every event is committed. On PostgreSQL one is taken before its row is there: wait
        for those, or a chain would close over a gap."""
        if not self.store.postgres:
            return 2**62
        with self.store.write() as session:
            session.run("LOCK TABLE audit IN SHARE MODE")
            return session.value("SELECT max(seq) FROM audit") or 0

    @contextmanager
    def sealing(self, seconds: float = SEAL_SECONDS) -> Iterator[None]:
        """Seal behind the requests while the block runs, never in one: every so many seconds, and once more at its
        end."""
        stop = threading.Event()

        def often() -> None:
            while not stop.wait(seconds):
                with suppress(Exception):  # the next turn tries again; an unsealed row is still a durable one
                    self.seal()

        thread = threading.Thread(target=often, name="sealer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.seal()

    def verify(self) -> Verdict:
        """Recompute both chains. Says the first broken place, if any."""
        broken, rows, sealed = [], 0, 0
        if self._file:
            found = _verify(
                "read", self._file.rows("SELECT seq, at, event FROM audit ORDER BY seq"), self._file.seals()
            )
            broken, rows, sealed = broken + found.broken, rows + found.rows, sealed + found.sealed
        with self.store.read() as session:
            for stream in ("read", "write"):
                seals = session.rows("SELECT last, rows, hash FROM seal WHERE stream = ? ORDER BY last", stream)
                found = _verify(
                    stream,
                    session.rows("SELECT seq, at, event FROM audit WHERE stream = ? ORDER BY seq", stream),
                    seals,
                )
                broken, rows, sealed = broken + found.broken, rows + found.rows, sealed + found.sealed
        return Verdict(rows, sealed, broken)

    def close(self) -> None:
        if self._file:
            self._file.close()


@dataclass(frozen=True)
class Verdict:
    """What ``verify`` found: rows read, rows under a seal, and the places where the chain does not hold."""

    rows: int
    sealed: int
    broken: list[str]


def record_write(session: Session, event: dict[str, Any]) -> None:
    """Write the audit row of a change in the transaction that makes it."""
    _insert(session, "write", event)


def _insert(session: Session, stream: str, event: dict[str, Any]) -> None:
    session.run(
        "INSERT INTO audit (at, stream, event) VALUES (?, ?, ?)",
        session.now or microseconds_now(),
        stream,
        _encode(event).decode(),
    )


def _unsealed(session: Session, stream: str) -> bool:
    last = session.value("SELECT max(last) FROM seal WHERE stream = ?", stream) or 0
    return session.value("SELECT 1 FROM audit WHERE stream = ? AND seq > ? LIMIT 1", stream, last) is not None


def _seals(before: tuple[int, str], rows: Iterable[tuple[Any, ...]]) -> list[tuple[int, int, str]]:
    """The seals (last, rows, hash) over ``rows`` that follow the seal ``before`` (last, hash)."""
    chain, seals, rows = before[1], [], iter(rows)
    while part := list(islice(rows, SEAL_ROWS)):
        chain = _chain(chain, part)
        seals.append((part[-1][0], len(part), chain))
    return seals


def _chain(before: str, rows: list[tuple[Any, ...]]) -> str:
    digest = hashlib.sha256(before.encode())
    for seq, at, event in rows:
        digest.update(f"\n{seq} {at} {event}".encode())
    return digest.hexdigest()


def _verify(stream: str, rows: list[tuple[Any, ...]], seals: list[tuple[Any, ...]]) -> Verdict:
    chain, start, broken = "", 0, []
    for last, count, hash_ in seals:
        part = rows[start : start + count]
        chain = _chain(chain, part)
        if len(part) != count or part[-1][0] != last or chain != hash_:
            broken.append(f"{stream} up to {last}")
            break
        start += count
    return Verdict(len(rows), start, broken)


def _append(connection: sqlite.Connection, events: list[str]) -> None:
    """One statement is one transaction, and takes this thread from the others once: a statement for each event would,
    for each event, twice."""
    listed = msgspec.json.encode(events).decode()
    connection.execute(
        "INSERT INTO audit (at, event) SELECT ?, value FROM json_each(?) ORDER BY key", (microseconds_now(), listed)
    )


@dataclass(slots=True)
class _Waiting:
    """An event that somebody waits for to be on disk: a thread, or the event loop through ``future``."""

    event: str
    future: asyncio.Future | None = None
    is_done: bool = False
    fault: Exception | None = None


class _File:
    """``audit.db``: one connection writes, everyone who waits shares its fsync."""

    def __init__(self, path: Path):
        self.path = path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connect().executescript(
            "CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, event "
            "TEXT NOT NULL);"
            "CREATE TABLE IF NOT EXISTS seal (last INTEGER PRIMARY KEY, rows INTEGER NOT NULL, hash TEXT NOT NULL);"
            "CREATE TRIGGER IF NOT EXISTS audit_is_append_only BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, "
            "'append only'); END;"
            "CREATE TRIGGER IF NOT EXISTS audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append "
            "only'); END;"
        )
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()
        self._is_called = False
        self._committer = ThreadPoolExecutor(1, "audit")
        self._connection = self._connect()

    def _connect(self):
        connection = sqlite.connect(str(self.path), isolation_level=None, timeout=WAIT_SECONDS, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def probe(self) -> None:
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO audit (at, event) VALUES (0, '')")
            connection.execute("ROLLBACK")

    def append(self, event: str) -> None:
        """Write one event durably, with those of everyone who waits: whoever comes first commits for all, the others
        find theirs written."""
        one = _Waiting(event)
        self._waiting.append(one)
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError
        try:
            if not one.is_done:
                self._commit()
        finally:
            self._turn.release()
        if one.fault:
            raise one.fault

    async def appended(self, event: str) -> None:
        """The same for the event loop: a thread commits for all that came while it committed the ones before."""
        one = _Waiting(event, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if not self._is_called:
            self._is_called = True
            self._committer.submit(self._commit_called)
        await one.future

    def _commit_called(self) -> None:
        self._is_called = False  # before the batch is taken: who comes from now on is in it, or calls again
        with self._turn:
            while self._waiting:
                self._commit()

    def _commit(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), SEAL_ROWS))]
        fault = None
        try:
            if self._connection is None:
                self._connection = self._connect()
            _append(self._connection, [each.event for each in batch])
        except (
            Exception
        ) as error:  # every waiter must hear of it; the next gets another connection, whatever befell this one
            fault = error
            self._disconnect()
        for each in batch:
            each.is_done, each.fault = True, fault
            if each.future:
                with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                    each.future.get_loop().call_soon_threadsafe(_answer, each.future, fault)

    def _disconnect(self) -> None:
        with suppress(Exception):
            self._connection.close()
        self._connection = None

    def rows(self, sql: str, *params) -> list[tuple[Any, ...]]:
        with closing(self._connect()) as connection:
            return connection.execute(sql, params).fetchall()

    def seals(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT last, rows, hash FROM seal ORDER BY last")

    def seal(self) -> None:
        with closing(self._connect()) as connection:
            before = connection.execute("SELECT last, hash FROM seal ORDER BY last DESC LIMIT 1").fetchone() or (0, "")
            seals = _seals(
                before, connection.execute("SELECT seq, at, event FROM audit WHERE seq > ? ORDER BY seq", (before[0],))
            )
            connection.execute("BEGIN IMMEDIATE")
            if (connection.execute("SELECT max(last) FROM seal").fetchone()[0] or 0) == before[
                0
            ]:  # else somebody else was here
                connection.executemany("INSERT INTO seal (last, rows, hash) VALUES (?, ?, ?)", seals)
            connection.execute("COMMIT")

    def close(self) -> None:
        self._committer.shutdown()
        with self._turn:
            self._disconnect()


def _answer(future: asyncio.Future, fault: Exception | None) -> None:
    """Tell whoever still waits how it went."""
    if not future.done():
        future.set_exception(fault) if fault else future.set_result(None)
