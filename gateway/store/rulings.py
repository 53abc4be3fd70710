"""Rulings at rest: what people decided about who a record is of, append-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.store import columns
from gateway.store.session import Session

Row = tuple[int, str, str, int, int, str, int, str]
"""(key, act, item, patient, other, number, undoes, by)"""
_ROW = columns.RULING.only("key act item patient other number undoes by")


def add(session: Session, act: str, by: str, why: str, **facts: Any) -> int:
    """Add a ruling; return its key. ``facts`` are ``item``, ``patient``, ``other``, ``number`` and ``undoes``."""
    key = session.next_key("ruling")
    row = {"key": key, "at": session.now, "act": act, "item": "", "patient": 0, "other": 0, "number": "", "undoes": 0}
    row |= {**facts, "by": by, "why": why}
    session.insert("ruling", columns.RULING.all, [tuple(row[name] for name in columns.RULING.names)])
    return key


def of_patients(session: Session, patients: Sequence[int]) -> list[Row]:
    """The rulings about any of these Patients, in the order made."""
    if session.value("SELECT 1 FROM ruling LIMIT 1") is None:
        return []  # as in nearly every store
    listed = session.listed(patients)
    sql = f"SELECT {_ROW} FROM ruling WHERE {session.within('patient')} OR {session.within('other')} ORDER BY key"
    return session.rows(sql, listed, listed)


def every(session: Session) -> list[Row]:
    """All rulings, in the order made."""
    return session.rows(f"SELECT {_ROW} FROM ruling ORDER BY key")


def history(session: Session) -> list[tuple[int, str, Row]]:
    """(at, why, ruling) of all rulings, in the order made."""
    return [(at, why, tuple(row)) for at, why, *row in session.rows(f"SELECT at, why, {_ROW} FROM ruling ORDER BY key")]


def by_key(session: Session, key: int) -> Row | None:
    """One ruling."""
    return session.row(f"SELECT {_ROW} FROM ruling WHERE key = ?", key)
