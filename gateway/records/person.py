"""Reads the record of one person within the caller's limits, for the summary."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import NotFound
from gateway.fhir import build
from gateway.fhir.dates import moment
from gateway.nhs import access, identifiers, kinds
from gateway.nhs.roles import CORE, Caller
from gateway.nhs.summary.record import Contribution, Held, Record
from gateway.records.door import Door, audited, error, refuse_early, served
from gateway.records.facts import about_head, about_number, facts_about
from gateway.store import identities, registry, resources
from gateway.store.database import Session
from gateway.store.limits import passes
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored


def person(
    door: Door,
    caller: Caller,
    request_id: str,
    *,
    id_: str | None = None,
    number: str | None = None,
    view: str = "shared",
) -> Record:
    """The record of one person as this caller may see it. By id, whatever is refused is ``NotFound``; by number,
    ``Forbidden`` with its code.

    https://hl7.org/fhir/uv/ips/OperationDefinition/summary
    """
    act = access.Act(view, "Patient", id_ is None)
    refuse_early(door, caller, act, request_id)
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", id_) if id_ else None
        about = about_head(head) if id_ else about_number(session, number or "")
        decision = access.decide(caller, act, facts_about(door, session, caller, about))
        seen: list[Stored] = []
        record = None
        if decision.refusal is None:
            everything = resources.of_patients(session, sorted(patient.key for patient in decision.facts.patients))
            seen = list(filter(passes(decision.limits), everything))
            record = _record(door, session, caller, decision, everything, seen, head)
    if record is None or not record.patients or (head is not None and head.deleted):
        audited(door, caller, act, decision, "refused" if decision.refusal else "none", request_id)
        if id_:
            raise NotFound("Patient")
        raise error(decision.refusal or access.NOT_SHOWN, "Patient")
    audited(door, caller, act, decision, "ok", request_id, seen)
    return record


def _record(
    door: Door,
    session: Session,
    caller: Caller,
    decision: access.Decision,
    everything: Sequence[Stored],
    seen: Sequence[Stored],
    head: Stored | None,
) -> Record:
    publishers = registry.publishers(session)
    held = [_held(version, publishers, decision) for version in seen]
    gathered = decision.facts.patients
    first = head.id if head else ""
    patients = _patients_first(held, first)
    claims = identities.claims_of(session, sorted(patient.key for patient in gathered))
    numbers = [number for _, number, _ in claims if identifiers.is_valid(number)]
    registered = [publishers[key] for key in sorted({patient.publisher for patient in gathered if patient.registered})]
    return Record(
        subject_id=first or (patients[0].resource["id"] if patients else ""),
        patients=tuple(patients),
        resources=tuple(item for item in held if item.resource["resourceType"] != "Patient"),
        contributions=tuple(_contributions(decision, seen, publishers)),
        sections=decision.sections,
        withheld=decision.withheld and any(decision.hides(item.publisher, item.labels) for item in everything),
        mismatch=identities.has_mismatch(session, numbers, [patient.key for patient in gathered]),
        registered_at=tuple(publisher.name or publisher.ods for publisher in registered),
        registered=frozenset(publisher.ods for publisher in registered),
        caller_name=caller.name,
        caller_organisation=caller.organisation,
        now=moment(door.store.clock()),
    )


def _patients_first(held: Sequence[Held], first: str) -> list[Held]:
    """The Patients: the one that was asked for, then those of practices, then active ones."""

    def order(patient: Held) -> tuple[bool, bool, bool, str]:
        resource = patient.resource
        is_registering = kinds.of(patient.kind).registers
        return resource["id"] != first, not is_registering, resource.get("active") is False, resource["id"]

    return sorted((item for item in held if item.resource["resourceType"] == "Patient"), key=order)


def _held(version: Stored, publishers: dict[int, PublisherRow], decision: access.Decision) -> Held:
    publisher = publishers[version.publisher]
    resource = build.decode(served(version, publishers, decision).body)
    received = moment(publisher.received)
    return Held(resource, _name(publisher), publisher.ods, version.kind, publisher.source, received, version.labels)


def _name(publisher: PublisherRow) -> str:
    return publisher.name or publisher.ods or publisher.code


def _contributions(
    decision: access.Decision, seen: Sequence[Stored], publishers: dict[int, PublisherRow]
) -> list[Contribution]:
    """Each publisher within the limits that holds a Patient of this person, and how it stands. One outside them is not
    named: that it holds something is already an answer. What is hidden for its labels never shows in a state."""
    holding = {version.publisher for version in seen}
    contributions = []
    for key in sorted({patient.publisher for patient in decision.facts.patients}):
        if any(allow.publishers is None or key in allow.publishers for allow in decision.limits.allow):
            publisher = publishers[key]
            state = "not contributed" if publisher.state != "active" else "ok" if key in holding else "none held"
            received = moment(publisher.received)
            closed = decision.sections - CORE if key in decision.core_only else frozenset()
            contributions.append(Contribution(_name(publisher), publisher.ods, publisher.kind, state, received, closed))
    return contributions
