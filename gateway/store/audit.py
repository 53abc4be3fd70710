"""The audit of one store: durable before the answer leaves, append-only, sealed behind the requests.

On SQLite the audit of reads is a file of its own, so that a read never waits for a loader's turn; many waiting
requests share one fsync. On PostgreSQL it is a table. Writes carry their audit row in their own transaction
(``changes``). Rows of each stream are sealed into a hash chain under a key (``chain``), and where the chains stand is
kept outside of the store (``heads``).
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from heapq import merge
from pathlib import Path
from typing import Any

import msgspec

from gateway import log, processes
from gateway.errors import Invalid, Unavailable
from gateway.store import chain, changes, columns
from gateway.store.append_file import AppendFile, Table
from gateway.store.chain import Row, Seal, Verdict
from gateway.store.database import Store
from gateway.store.heads import Anchor, Heads, lost_of
from gateway.store.session import Session, driver_of
from gateway.store.stream import ROW, SEAL, Stream

SEAL_SECONDS = 60
STREAMS = ("read", "write")
FILE = Table(
    "audit",
    "event",
    more="CREATE TABLE IF NOT EXISTS seal (last INTEGER PRIMARY KEY, rows INTEGER NOT NULL, hash TEXT NOT NULL);",
)


class Audit:
    """The audit of one store. ``record`` returns when the event is on disk, or raises ``Unavailable``: then nothing
    may be answered. ``recorded`` is the same for the event loop, which must not wait in a thread.

    ``key`` is what its seals are made under, ``anchor`` where its newest heads are kept. Without them it is one of
    version 0.1."""

    def __init__(self, store: Store, path: Path | None = None, *, key: bytes = b"", anchor: Anchor | None = None):
        self.store, self._key, self._anchor = store, key, anchor
        self.sealed, self.failures = 0, Counter({"broken": 0, "record": 0, "seal": 0})
        """When this process last sealed, or began to (µs UTC; 0: it does not), and what failed, by the act."""
        self.watch: Callable[[str], None] = _unwatched
        """Told of each failure by its act, and of each seal as ``sealed``."""
        self._failing = threading.Lock()
        self._file = None if store.path is None else AppendFile(path or store.path.with_name("audit.db"), FILE)

    def record(self, event: dict[str, Any]) -> None:
        """Write one read event, durably. Raises ``Unavailable``."""
        try:
            if self._file:
                self._file.append(changes.encode(event))
            else:
                with self.store.engine.connect() as connection, connection.begin():
                    changes.insert(Session(driver_of(connection), True), "read", event)
        except Exception:  # whatever the reason: no audit, no answer
            self._count_failure("record")
            raise Unavailable("the audit cannot be written") from None

    def record_all(self, events: Sequence[dict[str, Any]]) -> None:
        """``record`` of several events, which wait for the disk together. Raises ``Unavailable``."""
        try:
            if self._file:
                self._file.append_all([changes.encode(event) for event in events])
            else:
                with self.store.engine.connect() as connection, connection.begin():
                    session = Session(driver_of(connection), True)
                    for event in events:
                        changes.insert(session, "read", event)
        except Exception:  # whatever the reason: no audit, no answer
            self._count_failure("record")
            raise Unavailable("the audit cannot be written") from None

    async def recorded(self, event: dict[str, Any]) -> None:
        """``record``, awaited."""
        if self._file is None:
            return await asyncio.to_thread(self.record, event)
        try:
            return await self._file.appended(changes.encode(event))
        except Exception:
            self._count_failure("record")
            raise Unavailable("the audit cannot be written") from None

    def _count_failure(self, act: str) -> None:
        with self._failing:
            self.failures[act] += 1
        self.watch(act)

    def _mark_sealed(self) -> None:
        self.sealed = self.store.clock()
        self.watch("sealed")

    def probe(self) -> None:
        """Test that the audit can be written, down to the disk, and leave no event. Raises what ``record`` would. It
        does not take the writer's turn."""
        if self._file:
            self._file.probe()
        else:
            with self.store.engine.connect() as connection, connection.begin():
                session = Session(driver_of(connection), True)
                session.run("SAVEPOINT probe")
                changes.insert(session, "read", {})
                session.run("ROLLBACK TO SAVEPOINT probe")
                # The commit of a transaction that wrote waits for its log on disk, as that of an event does.

    def events(self, stream: str | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Events in the order written, each with its ``seq``, ``at`` (µs UTC) and ``stream``; ``limit`` gives the
        newest so many. Only ``limit`` events are held at once."""
        with self._streams() as (_, streams):
            rows = merge(*(_named(name, streams[name].events(limit)) for name in streams if stream in (None, name)))
            for at, name, seq, event in _last(rows, limit):
                yield {"seq": seq, "at": at, "stream": name, **msgspec.json.decode(event)}

    def naming(
        self, patients: Sequence[str], number: str, since: int, most: int
    ) -> tuple[list[dict[str, Any]], bool, int | None]:
        """The newest ``most`` events of each stream from a moment on (µs UTC) that name any of these Patients by id or
        the NHS number, as ``events`` gives them; whether there may be more; and when the audit begins (None: it is
        empty)."""
        words = [*(f'"{id_}"' for id_ in patients), f'"number":"{number}"']
        with self._streams() as (_, streams):
            naming = {name: streams[name].naming(words, since, most) for name in streams}
            begun = [at for stream in streams.values() if (at := stream.begins()) is not None]
        rows = merge(*(_named(name, naming[name]) for name in naming))
        events = [{"seq": seq, "at": at, "stream": name, **msgspec.json.decode(event)} for at, name, seq, event in rows]
        ids = set(patients)
        about = [event for event in events if ids & set(event.get("patients", ())) or event.get("number") == number]
        return about, any(len(newest) >= most for newest in naming.values()), min(begun, default=None)

    def verify(self, *against: Heads) -> Verdict:
        """Recompute both chains and name the first broken place of each, if any; and what is lost of the heads that the
        anchor keeps, and of any others."""
        verdict = Verdict(0, 0, [])
        kept = self._kept()
        with self._streams() as (session, streams):
            for name, rows in streams.items():
                verdict += chain.verify(name, rows.rows(), rows.seals(), self._key)
            lost = [fault for heads in against for fault in self._lost(heads, session, streams)]
            return verdict + Verdict(0, 0, [*self._lost_of_anchor(kept, session, streams), *lost])

    def heads(self) -> Heads:
        """Where the chains of the audit and of the ledger stand."""
        with self._streams() as (session, streams):
            return self._heads(session, streams)

    def is_keyed(self) -> bool:
        """Whether a seal was made under a key."""
        with self._streams() as (_, streams):
            return any(rows.is_keyed() for rows in streams.values())

    def _heads(self, session: Session, streams: dict[str, Stream]) -> Heads:
        from gateway.store import ledger  # not at the top: a server starts without importing its models

        read, write = (streams[name].head() for name in STREAMS)
        return Heads(self.store.id, self.store.clock(), read, write, ledger.head(session))

    def _lost(self, kept: Heads, session: Session, streams: dict[str, Stream]) -> list[str]:
        """What the store no longer has of heads that were kept."""
        from gateway.store import ledger

        hashes = {name: streams[name].hash_at(kept.chains()[name][0]) for name in STREAMS}
        return lost_of(kept, self.store.id, {**hashes, "ledger": ledger.hash_at(session, kept.ledger[0])})

    def _kept(self) -> Heads | list[str]:
        """What the anchor keeps, or what is wrong with that. It is read before the snapshot that it is compared with: a
        sealer that comes between would else look like a loss."""
        if self._anchor is None:
            return []
        try:
            return self._anchor.read() or ["the newest checkpoint is missing"]
        except Invalid as fault:
            return [str(fault)]

    def _lost_of_anchor(self, kept: Heads | list[str], session: Session, streams: dict[str, Stream]) -> list[str]:
        return self._lost(kept, session, streams) if isinstance(kept, Heads) else kept

    @contextmanager
    def _streams(self) -> Iterator[tuple[Session, dict[str, Stream]]]:
        """The database and both streams, as one moment's snapshot of each place they lie in."""
        with self.store.read() as session:
            streams = {name: Stream(session, "stream = ?", (name,)) for name in STREAMS}
            if self._file is None:
                yield session, streams
            else:
                with self._file.reading() as reading:
                    yield session, {**streams, "read": Stream(reading)}

    def seal(self) -> None:
        """Extend the hash chains over the rows committed since the last seal, then keep where they stand. Reading and
        computing block no request."""
        if self._file:
            _seal_file(self._file, self._key)
        with self.store.read() as session:
            waiting = [stream for stream in STREAMS if _unsealed(session, stream)]
        last = self._settled() if waiting else 0
        for stream in waiting:
            with self.store.read() as session:
                sql = f"SELECT {SEAL} FROM seal WHERE stream = ? ORDER BY last DESC LIMIT 1"
                before = session.row(sql, stream) or (0, 0, "")
                sql = f"SELECT {ROW} FROM audit WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq"
                rows = session.stream(sql, stream, before[0], last)
                seals = list(chain.seals(before[2], rows, key=self._key, stream=stream))
            with self.store.write() as session:
                if (session.value("SELECT max(last) FROM seal WHERE stream = ?", stream) or 0) == before[0]:
                    session.insert("seal", columns.SEAL.all, [(stream, *seal) for seal in seals])
                # else another sealer was here
        self._keep_heads()
        self._mark_sealed()

    def unsealed(self, most: int) -> dict[str, tuple[int, int | None]]:
        """By stream: how many rows are under no seal, ``most`` at most, and when the oldest was written (µs UTC)."""
        with self._streams() as (_, streams):
            return {name: rows.unsealed(most) for name, rows in streams.items()}

    def _keep_heads(self) -> None:
        """Have the anchor keep where the chains stand. What was kept stays while the store has lost any of it: newer
        heads would hide the loss."""
        if self._anchor is None:
            return
        kept = self._kept()
        with self._streams() as (session, streams):
            lost, now = self._lost_of_anchor(kept, session, streams), self._heads(session, streams)
        if lost:
            self._count_failure("broken")
            log.event("audit.broken", count=len(lost))
        else:
            self._anchor.write(now)

    def _settled(self) -> int:
        """Return the number up to which every event is committed. PostgreSQL assigns a row's number before the commit,
        so this waits for rows in flight. Otherwise the chain would seal a gap."""
        if not self.store.postgres:
            return 2**62
        with self.store.write() as session:
            session.run("LOCK TABLE audit IN SHARE MODE")
            return session.value("SELECT max(seq) FROM audit") or 0

    @contextmanager
    def sealing(self, seconds: float = SEAL_SECONDS) -> Iterator[None]:
        """Run a thread that seals every few seconds while the block runs, and once more at its end. No request
        seals."""

        def often(stop: threading.Event) -> None:
            while not stop.wait(seconds):
                try:
                    self.seal()
                except Exception:  # the next turn tries again; an unsealed row is still a durable one
                    self._count_failure("seal")

        self._mark_sealed()
        try:
            with processes.thread("sealer", often):
                yield
        finally:
            self.seal()

    def close(self) -> None:
        """Close the file, if reads have one."""
        if self._file:
            self._file.close()


def _unwatched(_: str) -> None:
    """Nobody is told."""


def _named(stream: str, rows: Iterable[Row]) -> Iterator[tuple[int, str, int, str]]:
    for seq, at, event in rows:
        yield at, stream, seq, event


def _last(rows: Iterable[tuple[int, str, int, str]], limit: int | None) -> Iterable[tuple[int, str, int, str]]:
    return rows if limit is None else [*rows][-limit:] if limit else []


def _unsealed(session: Session, stream: str) -> bool:
    last = session.value("SELECT max(last) FROM seal WHERE stream = ?", stream) or 0
    return session.value("SELECT 1 FROM audit WHERE stream = ? AND seq > ? LIMIT 1", stream, last) is not None


def _seal_file(file: AppendFile, key: bytes) -> None:
    with file.reading() as reading:
        before = reading.row(f"SELECT {SEAL} FROM seal ORDER BY last DESC LIMIT 1") or (0, 0, "")
        rows = reading.stream(f"SELECT {ROW} FROM audit WHERE seq > ? ORDER BY seq", before[0])
        seals: list[Seal] = list(chain.seals(before[2], rows, key=key, stream="read"))
    if not seals:
        return
    with closing(file.connect()) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if (connection.execute("SELECT max(last) FROM seal").fetchone()[0] or 0) == before[0]:
            connection.executemany(f"INSERT INTO seal ({SEAL}) VALUES (?, ?, ?)", seals)
        connection.execute("COMMIT")
