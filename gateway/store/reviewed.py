"""What the review of identity reads: who holds a record, shared numbers, and the numbers that records had before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.store import columns
from gateway.store.numbers import TYPE_NUMBER
from gateway.store.session import Session

PATIENT = TYPE_NUMBER["Patient"]


class HeldPatient(NamedTuple):
    """A current Patient resource, with who sent it."""

    patient: int
    id: str
    source: str
    publisher: str
    labels: int
    body: bytes


def held(session: Session, patients: Sequence[int]) -> dict[int, HeldPatient]:
    """Patient → its current resource."""
    sql = (
        "SELECT h.patient, h.id, p.source, p.code, h.labels, v.body FROM head h JOIN version v ON v.key = h.body "
        f"JOIN publisher p ON p.key = h.publisher WHERE {session.within('h.patient')} AND h.type = ? AND h.deleted = 0"
    )
    return {row[0]: HeldPatient(*row) for row in session.rows(sql, session.listed(patients), PATIENT)}


def shared(session: Session) -> dict[str, list[str]]:
    """Number → why some of those that claim it were not gathered."""
    reasons: dict[str, list[str]] = {}
    for number, why in session.rows(
        f"SELECT DISTINCT {columns.MISMATCH.only('number why')} FROM mismatch ORDER BY 1, 2"
    ):
        reasons.setdefault(number, []).append(why)
    return reasons


def gatherings(session: Session) -> list[list[int]]:
    """The Patients of each person of several."""
    several = "SELECT person FROM person GROUP BY person HAVING count(*) > 1"
    people: dict[int, list[int]] = {}
    for patient, person in session.rows(
        f"SELECT patient, person FROM person WHERE person IN ({several}) ORDER BY person, patient"
    ):
        people.setdefault(person, []).append(patient)
    return list(people.values())


def earlier(session: Session) -> Iterator[tuple[int, bytes]]:
    """(patient, body) of every superseded version of the Patients that are there."""
    sql = (
        "SELECT h.patient, v.body FROM history y JOIN head h ON h.key = y.head AND h.type = ? AND h.deleted = 0 "
        "JOIN version v ON v.key = y.version AND v.deleted = 0 ORDER BY h.patient, y.number"
    )
    return session.stream(sql, PATIENT)


def all_claims(session: Session) -> Iterator[tuple[int, str, bytes]]:
    """(patient, number, evidence) of every NHS number that a Patient claims, by patient."""
    sql = f"SELECT {columns.CLAIM.all} FROM claim WHERE number NOT LIKE 'patient:%' ORDER BY patient, number"
    return session.stream(sql)


def pages(session: Session, publisher: str = "", size: int = 500) -> Iterator[list[tuple[int, str, bytes]]]:
    """(patient, id, body) of every current Patient resource, or of one publisher's, in pages."""
    sql = (
        "SELECT h.key, h.patient, h.id, v.body FROM head h JOIN version v ON v.key = h.body "
        "JOIN publisher p ON p.key = h.publisher WHERE h.type = ? AND h.deleted = 0 AND h.key > ? "
        "AND (? = '' OR p.code = ?) ORDER BY h.key LIMIT ?"
    )
    after = 0
    while page := session.rows(sql, PATIENT, after, publisher, publisher, size):
        yield [(patient, id_, body) for _, patient, id_, body in page]
        after = page[-1][0]


def evidences(session: Session) -> Iterator[tuple[int, bytes]]:
    """(patient, evidence) of every Patient that is there, each once."""
    sql = (
        "SELECT c.patient, c.evidence FROM claim c JOIN head h ON h.patient = c.patient AND h.type = ? "
        "AND h.deleted = 0 WHERE c.number = (SELECT min(number) FROM claim WHERE patient = c.patient) "
        "ORDER BY c.patient"
    )
    return session.stream(sql, PATIENT)
