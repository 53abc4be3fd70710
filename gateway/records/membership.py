"""Selects the members of an export and reads their resources as they were, within the project's limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from gateway.fhir.search import Allow, Limits, PatientKey
from gateway.nhs import identity, leaving
from gateway.store import identities, labelling, optouts, registry, snapshot
from gateway.store import members as stored_members
from gateway.store.database import Session
from gateway.store.members import Member

PAGE = 1000
"""The number of Patients read together."""
ASKED = 100_000
"""Opted-out patients held at once while a job is searched for them."""


@dataclass(frozen=True, slots=True)
class Page:
    """The members among some whole persons: (person, patient, name) of every Patient that may be in an export, and
    how many Patients were left out for what, for the ledger only. The name is what a person is pseudonymised by."""

    rows: list[Member]
    left_out: dict[str, int]


@dataclass(frozen=True)
class ToRelease:
    """One person's resources on their way out: ``person`` is what they are pseudonymised by."""

    person: str
    resources: Sequence[tuple[str, str, bytes]] = field(default=())


def members(session: Session, contributors: frozenset[str], optout: int) -> Iterator[Page]:
    """Everyone whom the contributors (ODS codes) hold but opted-out and restricted people, a page of whole persons
    at a time.

    Whoever shares any number with an opted-out or restricted Patient is left out too, gathered or not (wide to
    refuse). Read in one transaction, the pages are one moment's.
    """
    publishers = _active(session, contributors)
    for page in identities.pages(session, PAGE):
        yield _page(session, page, publishers, optout)


def count(session: Session) -> int:
    """Return the number of Patients that ``members`` reads, for progress."""
    return identities.count(session)


def _active(session: Session, contributors: frozenset[str]) -> list[int]:
    publishers = registry.publishers(session).values()
    return [publisher.key for publisher in publishers if publisher.state == "active" and publisher.ods in contributors]


def _page(session: Session, page: Sequence[tuple[int, int]], publishers: Sequence[int], optout: int) -> Page:
    held = identities.held_by(session, [patient for patient, _ in page], publishers)
    persons = {person for patient, person in page if patient in held}
    person_of = {patient: person for patient, person in page if person in persons}
    claims = identities.claims_of(session, sorted(person_of))
    around = identities.connected(session, {number for _, number, _ in claims})
    everyone = sorted({patient for patient, _, _ in around} | person_of.keys())
    listed = optouts.on_list(session, optout, sorted({number for _, number, _ in around}))
    refused = {
        "opted out": _wide(session, {patient for patient, number, _ in around if number in listed}),
        "restricted": _wide(session, labelling.labelled(session, everyone, leaving.KEEPS_OUT)),
    }
    left_out: dict[str, int] = {}
    rows = []
    for patient, person in page:
        if patient in held:
            reason = next((why for why, patients in refused.items() if patient in patients), None)
            if reason:
                left_out[reason] = left_out.get(reason, 0) + 1
            else:
                rows.append((person, patient))
    names = _names(session, person_of, around)
    return Page([(person, patient, names[person]) for person, patient in rows], left_out)


def opted_out_since(session: Session, job: str, optout: int, hold: Callable[[], None] = lambda: None) -> bool:
    """Whether somebody in a job would be left out by this list, as widely as when a job is made. ``hold`` is called
    before the job is searched for each slice of them."""
    asked: set[int] = set()
    for patients in optouts.claimants(session, optout, PAGE):
        asked |= _wide(session, patients)
        if len(asked) >= ASKED:
            hold()
            if stored_members.holds_any(session, job, sorted(asked)):
                return True
            asked = set()
    hold()
    return bool(asked) and stored_members.holds_any(session, job, sorted(asked))


def _wide(session: Session, patients: set[int]) -> set[int]:
    """The patients, everyone gathered with them, and everyone who claims a number that any of those claims."""
    if not patients:
        return set()
    numbers = {number for _, number, _ in identities.claims_of(session, sorted(patients))}
    connected = {patient for patient, _, _ in identities.connected(session, numbers)} | patients
    persons = set(identities.persons_of(session, sorted(connected)).values())
    return connected | {patient for patient, _, _ in identities.gathered(session, sorted(persons))}


def _names(session: Session, person_of: Mapping[int, int], around: Sequence[tuple[int, str, bytes]]) -> dict[int, str]:
    """What each person is pseudonymised by: the number that is surely theirs and nobody else's, else their first
    Patient. It is settled when a job is made: what is loaded later does not change it.

    ``person_of`` has every Patient of these persons, ``around`` the claims of all who share a number with them.
    """
    evidences = {patient: identity.decode_evidence(evidence) for patient, _, evidence in around}
    others = identities.persons_of(session, sorted(evidences.keys() - person_of.keys()))
    holders: dict[str, set[int]] = {}
    for patient, evidence in evidences.items():
        for number in _sure(evidence):
            holders.setdefault(number, set()).add(person_of.get(patient) or others.get(patient, 0))
    by_person: dict[int, list[identity.Evidence]] = {}
    for patient, person in person_of.items():
        if patient in evidences:
            by_person.setdefault(person, []).append(evidences[patient])
    return {person: _name(person, gathered, holders) for person, gathered in by_person.items()}


def _name(person: int, evidences: Sequence[identity.Evidence], holders: Mapping[str, set[int]]) -> str:
    """Return the name a person is pseudonymised by: a sure number that no other person holds, else their first Patient.
    A number that is sure for several persons names none of them."""
    numbers = sorted({number for evidence in evidences for number in _sure(evidence)})
    own = next((number for number in numbers if holders[number] == {person}), None)
    return f"number:{own}" if own else f"patient:{min(evidence.patient for evidence in evidences)}"


def _sure(evidence: identity.Evidence) -> list[str]:
    return [number for number, grade in evidence.grades if grade != identity.CLAIMED]


def stream(session: Session, job: str, part: int, pins: Mapping[str, Any]) -> Iterator[ToRelease]:
    """Each person of a job's part, with their resources as at the pinned moment; labels and publishers are always
    today's."""
    hidden, keys = leaving.hidden(pins["exclude_sensitive"]), _active(session, frozenset(pins["contributors"]))
    allow = Allow(frozenset(pins["types"]), frozenset(keys), None, hidden)
    rows = stored_members.members(session, job, part)
    refused: set[int] = set()
    if label_seq(session) != pins["label_seq"]:
        refused = _restricted(session, [patient for _, patient, _ in rows])
    for (_, name), person in groupby(rows, key=lambda row: (row[0], row[2])):
        patients = [patient for _, patient, _ in person if patient not in refused]
        if not patients:
            continue
        limits = Limits((allow,), frozenset(map(PatientKey, patients)))
        held = snapshot.as_of(session, limits, pins["as_of"])
        if resources := [(resource.type, resource.id, resource.body) for resource in held]:
            yield ToRelease(name, resources)


def _restricted(session: Session, patients: Sequence[int]) -> set[int]:
    """Who of these, or who shares a number with them, has been restricted since the job was made: with everyone that
    goes with them."""
    numbers = {number for _, number, _ in identities.claims_of(session, patients)}
    around = {patient for patient, _, _ in identities.connected(session, numbers)} | set(patients)
    return _wide(session, labelling.labelled(session, sorted(around), leaving.KEEPS_OUT))


def label_seq(session: Session) -> int:
    """The commit of the last change of any label: what a job compares before it releases."""
    return labelling.label_seq(session)
