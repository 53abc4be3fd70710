"""Traces at rest: what PDS answered about the numbers of Patients. The newest of a Patient and number counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from gateway.store import columns
from gateway.store.session import Session


class TraceRow(NamedTuple):
    """One trace as it lies in the store; times in µs UTC. ``number`` is the one claimed, ``answer`` the one that PDS
    gave; "" for none."""

    key: int
    patient: int
    number: str
    answer: str
    outcome: str
    asked: str
    answered: str
    restricted: int
    died: str
    at: int
    until: int


_ALL = columns.TRACE.all


def add(session: Session, row: TraceRow) -> None:
    """Add a trace; its key and its time are given here."""
    key = session.next_key("trace")
    session.insert("trace", _ALL, [tuple(row._replace(key=key, at=session.now))])


def of_patients(session: Session, patients: Sequence[int]) -> list[TraceRow]:
    """Every trace of these Patients, in the order made."""
    if session.value("SELECT 1 FROM trace LIMIT 1") is None:
        return []  # as where nobody is traced
    sql = f"SELECT {_ALL} FROM trace WHERE {session.within('patient')} ORDER BY key"
    return [TraceRow(*row) for row in session.rows(sql, session.listed(patients))]


def newest_of(session: Session, patients: Sequence[int], outcomes: Collection[str]) -> list[TraceRow]:
    """The newest trace of each of these Patients and numbers that ended with one of the outcomes, ended or not."""
    return newest_by_number(row for row in of_patients(session, patients) if row.outcome in outcomes)


def newest_by_number(rows: Iterable[TraceRow]) -> list[TraceRow]:
    """The newest of each Patient and number among traces in the order made."""
    return sorted({(row.patient, row.number): row for row in rows}.values())


def every(session: Session) -> list[TraceRow]:
    """All traces, in the order made."""
    return [TraceRow(*row) for row in session.rows(f"SELECT {_ALL} FROM trace ORDER BY key")]


def ended(session: Session, now: int) -> list[int]:
    """The Patients of whom the newest trace of a number has ended."""
    sql = (
        "SELECT DISTINCT t.patient FROM trace t WHERE t.until <= ? AND NOT EXISTS (SELECT 1 FROM trace n "
        "WHERE n.patient = t.patient AND n.number = t.number AND n.key > t.key) ORDER BY 1"
    )
    return [row[0] for row in session.rows(sql, now)]
