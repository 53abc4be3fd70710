"""Out to secondary use: who is in a release, and each person's resources as they were, within the project's limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

import msgspec

from gateway.nhs import identity, labels
from gateway.nhs.project import Project
from gateway.store import jobs, optouts, people
from gateway.store import labels as stored_labels
from gateway.store.database import Session

_evidence = msgspec.json.Decoder(identity.Evidence).decode


@dataclass(frozen=True)
class Members:
    """Who is in a release: (person, patient) of every Patient that may be, and how many were left out for what (for the ledger only)."""

    rows: tuple[tuple[int, int], ...]
    left_out: dict[str, int]

    def parts(self, persons: int) -> list[list[tuple[int, int]]]:
        """Cut into parts of so many whole persons; a fixed order, so that the same members make the same parts."""
        whole = [list(group) for _, group in groupby(sorted(self.rows), key=lambda row: row[0])]
        return [[row for person in whole[start : start + persons] for row in person] for start in range(0, len(whole), persons)] or [[]]


@dataclass(frozen=True)
class ToRelease:
    """One person's resources on their way out: ``person`` is what they are pseudonymised by."""

    person: str
    resources: Sequence[tuple[str, str, bytes]] = field(default=())


def members(session: Session, project: Project, optout: int) -> Members:
    """Everyone of the project's live contributors but opted-out and restricted people: whoever shares any number with one of those is left
    out too, gathered or not (wide to refuse)."""
    today = datetime.fromtimestamp(session.now / 1_000_000, UTC).date()
    live = project.live(today)
    publishers = {p.key for p in people.publishers(session).values() if p.state == "active" and p.ods in live}
    everyone = people.patients_of(session, sorted(publishers))
    refused = {
        "opted out": _wide(session, optouts.opted_out(session, optout)),
        "restricted": _wide(session, stored_labels.patients_with(session, labels.RESTRICTED | labels.WITHHELD)),
    }
    left_out: Counter = Counter()
    rows = []
    for patient, person in everyone:
        reason = next((name for name, patients in refused.items() if patient in patients), None)
        if reason:
            left_out[reason] += 1
        else:
            rows.append((person, patient))
    return Members(tuple(rows), dict(left_out))


def _wide(session: Session, patients: set[int]) -> set[int]:
    """The patients, everyone gathered with them, and everyone who claims a number that any of those claims."""
    if not patients:
        return set()
    numbers = {row[1] for row in people.claims_of(session, sorted(patients))}
    found = {row[0] for row in people.connected(session, sorted(numbers))} | patients
    persons = {person for patient in sorted(found) if (person := people.person_of(session, patient)) is not None}
    return found | {row[0] for row in people.gathered(session, sorted(persons))}


def stream(session: Session, job: jobs.Job, part: int, publishers: frozenset[str], exclude_sensitive: bool = True) -> Iterator[ToRelease]:
    """Each person of a part, with their resources as at the job's moment; labels and publishers are always today's."""
    hidden = labels.NEVER_RELEASED
    if exclude_sensitive:
        hidden |= labels.SENSITIVE | labels.LINKED | labels.SERVICE
    keys = [p.key for p in people.publishers(session).values() if p.state == "active" and p.ods in publishers]
    for _, rows in groupby(jobs.members(session, job.id, part), key=lambda row: row[0]):
        patients = [patient for _, patient in rows]
        found = list(jobs.as_of(session, patients, job.pins["types"], hidden, keys, job.pins["as_of"]))
        if found:
            yield ToRelease(_name(session, patients), [(one.type, one.id, one.body) for one in found])


def _name(session: Session, patients: Sequence[int]) -> str:
    """What a person is pseudonymised by: the number that is surely theirs, else their first Patient."""
    evidences = [_evidence(evidence) for _, _, evidence in people.claims_of(session, patients)]
    sure = sorted({number for each in evidences for number, grade in each.grades if grade != identity.CLAIMED})
    return f"number:{sure[0]}" if sure else f"patient:{min(each.patient for each in evidences)}"


def label_seq(session: Session) -> int:
    """The commit of the last change of any label: what a job compares before it releases."""
    return stored_labels.label_seq(session)
