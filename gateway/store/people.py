"""Who is who: publishers, the numbers Patients claim, the persons gathered from them, permissions recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.store.database import Session
from gateway.store.numbers import KIND_NUMBER, KINDS, TYPE_NUMBER

STATES = ("active", "withheld", "withdrawn")
"""The strictest last."""


@dataclass(frozen=True, slots=True)
class PublisherRow:
    """One practice, trust or council as the store knows it."""

    key: int
    source: str
    code: str
    ods: str
    name: str
    kind: str
    state: str
    received: int


def publishers(session: Session) -> dict[int, PublisherRow]:
    """Every publisher by its key."""
    rows = session.rows("SELECT key, source, code, ods, name, kind, state, received FROM publisher ORDER BY key")
    return {row[0]: PublisherRow(*row[:5], KINDS[row[5]], *row[6:]) for row in rows}


def is_known(session: Session, source: str, code: str) -> bool:
    """Whether this publisher has been registered here."""
    return session.value("SELECT 1 FROM publisher WHERE source = ? AND code = ?", source, code) is not None


def ensure_publisher(session: Session, source: str, code: str, kind: str) -> int:
    """The key of a publisher, made active and nameless when it is new."""
    found = session.value("SELECT key FROM publisher WHERE source = ? AND code = ?", source, code)
    if found is None:
        found = session.next_key("publisher")
        session.run(
            "INSERT INTO publisher (key, source, code, ods, name, kind, state, ord, named, placed, received) "
            "VALUES (?, ?, ?, ?, ?, ?, 'active', 0, 0, 0, ?)",
            found, source, code, "", "", KIND_NUMBER[kind], session.now,
        )  # fmt: skip
    return found


def describe_publisher(session: Session, key: int, *, ods: str, name: str, state: str, order: int) -> None:
    """Set what a source says of a publisher. An older statement never undoes a newer one, of two at one moment the
    stricter state holds; each of ods, name and state is told apart. A change of state is a change seen, and has
    unreleased parts of exports cut again.
    """
    before = session.row("SELECT ods, name, state, ord, named, placed FROM publisher WHERE key = ?", key)
    now_ods, placed = _later((before[0], before[5]), (ods, order))
    now_name, named = _later((before[1], before[4]), (name, order))
    now_state, stated = _later((before[2], before[3]), (state, order), STATES.index)
    after = (now_ods, now_name, now_state, stated, named, placed)
    if after == tuple(before):
        return
    session.run(
        "UPDATE publisher SET ods = ?, name = ?, state = ?, ord = ?, named = ?, placed = ? WHERE key = ?", *after, key
    )
    if now_state != before[2]:
        session.run("UPDATE head SET seen_seq = ? WHERE publisher = ?", session.commit_seq, key)
        session.run("UPDATE clock SET label_seq = ? WHERE id = 1", session.commit_seq)


def _later(one: tuple[str, int], other: tuple[str, int], rank: Callable[[str], object] = str) -> tuple[str, int]:
    """The later of two statements (what, order); of two at one moment the higher by ``rank``. An empty one says
    nothing."""
    return max((each for each in (one, other) if each[0]), key=lambda each: (each[1], rank(each[0])), default=one)


def received(session: Session, keys: Iterable[int]) -> None:
    """These publishers sent something now."""
    session.many("UPDATE publisher SET received = ? WHERE key = ?", [(session.now, key) for key in sorted(keys)])


def replace_claims(session: Session, patients: Sequence[int], claims: Sequence[tuple[int, str, bytes]]) -> set[str]:
    """Put the evidence of Patients in place of what they gave before; return every number, old or new, that was
    touched."""
    old = {
        row[0]
        for row in session.rows(f"SELECT number FROM claim WHERE {session.within('patient')}", session.listed(patients))
    }
    session.run(f"DELETE FROM claim WHERE {session.within('patient')}", session.listed(patients))
    session.insert("claim", "patient, number, evidence", sorted(set(claims)))
    return old | {number for _, number, _ in claims}


def claims_of(session: Session, patients: Sequence[int]) -> list[tuple[int, str, bytes]]:
    """(patient, number, evidence) of these Patients."""
    return session.rows(
        f"SELECT patient, number, evidence FROM claim WHERE {session.within('patient')} ORDER BY 1, 2",
        session.listed(patients),
    )


def claimants(session: Session, numbers: Sequence[str]) -> list[tuple[int, str, bytes]]:
    """(patient, number, evidence) of every Patient that claims one of the numbers, gathered or not."""
    return session.rows(
        f"SELECT patient, number, evidence FROM claim WHERE {session.within('number')} ORDER BY 1, 2",
        session.listed(numbers),
    )


def connected(session: Session, numbers: Iterable[str]) -> list[tuple[int, str, bytes]]:
    """The claims reachable from these numbers through shared Patients: what must be gathered anew together."""
    seen_numbers, seen = set(numbers), {}
    frontier = set(seen_numbers)
    while frontier:
        patients = {row[0] for row in claimants(session, sorted(frontier))} - {key[0] for key in seen}
        found = claims_of(session, sorted(patients))
        seen.update({(row[0], row[1]): row for row in found})
        frontier = {row[1] for row in found} - seen_numbers
        seen_numbers |= frontier
    return sorted(seen.values())


def replace_persons(
    session: Session,
    patients: Sequence[int],
    persons: Sequence[tuple[int, int, str, str]],
    mismatches: Sequence[tuple[str, int, str]],
) -> None:
    """Set (patient, person, grade, why) for these Patients, and which of them were not gathered; heads of moved
    Patients are seen anew."""
    listed = session.listed(patients)
    before = dict(session.rows(f"SELECT patient, person FROM person WHERE {session.within('patient')}", listed))
    session.run(f"DELETE FROM person WHERE {session.within('patient')}", listed)
    session.insert("person", "patient, person, grade, why", persons)
    session.run(f"DELETE FROM mismatch WHERE {session.within('patient')}", listed)
    session.insert("mismatch", "number, patient, why", sorted(set(mismatches)))
    moved = [patient for patient, person, _, _ in persons if before.get(patient) not in (None, person)]
    if moved:
        session.run(
            f"UPDATE head SET seen_seq = ? WHERE {session.within('patient')}", session.commit_seq, session.listed(moved)
        )


def person_of(session: Session, patient: int) -> int | None:
    """The person a Patient is gathered into."""
    return session.value("SELECT person FROM person WHERE patient = ?", patient)


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


def patients_of(session: Session, publishers: Sequence[int]) -> list[tuple[int, int]]:
    """(patient, person) of every current Patient these publishers hold."""
    return session.rows(
        "SELECT p.patient, p.person FROM person p JOIN head h ON h.patient = p.patient AND h.type = ? AND h.deleted = 0 "
        f"WHERE {session.within('h.publisher')} ORDER BY p.person, p.patient",
        TYPE_NUMBER["Patient"], session.listed(publishers),
    )  # fmt: skip


def has_mismatch(session: Session, numbers: Sequence[str], patients: Sequence[int]) -> bool:
    """Whether someone claims one of these numbers and was not gathered with these Patients."""
    sql = f"SELECT patient FROM claim WHERE {session.within('number')}"
    return bool({row[0] for row in session.rows(sql, session.listed(numbers))} - set(patients))


def grant_permission(session: Session, number: str, ods: str, user: str, basis: str, reason: str, until: int) -> None:
    """Record permission to view."""
    session.run(
        "INSERT INTO permission (key, number, ods, user_id, basis, reason, at, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        session.next_key("permission"), number, ods, user, basis, reason, session.now, until,
    )  # fmt: skip


def permissions(session: Session, numbers: Sequence[str], ods: str, now: int) -> list[tuple[str, str, str, int]]:
    """(number, basis, user, until) of the permissions in force for this organisation, the longest first: it holds when
    the others have ended."""
    return session.rows(
        f"SELECT number, basis, user_id, until FROM permission WHERE {session.within('number')} AND ods = ? AND until > ? ORDER BY until DESC",
        session.listed(numbers), ods, now,
    )  # fmt: skip


def preferences(session: Session, patients: Sequence[int]) -> list[tuple[int, str, str]]:
    """(patient, name, date) of every coded choice found in these Patients' records."""
    return session.rows(
        f"SELECT patient, name, at FROM preference WHERE {session.within('patient')} ORDER BY 1, 3",
        session.listed(patients),
    )


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
