"""Who is asked about, and what is known of them: the facts one decision is made on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Invalid
from gateway.fhir import build
from gateway.fhir.search import Query
from gateway.nhs import access, identifiers, identity
from gateway.nhs.optout import standing
from gateway.nhs.roles import Caller
from gateway.records.door import Door
from gateway.store import find, identities, permissions, preferences, registry, resources
from gateway.store.database import Session
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored

REMEMBERED = 10_000
REMEMBERED_FOR = 3_600_000_000
"""µs. Time alone changes a fact (a return grows old), so nothing is remembered for longer."""
MOST_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class About:
    """Who is asked about: Patients by their 64-bit ids, and the number where they were named by one."""

    asked: frozenset[int] = frozenset()
    number: str | None = None

    @property
    def by_number(self) -> bool:
        return self.number is not None


def about_head(head: Stored | None) -> About:
    """Whoever a resource is about; nobody for an unknown id."""
    return About(frozenset({head.patient} if head and head.patient else ()))


def about_number(session: Session, number: str) -> About:
    """Whoever claims a number."""
    return About(frozenset(row[0] for row in identities.claimants(session, [number])), number)


def about_query(session: Session, query: Query) -> About | None:
    """Whom a search names: by number or as one Patient. None where it names nobody: the directory, and what
    ``candidates`` are looked for."""
    if query.number is not None:
        return about_number(session, query.number)
    if query.patients:
        heads = (resources.head_of(session, "Patient", id_) for id_ in query.patients)
        return About(frozenset(head.patient for head in heads if head))
    return None


def candidates(session: Session, caller: Caller, query: Query) -> list[Stored]:
    """What a search that names nobody may be about: Patients by name, of whom the caller's organisation holds a
    record, or resources by id. Raises ``Invalid`` for a search on nobody in particular, and where too many people
    match to be decided about one by one."""
    if query.type == "Patient":
        own = [p.key for p in registry.publishers(session).values() if p.ods and p.ods == caller.organisation]
        found = find.candidates(session, replace(query, count=MOST_CANDIDATES, cursor=None), own)
        if len(found) > MOST_CANDIDATES:
            raise Invalid("too many people match: say more of the one who is meant")
        return found
    ids = next((clause.values for clause in query.clauses if clause.kind == "id"), None)
    if ids is None:
        raise Invalid("patient: a search on a person's data names one person")
    heads = (resources.head_of(session, query.type, id_) for id_ in ids)
    return [head for head in heads if head and head.patient and not head.deleted]


def publishers_now(door: Door, session: Session) -> dict[int, PublisherRow]:
    """Every publisher by its key; remembered until the store changes."""
    return _remembered(door, ("publishers", session.stamp()), lambda: registry.publishers(session))


def facts_about(door: Door, session: Session, caller: Caller, about: About | None) -> access.Facts:
    """The facts of one decision; remembered until the store changes."""
    now = door.store.clock()
    stamp = session.stamp()
    name = (stamp, now // REMEMBERED_FOR, caller.organisation, about)
    return replace(_remembered(door, name, lambda: _gathered(door, session, caller, about)), now=now)


def _remembered(door: Door, name: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """What ``make`` reads of the store, under a name that holds the store's stamp."""
    found = door.known.get(name)
    if found is None:
        if len(door.known) > REMEMBERED:
            door.known.clear()
        found = door.known[name] = make()
    return found


def _gathered(door: Door, session: Session, caller: Caller, about: About | None) -> access.Facts:
    publishers = registry.publishers(session)
    facts = access.Facts(
        own=frozenset(p.key for p in publishers.values() if p.ods and p.ods == caller.organisation),
        active=frozenset(p.key for p in publishers.values() if p.state == "active"),
        live=not door.store.is_sandbox, missing=door.missing,
    )  # fmt: skip
    if about is None or not about.asked:
        return facts
    persons = _persons(session, about)
    members = sorted({row[0] for row in identities.gathered(session, persons)})
    claims = identities.claims_of(session, members)
    numbers = sorted({number for _, number, _ in claims if identifiers.is_valid(number)})
    wide = sorted({row[0] for row in identities.claimants(session, numbers)} | set(members) | about.asked)
    known = _patients(session, wide, publishers, door.store.clock())
    permission = None
    sure = sorted(
        {
            number
            for _, number, evidence in claims
            if number in numbers and identity.decode_evidence(evidence).grade(number) != identity.CLAIMED
        }
    )
    for _, basis, _, until in permissions.in_force(session, sure or numbers, caller.organisation, door.store.clock())[
        :1
    ]:
        permission = access.Permission(basis, until, caller.organisation)
    stated = standing((name, at) for _, name, at in preferences.stated(session, members))
    return replace(
        facts,
        consented=stated.get("sharing") == "consent",
        patients=tuple(known[key] for key in members if key in known),
        claimants=tuple(known.values()),
        persons=tuple(persons),
        permission=permission,
    )


def _persons(session: Session, about: About) -> list[int]:
    """The persons meant. By number: the one it surely belongs to, where there is just one; others that claim it are
    possible mismatches."""
    persons = sorted(
        {person for patient in about.asked if (person := identities.person_of(session, patient)) is not None}
    )
    if about.number is None or len(persons) < 2:
        return persons
    sure = {
        identities.person_of(session, patient)
        for patient, _, evidence in identities.claimants(session, [about.number])
        if identity.decode_evidence(evidence).grade(about.number) != identity.CLAIMED
    }
    return sorted(sure - {None}) if len(sure) == 1 else persons


def _patients(
    session: Session, patients: Sequence[int], publishers: dict[int, PublisherRow], now: int
) -> dict[int, access.PatientFact]:
    grades = {
        patient: identity.decode_evidence(evidence).best
        for patient, _, evidence in identities.claims_of(session, patients)
    }
    registered = {
        one.patient for one in resources.of_patients(session, patients, ["EpisodeOfCare"])
        if one.kind == "gp" and identity.is_regular_registration(build.decode(one.body))
    }  # fmt: skip
    attending = {
        patient for type_, statuses in access.ATTENDING.items()
        for patient in find.with_status(session, patients, type_, statuses, ("social-care",) if type_ == "EpisodeOfCare" else None)
    }  # fmt: skip
    found: dict[int, access.PatientFact] = {}
    for one in resources.of_patients(session, patients, ["Patient"]):
        publisher = publishers[one.publisher]
        is_attending = one.patient in attending and access.is_recent(publisher.kind, publisher.received, now)
        found[one.patient] = access.PatientFact(
            one.id, one.patient, one.publisher, publisher.ods, one.kind, one.labels, grades.get(one.patient, identity.CLAIMED),
            one.patient in registered, is_attending, one.kind == "gp" and _is_dead(build.decode(one.body)),
        )  # fmt: skip
    return found


def _is_dead(patient: dict[str, Any]) -> bool:
    """Whether the GP's record says the patient died: only that, or PDS, changes access."""
    return "deceasedDateTime" in patient or patient.get("deceasedBoolean") is True
