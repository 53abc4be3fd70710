"""Out to secondary use: who is in a release, and each person's resources as they were, within the project's limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby

from gateway.fhir.dates import moment
from gateway.fhir.search import Allow, Limits, PatientKey
from gateway.nhs import identity, labels
from gateway.nhs.project import Project
from gateway.store import jobs, optouts, people, snapshot
from gateway.store import labels as stored_labels
from gateway.store.database import Session

RESTRICTED = labels.RESTRICTED | labels.WITHHELD
"""A Patient with one of these keeps everyone out who shares a number with them."""


CHUNK = 2000
"""Patients asked about at once."""


@dataclass(frozen=True)
class Members:
    """Who is in a release: (person, patient, name) of every Patient that may be, and how many were left out for what
    (for the ledger only). The name is what a person is pseudonymised by."""

    rows: tuple[tuple[int, int, str], ...]
    left_out: dict[str, int]

    def parts(self, persons: int, secret: bytes) -> list[list[tuple[int, int, str]]]:
        """Cut into parts of so many whole persons: (place, patient, name). The same members make the same parts, in an
        order that only who has the secret can make: that of the source, which may be by number or by name, would tell
        who is who."""
        whole = [list(group) for _, group in groupby(sorted(self.rows), key=lambda row: row[0])]
        whole.sort(key=lambda rows: blake2b(rows[0][2].encode(), key=secret).digest())
        placed = [[(place, patient, name) for _, patient, name in rows] for place, rows in enumerate(whole)]
        return [
            [row for person in placed[start : start + persons] for row in person]
            for start in range(0, len(placed), persons)
        ] or [[]]


@dataclass(frozen=True)
class ToRelease:
    """One person's resources on their way out: ``person`` is what they are pseudonymised by."""

    person: str
    resources: Sequence[tuple[str, str, bytes]] = field(default=())


def members(session: Session, project: Project, optout: int) -> Members:
    """Everyone of the project's live contributors but opted-out and restricted people: whoever shares any number with
    one of those is left out too, gathered or not (wide to refuse)."""
    today = moment(session.now).date()
    live = project.live(today)
    publishers = {p.key for p in people.publishers(session).values() if p.state == "active" and p.ods in live}
    everyone = people.patients_of(session, sorted(publishers))
    refused = {
        "opted out": _wide(session, optouts.opted_out(session, optout)),
        "restricted": _wide(session, stored_labels.patients_with(session, RESTRICTED)),
    }
    left_out: Counter[str] = Counter()
    rows = []
    for patient, person in everyone:
        reason = next((name for name, patients in refused.items() if patient in patients), None)
        if reason:
            left_out[reason] += 1
        else:
            rows.append((person, patient))
    names = _names(session, rows)
    return Members(tuple((person, patient, names[person]) for person, patient in rows), dict(left_out))


def opted_out_since(session: Session, job: str, optout: int) -> bool:
    """Whether somebody in a job would be left out by this list, as widely as when a job is made."""
    return not jobs.patients(session, job).isdisjoint(_wide(session, optouts.opted_out(session, optout)))


def _wide(session: Session, patients: set[int]) -> set[int]:
    """The patients, everyone gathered with them, and everyone who claims a number that any of those claims."""
    if not patients:
        return set()
    numbers = {row[1] for row in people.claims_of(session, sorted(patients))}
    found = {row[0] for row in people.connected(session, sorted(numbers))} | patients
    persons = set(people.persons_of(session, sorted(found)).values())
    return found | {row[0] for row in people.gathered(session, sorted(persons))}


def _names(session: Session, rows: Sequence[tuple[int, int]]) -> dict[int, str]:
    """What each person is pseudonymised by: the number that is surely theirs and nobody else's, else their first
    Patient. Said once, when a job is made: what is loaded later does not change it."""
    names = {}
    for start in range(0, len(rows), CHUNK):
        chunk = {person for person, _ in rows[start : start + CHUNK]} - names.keys()
        patients = dict(row[:2] for row in people.gathered(session, sorted(chunk)))
        given: dict[int, list[identity.Evidence]] = {}
        for patient, evidence in {row[0]: row[2] for row in people.claims_of(session, sorted(patients))}.items():
            given.setdefault(patients[patient], []).append(identity.decode_evidence(evidence))
        sure = {
            person: sorted({number for each in evidences for number in _sure(each)})
            for person, evidences in given.items()
        }
        holders = _holders(session, sorted({number for numbers in sure.values() for number in numbers}))
        for person, numbers in sure.items():
            own = next((number for number in numbers if holders[number] == {person}), None)
            names[person] = f"number:{own}" if own else f"patient:{min(each.patient for each in given[person])}"
    return names


def _holders(session: Session, numbers: Sequence[str]) -> dict[str, set[int]]:
    """Number → the persons of whom it is surely the number: several are several people, whatever they share."""
    claims = [row for row in people.claimants(session, numbers) if row[1] in _sure(identity.decode_evidence(row[2]))]
    persons = people.persons_of(session, sorted({row[0] for row in claims}))
    found: dict[str, set[int]] = {}
    for patient, number, _ in claims:
        found.setdefault(number, set()).add(persons.get(patient, 0))
    return found


def _sure(evidence: identity.Evidence) -> list[str]:
    return [number for number, grade in evidence.grades if grade != identity.CLAIMED]


def stream(
    session: Session, job: jobs.Job, part: int, publishers: frozenset[str], exclude_sensitive: bool = True
) -> Iterator[ToRelease]:
    """Each person of a part, with their resources as at the job's moment; labels and publishers are always today's."""
    hidden = labels.NEVER_RELEASED
    if exclude_sensitive:
        hidden |= labels.SENSITIVE | labels.LINKED | labels.SERVICE
    keys = [p.key for p in people.publishers(session).values() if p.state == "active" and p.ods in publishers]
    rows = jobs.members(session, job.id, part)
    refused = (
        set()
        if label_seq(session) == job.pins["label_seq"]
        else _restricted(session, [patient for _, patient, _ in rows])
    )
    for (_, name), group in groupby(rows, key=lambda row: (row[0], row[2])):
        patients = [patient for _, patient, _ in group if patient not in refused]
        allow = Allow(frozenset(job.pins["types"]), frozenset(keys), None, hidden)
        found = list(snapshot.as_of(session, Limits((allow,), frozenset(map(PatientKey, patients))), job.pins["as_of"]))
        if found:
            yield ToRelease(name, [(one.type, one.id, one.body) for one in found])


def _restricted(session: Session, patients: Sequence[int]) -> set[int]:
    """Who of these, or who shares a number with them, has been restricted since the job was made: with everyone that
    goes with them."""
    numbers = {row[1] for row in people.claims_of(session, patients)}
    around = {row[0] for row in people.connected(session, sorted(numbers))} | set(patients)
    return _wide(session, stored_labels.labelled(session, sorted(around), RESTRICTED))


def label_seq(session: Session) -> int:
    """The commit of the last change of any label: what a job compares before it releases."""
    return stored_labels.label_seq(session)
