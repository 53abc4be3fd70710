"""Finds the person a request is about and reads the facts for the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Invalid
from gateway.fhir import build
from gateway.fhir.search import PatientKey, Query
from gateway.nhs import access, identifiers, identity, kinds, relationship, traced
from gateway.nhs.optout import standing
from gateway.nhs.roles import Caller
from gateway.records.door import Door
from gateway.store import find, identities, permissions, preferences, registry, resources, traces
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored
from gateway.store.session import Session

REMEMBERED_FOR = 60_000_000
"""µs. The longest time a fact is cached, because some facts change with time alone: a visit ends at the time that was
written down before, a referral gets old, a council's return stale. Permission is compared with the clock each time."""
MOST_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class About:
    """Who is asked about: Patients by their keys, and the number where they were named by one."""

    asked: frozenset[PatientKey] = frozenset()
    number: str | None = None

    @property
    def by_number(self) -> bool:
        return self.number is not None


def about_head(head: Stored | None) -> About:
    """Return the person a resource is about; nobody for an unknown id."""
    return About(frozenset({PatientKey(head.patient)} if head and head.patient else ()))


def about_number(session: Session, number: str) -> About:
    """Return the Patients that claim a number, and are not held apart from it."""
    return About(
        frozenset(
            PatientKey(patient)
            for patient, _, evidence in identities.claimants(session, [number])
            if identity.decode_evidence(evidence).claims(number)
        ),
        number,
    )


def about_query(session: Session, query: Query) -> About | None:
    """Whom a search names: by number or as one Patient. None where it names nobody: the directory, and what
    ``candidates`` are looked for."""
    if query.number is not None:
        return about_number(session, query.number)
    if query.patients:
        heads = (resources.head_of(session, "Patient", id_) for id_ in query.patients)
        return About(frozenset(PatientKey(head.patient) for head in heads if head))
    return None


def candidates(session: Session, caller: Caller, query: Query) -> list[Stored]:
    """What a search that names nobody may be about: Patients by name, of whom the caller's organisation holds a
    record, or resources by id. Raises ``Invalid`` for a search on nobody in particular, and where too many people
    match to be decided about one by one."""
    if query.type == "Patient":
        own = sorted(own_publishers(registry.publishers(session), caller))
        patients = find.candidates(session, replace(query, count=MOST_CANDIDATES, cursor=None), own)
        if len(patients) > MOST_CANDIDATES:
            raise Invalid("too many people match: add search parameters")
        return patients
    ids = next((clause.values for clause in query.clauses if clause.kind == "id"), None)
    if ids is None:
        raise Invalid("patient: a search on a person's data names one person")
    heads = (resources.head_of(session, query.type, id_) for id_ in ids)
    return [head for head in heads if head and head.patient and not head.deleted]


def publishers_now(door: Door, session: Session) -> dict[int, PublisherRow]:
    """Every publisher by its key; remembered until the store changes."""
    return door.cache.get(("publishers", session.stamp()), lambda: registry.publishers(session))


