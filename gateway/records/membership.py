"""Selects the members of an export and reads their resources as they were, within the project's limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from typing import Any

from gateway.fhir import build
from gateway.fhir.search import Allow, Limits, PatientKey
from gateway.nhs import identity, kinds, leaving
from gateway.store import identities, labelling, optouts, registry, resources, snapshot
from gateway.store import members as stored_members
from gateway.store.members import Member
from gateway.store.session import Session

PAGE = 1000
"""The number of Patients read together."""


@dataclass(frozen=True, slots=True)
class Page:
    """The members among some whole persons: (person, patient, name) of every Patient that may be in an export, and
    how many Patients were left out for what, for the ledger only. The name is what a person is pseudonymised by."""

    rows: list[Member]
    left_out: dict[str, int]


@dataclass(frozen=True)
class ToRelease:
    """One person's resources on their way out: ``person`` is what they are pseudonymised by. ``lives`` are the bodies
    of every Patient gathered with them, whoever holds it: births and deaths decide about dates."""

    person: str
    resources: Sequence[tuple[str, str, bytes]] = field(default=())
    lives: Sequence[bytes] = field(default=())


@dataclass(frozen=True)
class Today:
    """What holds today of the members of a part. ``refused`` Patients leave no more; of those ``without_gp`` no GP
    record leaves. ``publishers`` are the keys of the contributors in force, ``gp`` those of them that register
    patients, ``persons`` who is gathered with whom. ``state`` is a digest of all that, and of what labels hide."""

    refused: frozenset[int]
    without_gp: frozenset[int]
    publishers: frozenset[int]
    gp: frozenset[int]
    persons: Mapping[int, frozenset[int]]
    state: str


def members(session: Session, contributors: frozenset[str], optout: int) -> Iterator[Page]:
    """Everyone whom the contributors (ODS codes) hold but opted-out and restricted people, a page of whole persons
    at a time.

    Whoever shares any number with an opted-out or restricted Patient is left out too, gathered or not (wide to
    refuse). Read in one transaction, the pages are one moment's.
    """
    publishers = _active(session, contributors)
    for page in identities.pages(session, PAGE):
        yield _page(session, page, publishers, optout)


def names(session: Session) -> Iterator[tuple[str, list[int]]]:
    """What each person that is held would be pseudonymised by today, with their Patients: whoever may leave or not, to
    tell of a pseudonym whose it is."""
    for page in identities.pages(session, PAGE):
        person_of = dict(page)
        claims = identities.claims_of(session, sorted(person_of))
        around = identities.connected(session, {number for _, number, _ in claims})
        named = _names(session, person_of, around)
        for person, rows in groupby(page, key=lambda row: row[1]):
            if person in named:
                yield named[person], [patient for patient, _ in rows]


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


def stream(
    session: Session, job: str, part: int, pins: Mapping[str, Any], order: Callable[[str], bytes] | None = None
) -> Iterator[ToRelease]:
    """Each person of a job's part, with all their resources of the project's types as at the pinned moment; what hides
    them is always today's. Patients are read for a project without them too: they decide about dates. Persons come in
    the order of their places, or of what ``order`` makes of their names."""
    rows = stored_members.members(session, job, part)
    if order:
        rows = sorted(rows, key=lambda row: (order(row[2]), row))
    now = _today(session, rows, pins)
    types = frozenset(pins["approved"]["types"]) | {"Patient"}
    hidden = leaving.hidden(pins["exclude_sensitive"])
    ways = {
        publishers: (Allow(types, publishers, None, hidden),)
        for publishers in (now.publishers, now.publishers - now.gp)
    }
    lives = _lives(session, now, pins["as_of"])
    for (place, name), person in groupby(rows, key=lambda row: (row[0], row[2])):
        patients = [patient for _, patient, _ in person if patient not in now.refused]
        if not patients:
            continue
        is_without_gp = not now.without_gp.isdisjoint(patients)
        limits = Limits(
            ways[now.publishers - now.gp if is_without_gp else now.publishers], frozenset(map(PatientKey, patients))
        )
        held = snapshot.as_of(session, limits, pins["as_of"])
        if leaving_ones := [(resource.type, resource.id, resource.body) for resource in held]:
            known = [lives[patient] for patient in sorted(now.persons[place]) if patient in lives]
            yield ToRelease(name, leaving_ones, known)


def today(session: Session, job: str, part: int, pins: Mapping[str, Any]) -> Today:
    """Ask about the people of a part as they are now: who has opted out by any number they claim now, who is
    restricted, who has objected (Type 1) or is registered nowhere, and what else is hidden. The same state means that
    the same would leave. Bounded by the part, whatever the size of the job."""
    return _today(session, stored_members.members(session, job, part), pins)


def _today(session: Session, rows: Sequence[Member], pins: Mapping[str, Any]) -> Today:
    patients = sorted({patient for _, patient, _ in rows})
    publishers = _active(session, frozenset(pins["contributors"]))
    gp = [
        key for key, row in registry.publishers(session).items() if key in publishers and kinds.of(row.kind).registers
    ]
    around = _wide(session, set(patients))
    refused = _refused(session, around, pins).intersection(patients)
    persons = _persons(session, rows)
    objecting = _wide(session, labelling.labelled(session, sorted(around), leaving.WITHOUT_GP))
    without_gp = objecting.intersection(patients) | _unregistered(session, persons).intersection(patients)
    hidden = snapshot.hidden_of(session, patients, leaving.hidden(pins["exclude_sensitive"]), pins["as_of"])
    gathered = [(place, sorted(persons[place])) for place in sorted(persons)]
    facts = repr((sorted(refused), sorted(without_gp), sorted(publishers), hidden, gathered))
    return Today(
        frozenset(refused), frozenset(without_gp), frozenset(publishers), frozenset(gp), persons,
        blake2b(facts.encode(), digest_size=16).hexdigest(),
    )  # fmt: skip


def _refused(session: Session, around: set[int], pins: Mapping[str, Any]) -> set[int]:
    """Who may not leave, of those around the members: opted out by any number, or restricted, with everyone that goes
    with them."""
    in_force = optouts.in_force(session)
    claims = identities.claims_of(session, sorted(around))
    listed = optouts.on_list(
        session, in_force.key if in_force else pins["optout"], sorted({number for _, number, _ in claims})
    )
    opted_out = {patient for patient, number, _ in claims if number in listed}
    return _wide(session, opted_out | labelling.labelled(session, sorted(around), leaving.KEEPS_OUT))


def _persons(session: Session, rows: Sequence[Member]) -> dict[int, frozenset[int]]:
    """Place → the Patients of a person: those of the job, and who is gathered with any of them now."""
    person_of = identities.persons_of(session, [patient for _, patient, _ in rows])
    gathered: dict[int, set[int]] = {}
    for patient, person, _ in identities.gathered(session, sorted(set(person_of.values()))):
        gathered.setdefault(person, set()).add(patient)
    persons: dict[int, set[int]] = {}
    for place, patient, _ in rows:
        persons.setdefault(place, set()).update({patient}, gathered.get(person_of.get(patient, 0), ()))
    return {place: frozenset(patients) for place, patients in persons.items()}


def _unregistered(session: Session, persons: Mapping[int, Iterable[int]]) -> set[int]:
    """The Patients of persons whose GP records may not leave, because nobody here registers them."""
    everyone = sorted({patient for patients in persons.values() for patient in patients})
    facts: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for resource in resources.of_patients(session, everyone, ["Patient", "EpisodeOfCare"]):
        if resource.type == "Patient" or kinds.of(resource.kind).registers:
            of_patient = facts.setdefault(resource.patient, {"Patient": [], "EpisodeOfCare": []})
            of_patient[resource.type].append(build.decode(resource.body))
    unregistered: set[int] = set()
    for patients in persons.values():
        own = [facts[patient] for patient in patients if patient in facts]
        bodies, registrations = (
            [resource for by_type in own for resource in by_type[name]] for name in ("Patient", "EpisodeOfCare")
        )
        if not leaving.may_give_gp(bodies, registrations):
            unregistered.update(patients)
    return unregistered


def _lives(session: Session, now: Today, seq: int) -> dict[int, bytes]:
    """The Patient resources, as they were, of everyone gathered with somebody of a part; whoever holds them."""
    everyone = frozenset(PatientKey(patient) for patients in now.persons.values() for patient in patients)
    patients = snapshot.as_of(session, Limits((Allow(frozenset({"Patient"})),), everyone), seq)
    return {patient.patient: patient.body for patient in patients}


def data_moment(session: Session) -> str:
    """What names the state of the data: the newest commit of a resource, and of a label."""
    return f"{snapshot.newest_seq(session)} {label_seq(session)}"


def label_seq(session: Session) -> int:
    """The commit of the last change of any label: what a job compares before it releases."""
    return labelling.label_seq(session)
