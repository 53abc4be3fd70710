"""Who is who: the numbers that Patients claim, and the persons gathered from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.store import columns
from gateway.store.numbers import TYPE_NUMBER
from gateway.store.session import Session

_CLAIM = columns.CLAIM.all
_LEAST, _MOST = -(2**63), 2**63 - 1


def replace_claims(session: Session, patients: Sequence[int], claims: Sequence[tuple[int, str, bytes]]) -> set[str]:
    """Replace the evidence of Patients. Returns every number, old or new, that they claimed or claim."""
    old = {
        row[0]
        for row in session.rows(f"SELECT number FROM claim WHERE {session.within('patient')}", session.listed(patients))
    }
    session.run(f"DELETE FROM claim WHERE {session.within('patient')}", session.listed(patients))
    session.insert("claim", _CLAIM, sorted(set(claims)))
    return old | {number for _, number, _ in claims}


def claims_of(session: Session, patients: Sequence[int]) -> list[tuple[int, str, bytes]]:
    """(patient, number, evidence) of these Patients."""
    return session.rows(
        f"SELECT {_CLAIM} FROM claim WHERE {session.within('patient')} ORDER BY 1, 2",
        session.listed(patients),
    )


def claimants(session: Session, numbers: Sequence[str]) -> list[tuple[int, str, bytes]]:
    """(patient, number, evidence) of every Patient that claims one of the numbers, gathered or not."""
    return session.rows(
        f"SELECT {_CLAIM} FROM claim WHERE {session.within('number')} ORDER BY 1, 2",
        session.listed(numbers),
    )


def connected(session: Session, numbers: Iterable[str]) -> list[tuple[int, str, bytes]]:
    """Return the claims that these numbers reach through shared Patients. They are gathered again together."""
    reached_numbers, claims = set(numbers), dict[tuple[int, str], tuple[int, str, bytes]]()
    frontier = set(reached_numbers)
    while frontier:
        patients = {claim[0] for claim in claimants(session, sorted(frontier))} - {patient for patient, _ in claims}
        new_claims = claims_of(session, sorted(patients))
        claims.update({(claim[0], claim[1]): claim for claim in new_claims})
        frontier = {claim[1] for claim in new_claims} - reached_numbers
        reached_numbers |= frontier
    return sorted(claims.values())


def replace_persons(
    session: Session,
    patients: Sequence[int],
    persons: Sequence[tuple[int, int, str, str]],
    mismatches: Sequence[tuple[str, int, str]],
) -> None:
    """Set (patient, person, grade, why) for these Patients, and which of them were not gathered. A Patient that moves
    to another person counts as changed: ``seen_seq`` of its heads moves."""
    listed = session.listed(patients)
    before = dict(session.rows(f"SELECT patient, person FROM person WHERE {session.within('patient')}", listed))
    session.run(f"DELETE FROM person WHERE {session.within('patient')}", listed)
    session.insert("person", columns.PERSON.all, persons)
    session.run(f"DELETE FROM mismatch WHERE {session.within('patient')}", listed)
    session.insert("mismatch", columns.MISMATCH.all, sorted(set(mismatches)))
    moved = [patient for patient, person, _, _ in persons if before.get(patient) not in (None, person)]
    if moved:
        session.run(
            f"UPDATE head SET seen_seq = ? WHERE {session.within('patient')}", session.commit_seq, session.listed(moved)
        )


def person_of(session: Session, patient: int) -> int | None:
    """The person a Patient is gathered into."""
    person: int | None = session.value("SELECT person FROM person WHERE patient = ?", patient)
    return person


def persons_of(session: Session, patients: Sequence[int]) -> dict[int, int]:
    """Patient → the person it is gathered into."""
    return dict(
        session.rows(f"SELECT patient, person FROM person WHERE {session.within('patient')}", session.listed(patients))
    )


def gathered(session: Session, persons: Sequence[int]) -> list[tuple[int, int, str]]:
    """(patient, person, grade) of the Patients gathered into these persons."""
    return session.rows(
        f"SELECT patient, person, grade FROM person WHERE {session.within('person')} ORDER BY patient",
        session.listed(persons),
    )


def ids_of(session: Session, patients: Sequence[int]) -> dict[int, str]:
    """Patient → the id of its Patient resource."""
    if not patients:
        return {}
    sql = f"SELECT patient, id FROM head WHERE {session.within('patient')} AND type = ?"
    return dict(session.rows(sql, session.listed(patients), TYPE_NUMBER["Patient"]))


def pages(session: Session, size: int) -> Iterator[list[tuple[int, int]]]:
    """(patient, person) of every Patient, in pages of whole persons by person: each of about ``size`` Patients."""
    low = _LEAST
    while low <= _MOST:
        high = session.value("SELECT person FROM person WHERE person >= ? ORDER BY person LIMIT 1 OFFSET ?", low, size)
        page = session.rows(
            "SELECT patient, person FROM person WHERE person >= ? AND person <= ? ORDER BY person, patient",
            low,
            _MOST if high is None else high,
        )
        if page:
            yield page
        low = _MOST + 1 if high is None else high + 1


def count(session: Session) -> int:
    """How many Patients are gathered into persons."""
    return session.value("SELECT count(*) FROM person") or 0


def held_by(session: Session, patients: Sequence[int], publishers: Sequence[int]) -> set[int]:
    """Those of the Patients that these publishers hold a current Patient resource of."""
    sql = (
        f"SELECT patient FROM head WHERE {session.within('patient')} AND type = ? AND deleted = 0 "
        f"AND {session.within('publisher')}"
    )
    rows = session.rows(sql, session.listed(patients), TYPE_NUMBER["Patient"], session.listed(publishers))
    return {patient for (patient,) in rows}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A Patient that shares an NHS number and was not gathered. ``number`` counts the numbers shared and is none of
    them."""

    number: int
    source: str
    publisher: str
    id: str
    why: str

    def plain(self) -> dict[str, str | int]:
        return {
            "number": self.number, "source": self.source, "publisher": self.publisher, "patient": self.id,
            "why": self.why,
        }  # fmt: skip


def mismatches(session: Session) -> Iterator[Mismatch]:
    """The Patients that share a number and were not gathered, by the number that they share."""
    sql = (
        "SELECT m.number, p.source, p.code, h.id, m.why FROM mismatch m JOIN head h ON h.patient = m.patient "
        "AND h.type = ? AND h.deleted = 0 JOIN publisher p ON p.key = h.publisher ORDER BY m.number, h.id"
    )
    shared: dict[str, int] = {}
    for number, source, publisher, id_, why in session.stream(sql, TYPE_NUMBER["Patient"]):
        yield Mismatch(shared.setdefault(number, len(shared) + 1), source, publisher, id_, why)


def census(session: Session) -> dict[str, int]:
    """How many Patients there are, as how many persons; how many are gathered with others, how many are possible
    mismatches."""
    return {
        "patients": session.value("SELECT count(*) FROM person") or 0,
        "persons": session.value("SELECT count(DISTINCT person) FROM person") or 0,
        "gathered": session.value(
            "SELECT count(*) FROM person WHERE person IN (SELECT person FROM person GROUP BY person HAVING "
            "count(*) > 1)"
        )
        or 0,
        "notGathered": session.value("SELECT count(DISTINCT patient) FROM mismatch") or 0,
    }
