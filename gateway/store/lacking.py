"""What a whole delivery lacks of the rows that are held of its publisher, and how much is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from gateway.store.sent import decode_body
from gateway.store.session import Session
from gateway.store.touched import askers, touch


class Absent(msgspec.Struct, frozen=True, gc=False):
    """A kept row that a whole delivery lacks."""

    key: int
    hash: int
    patient: int
    grp: int
    table: str


def absent(session: Session, publisher: int, before: int, tables: Collection[str]) -> list[Absent]:
    """The rows of a publisher, of these tables, that are not deleted and were last sent before the order ``before``."""
    rows = session.rows(
        "SELECT key, hash, patient, grp, body FROM kept WHERE publisher = ? AND ord < ? AND deleted = 0",
        publisher,
        before,
    )
    return [
        Absent(key, hash_, patient, grp, table)
        for key, hash_, patient, grp, body in rows
        if (table := decode_body(body).table) in tables
    ]


class Holding(msgspec.Struct, frozen=True, gc=False):
    """How many rows of a publisher are held, by table and by patient (0: none's), and of how many patients some came
    at or after an order."""

    rows: int
    tables: Counter[str]
    patients: Counter[int]
    renewed: int


def holding(session: Session, publisher: int, since: int, tables: Collection[str]) -> Holding:
    """What is held of a publisher in these tables and not deleted; ``since`` is the order."""
    kept = session.rows("SELECT patient, ord, body FROM kept WHERE publisher = ? AND deleted = 0", publisher)
    rows = [(decode_body(body).table, patient, order) for patient, order, body in kept]
    rows = [row for row in rows if row[0] in tables]
    renewed = {patient for _, patient, order in rows if order >= since}
    counted = Counter(table for table, _, _ in rows), Counter(patient for _, patient, _ in rows)
    return Holding(len(rows), *counted, len(renewed))


def remove(session: Session, delivery: int, rows: Sequence[Absent], order: int) -> None:
    """Mark rows as deleted at an order, with their last values, and mark their groups and who looked them up."""
    session.many(
        "UPDATE kept SET deleted = 1, ord = ?, delivery = ? WHERE key = ?", [(order, delivery, r.key) for r in rows]
    )
    groups = {(row.patient, row.grp) for row in rows}
    patients = {row.key: row.patient for row in rows}
    sql = f"SELECT kept, grp FROM member WHERE {session.within('kept')}"
    groups.update((patients[kept], group) for kept, group in session.rows(sql, session.listed(sorted(patients))))
    groups.update(askers(session, {row.hash for row in rows}))
    touch(session, delivery, groups)