def facts_about(door: Door, session: Session, caller: Caller, about: About | None) -> access.Facts:
    """The facts of one decision; remembered until the store changes."""
    now = door.store.clock()
    name = (session.stamp(), now // REMEMBERED_FOR, caller.organisation, about)
    return replace(door.cache.get(name, lambda: _gathered(door, session, caller, about)), now=now)


def _gathered(door: Door, session: Session, caller: Caller, about: About | None) -> access.Facts:
    publishers = registry.publishers(session)
    facts = access.Facts(
        own=own_publishers(publishers, caller), live=not door.store.is_sandbox, missing=door.missing,
        active=frozenset(publisher.key for publisher in publishers.values() if publisher.state == "active"),
    )  # fmt: skip
    if about is None:
        return facts
    now = door.store.clock()
    if about.number is not None:
        facts = _of_number(session, caller, about.number, now, facts)
    if not about.asked:
        return facts
    persons = _persons(session, about)
    members = sorted({patient for patient, _, _ in identities.gathered(session, persons)})
    claims = identities.claims_of(session, members)
    numbers = sorted({number for _, number, _ in claims if identifiers.is_valid(number)})
    wide = sorted({patient for patient, _, _ in identities.claimants(session, numbers)} | set(members) | about.asked)
    known = _patients(session, wide, publishers, now)
    own = sorted({number for _, number, evidence in claims if identity.decode_evidence(evidence).claims(number)})
    stands = _standing(session, caller, own, now)
    opens = [row for row in _standing(session, caller, _sure(claims, own) or own, now) if row in stands]
    stated = standing((name, at) for _, name, at in preferences.stated(session, members))
    return replace(
        facts,
        consented=stated.get("sharing") == "consent",
        patients=tuple(known[key] for key in members if key in known),
        claimants=tuple(known.values()),
        persons=tuple(persons),
        permission=_longest(opens, caller, stands_in=False),
        claim=_longest(opens, caller, stands_in=True),
    )


def _of_number(session: Session, caller: Caller, number: str, now: int, facts: access.Facts) -> access.Facts:
    """What the caller's organisation recorded of a number, whether or not anybody has it."""
    bases = [basis for basis, _, _ in _standing(session, caller, [number], now)]
    return replace(
        facts,
        recorded=_permission(session, caller, [number], now) is not None,
        claimed=_claim(session, caller, [number], now) is not None,
        refused=relationship.DENIED in bases,
    )


def own_publishers(publishers: dict[int, PublisherRow], caller: Caller) -> frozenset[int]:
    """The publishers that are the caller's organisation."""
    mine = (publisher for publisher in publishers.values() if publisher.ods and publisher.ods == caller.organisation)
    return frozenset(publisher.key for publisher in mine)


def _sure(claims: Sequence[tuple[int, str, bytes]], numbers: Sequence[str]) -> list[str]:
    """Return the numbers whose owner is sure."""
    sure = {
        number
        for _, number, evidence in claims
        if number in numbers and identity.decode_evidence(evidence).grade(number) != identity.CLAIMED
    }
    return sorted(sure)


def _permission(session: Session, caller: Caller, numbers: Sequence[str], now: int) -> access.Permission | None:
    """The permission in force for the caller's organisation that lasts longest."""
    return _longest(_standing(session, caller, numbers, now), caller, stands_in=False)


def _claim(session: Session, caller: Caller, numbers: Sequence[str], now: int) -> access.Permission | None:
    """What stands in for a relationship with the caller's organisation and lasts longest."""
    return _longest(_standing(session, caller, numbers, now), caller, stands_in=True)


def _longest(recorded: Sequence[relationship.Recorded], caller: Caller, *, stands_in: bool) -> access.Permission | None:
    for basis, _, until in recorded:
        if basis in access.BASES and access.BASES[basis].stands_in == stands_in:
            return access.Permission(basis, until, caller.organisation)
    return None


def _standing(session: Session, caller: Caller, numbers: Sequence[str], now: int) -> list[relationship.Recorded]:
    """What the caller's organisation recorded of a person's numbers that stands now: a refusal is of all of them,
    also of those merely claimed."""
    rows = permissions.in_force(session, numbers, caller.organisation, now)
    return relationship.standing([(basis, at, until) for _, basis, at, until in rows], now)


def _persons(session: Session, about: About) -> list[int]:
    """The persons meant. By number: the one it surely belongs to, where there is just one; others that claim it are
    possible mismatches."""
    persons = sorted(
        {person for patient in about.asked if (person := identities.person_of(session, patient)) is not None}
    )
    if about.number is None or len(persons) < 2:
        return persons
    sure = {
        person
        for patient, _, evidence in identities.claimants(session, [about.number])
        if identity.decode_evidence(evidence).grade(about.number) != identity.CLAIMED
        and (person := identities.person_of(session, patient)) is not None
    }
    return sorted(sure) if len(sure) == 1 else persons


def _patients(
    session: Session, patients: Sequence[int], publishers: dict[int, PublisherRow], now: int
) -> dict[int, access.PatientFact]:
    """What a decision sees of these Patients, by their keys."""
    grades = {
        patient: identity.decode_evidence(evidence).best
        for patient, _, evidence in identities.claims_of(session, patients)
    }
    registered = _registered(session, patients, now)
    attending = _attending(session, patients, publishers, now)
    died = {
        trace.patient for trace in traces.newest_of(session, patients, traced.VERIFIED) if traced.is_dead(trace.died)
    }
    facts: dict[int, access.PatientFact] = {}
    for patient in resources.of_patients(session, patients, ["Patient"]):
        publisher, kind = publishers[patient.publisher], kinds.of(patient.kind)
        facts[patient.patient] = access.PatientFact(
            patient.id, PatientKey(patient.patient), patient.publisher, publisher.ods, patient.kind, patient.labels,
            grade=grades.get(patient.patient, identity.CLAIMED),
            registered=patient.patient in registered,
            attending=patient.patient in attending,
            deceased=patient.patient in died or kind.registers and _is_dead(build.decode(patient.body)),
        )  # fmt: skip
    return facts


def _registered(session: Session, patients: Sequence[int], now: int) -> set[int]:
    """Those who are now regularly registered with a publisher of a kind that registers patients."""
    return {
        stored.patient
        for stored in resources.of_patients(session, patients, ["EpisodeOfCare"])
        if kinds.of(stored.kind).registers and _is_registration(build.decode(stored.body), now)
    }


def _is_registration(episode: dict[str, Any], now: int) -> bool:
    return identity.is_regular_registration(episode) and not relationship.has_ended(episode, now)


def _registered_otherwise(session: Session, patients: Sequence[int], now: int) -> set[int]:
    """Temporary residents and others whom a practice attends to without registering them."""
    return {
        stored.patient
        for stored in resources.of_patients(session, patients, ["EpisodeOfCare"])
        if kinds.of(stored.kind).registers
        and relationship.is_current_registration(build.decode(stored.body), stored.updated, now)
    }


def _attending(session: Session, patients: Sequence[int], publishers: dict[int, PublisherRow], now: int) -> set[int]:
    """Those of whom a publisher has an open resource that is a relationship with it now, or a registration that is not
    regular."""
    attending = _registered_otherwise(session, patients, now)
    for type_, statuses in access.ATTENDING.items():
        may_attend = find.with_status(session, patients, type_, statuses, kinds.attending(type_))
        for stored in resources.of_patients(session, sorted(may_attend), [type_]):
            received = publishers[stored.publisher].received
            if relationship.is_current(stored.kind, build.decode(stored.body), stored.updated, received, now):
                attending.add(stored.patient)
    return attending


def _is_dead(patient: dict[str, Any]) -> bool:
    """Whether the GP's record says the patient died: only that, or PDS, changes access."""
    return "deceasedDateTime" in patient or patient.get("deceasedBoolean") is True
