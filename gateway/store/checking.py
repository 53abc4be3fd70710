"""Looks for damage in a store: pages, bodies that cannot be read, and rows that point at nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec
import pysqlite3.dbapi2 as sqlite

from gateway.fhir import build
from gateway.store import sent
from gateway.store.session import Session

DAMAGED = (sqlite.DatabaseError, UnicodeDecodeError)
"""What a database raises whose file is damaged, or a text in it."""
Progress = Callable[[str, int, int], None]
"""Called with (phase, done, of)."""


@dataclass(frozen=True)
class Damage:
    """One kind of damage: what it is and how many rows have it (0: not known). It holds no value."""

    what: str
    count: int = 0


POINTERS = (
    ("heads without a body", "SELECT count(*) FROM head h LEFT JOIN version v ON v.key = h.body WHERE v.key IS NULL"),
    ("heads with another resource's body", "SELECT count(*) FROM head h JOIN version v ON v.key = h.body WHERE v.head <> h.key"),
    ("heads whose number is not their body's", "SELECT count(*) FROM head h JOIN version v ON v.key = h.body WHERE v.number <> h.number"),
    ("heads of no publisher", "SELECT count(*) FROM head h LEFT JOIN publisher p ON p.key = h.publisher WHERE p.key IS NULL"),
    ("versions of no resource", "SELECT count(*) FROM version v LEFT JOIN head h ON h.key = v.head WHERE h.key IS NULL"),
    ("versions of no delivery", "SELECT count(*) FROM version v LEFT JOIN delivery d ON d.key = v.delivery WHERE d.key IS NULL"),
    ("superseded versions that are missing", "SELECT count(*) FROM history y LEFT JOIN version v ON v.key = y.version WHERE v.key IS NULL"),
    ("versions that nothing finds", "SELECT count(*) FROM version v JOIN head h ON h.key = v.head LEFT JOIN history y ON y.head = v.head AND "
     "y.number = v.number WHERE v.key <> h.body AND y.head IS NULL"),
    ("kept rows of no publisher", "SELECT count(*) FROM kept k LEFT JOIN publisher p ON p.key = k.publisher WHERE p.key IS NULL"),
    ("kept rows of no delivery", "SELECT count(*) FROM kept k LEFT JOIN delivery d ON d.key = k.delivery WHERE d.key IS NULL"),
    ("groups of rows that are missing", "SELECT count(*) FROM member m LEFT JOIN kept k ON k.key = m.kept WHERE k.key IS NULL"),
    ("index entries of no resource", "SELECT count(*) FROM entry e LEFT JOIN head h ON h.key = e.head WHERE h.key IS NULL"),
    ("index entries of no resource (global)", "SELECT count(*) FROM entry_global e LEFT JOIN head h ON h.key = e.head WHERE h.key IS NULL"),
    ("index words of no resource", "SELECT count(*) FROM word w LEFT JOIN head h ON h.key = w.head WHERE h.key IS NULL"),
    ("index dates of no resource", "SELECT count(*) FROM second_date s LEFT JOIN head h ON h.key = s.head WHERE h.key IS NULL"),
    ("resources without any index entry", "SELECT count(*) FROM head h WHERE h.deleted = 0 AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.patient = "
     "h.patient AND e.head = h.key) AND NOT EXISTS (SELECT 1 FROM entry_global g WHERE g.head = h.key)"),
    ("labels of no resource", "SELECT count(*) FROM label l LEFT JOIN head h ON h.key = l.head WHERE h.key IS NULL"),
    ("patients of no person", "SELECT count(DISTINCT c.patient) FROM claim c LEFT JOIN person p ON p.patient = c.patient WHERE p.patient IS NULL"),
    ("parts of no job", "SELECT count(*) FROM part p LEFT JOIN job j ON j.id = p.job WHERE j.id IS NULL"),
)  # fmt: skip
"""What is wrong where a count is not 0."""
BODIES = (
    ("bodies of resources that cannot be read", "SELECT v.body FROM version v WHERE v.deleted = 0", build.decode),
    ("rows of deliveries that cannot be read", "SELECT body FROM kept", sent.decode_body),
)
"""What is wrong where a body cannot be decoded."""


def damage(session: Session, progress: Progress) -> Iterator[Damage]:
    """Every kind of damage found. A database whose pages are damaged is looked at no further: its answers may be
    wrong."""
    if not session.postgres:
        progress("pages", 0, 1)
        verdicts = [text for (text,) in session.rows("PRAGMA integrity_check(100)")]
        progress("pages", 1, 1)
        if verdicts != ["ok"]:
            yield Damage("pages of the database", len(verdicts))
            return
    for number, (what, sql) in enumerate(POINTERS, 1):
        if count := session.value(sql):
            yield Damage(what, count)
        progress("pointers", number, len(POINTERS))
    for what, sql, decode in BODIES:
        if count := _unreadable(session, sql, decode, partial(progress, "bodies")):
            yield Damage(what, count)


def _unreadable(session: Session, sql: str, decode: Callable[[bytes], object], seen: Callable[[int, int], None]) -> int:
    of = session.value(f"SELECT count(*) FROM ({sql}) AS bodies")
    unreadable = 0
    for done, (body,) in enumerate(session.stream(sql), 1):
        try:
            decode(body)
        except (ValueError, msgspec.MsgspecError):  # UnicodeDecodeError is a ValueError
            unreadable += 1
        if not done % 5000:
            seen(done, of)
    seen(of, of)
    return unreadable
