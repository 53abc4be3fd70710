"""All that a caller may see of one person, for the documents."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import NotFound
from gateway.fhir import build
from gateway.fhir.dates import moment
from gateway.nhs import access, identifiers
from gateway.nhs.record import Contribution, Held, Record
from gateway.nhs.roles import Caller
from gateway.records.door import Door, audited, error, passes, refuse_early, served
from gateway.records.facts import about_head, about_number, facts_about
from gateway.store import identities, registry, resources
from gateway.store.database import Session
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored


def person(
    door: Door, caller: Caller, request: str, *, id_: str | None = None, number: str | None = None, view: str = "shared"
) -> Record:
    """The record of one person as this caller may see it. By id, whatever is refused is ``NotFound``; by number,
    ``Forbidden`` with its code."""
    act = access.Act(view, "Patient", id_ is None)
    refuse_early(door, caller, act, request)
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", id_) if id_ else None
        about = about_head(head) if id_ else about_number(session, number or "")
        decision = access.decide(caller, act, facts_about(door, session, caller, about))
        seen: list[Stored] = []
        record = None
        if decision.refusal is None:
            everything = resources.of_patients(session, sorted(patient.key for patient in decision.facts.patients))
            seen = [one for one in everything if passes(one, decision.limits)]
            record = _record(door, session, caller, decision, everything, seen, head)
    if record is None or not record.patients or (head is not None and head.deleted):
        audited(door, caller, act, decision, "refused" if decision.refusal else "none", request)
        if id_:
            raise NotFound("Patient")
        raise error(decision.refusal or access.NOT_SHOWN, "Patient")
    audited(door, caller, act, decision, "ok", request, seen)
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
    held = [(one, _held(one, publishers, decision)) for one in seen]
    patients = [each for one, each in held if one.type == "Patient"]
    first = head.id if head else ""
    patients.sort(
        key=lambda each: (
            each.resource["id"] != first,
            each.kind != "gp",
            each.resource.get("active") is False,
            each.resource["id"],
        )
    )
    numbers = [
        row[1]
        for row in identities.claims_of(session, sorted(p.key for p in decision.facts.patients))
        if identifiers.is_valid(row[1])
    ]
    registered = [publishers[key] for key in sorted({p.publisher for p in decision.facts.patients if p.registered})]
    return Record(
        subject_id=first or (patients[0].resource["id"] if patients else ""),
        patients=tuple(patients),
        resources=tuple(each for one, each in held if one.type != "Patient"),
        contributions=tuple(_contributions(decision, everything, seen, publishers)),
        sections=decision.sections,
        withheld=decision.withheld and any(decision.hides(one.publisher, one.labels) for one in everything),
        mismatch=identities.has_mismatch(session, numbers, [p.key for p in decision.facts.patients]),
        registered_at=tuple(each.name or each.ods for each in registered),
        registered=frozenset(each.ods for each in registered),
        caller_name=caller.name,
        caller_organisation=caller.organisation,
        now=moment(door.store.clock()),
    )


def _held(one: Stored, publishers: dict[int, PublisherRow], decision: access.Decision) -> Held:
    publisher = publishers[one.publisher]
    resource = build.decode(served(one, publishers, decision).body)
    received = moment(publisher.received)
    return Held(
        resource,
        publisher.name or publisher.ods or publisher.code,
        publisher.ods,
        one.kind,
        publisher.source,
        received,
        one.labels,
    )


def _contributions(
    decision: access.Decision, everything: Sequence[Stored], seen: Sequence[Stored], publishers: dict[int, PublisherRow]
) -> list[Contribution]:
    """Each publisher within the limits that holds a Patient of this person, and how it stands. One outside them is not
    named: that it holds something is already an answer. What is hidden for its labels never shows in a state."""
    found = []
    for key in sorted({patient.publisher for patient in decision.facts.patients}):
        publisher = publishers[key]
        if not any(allow.publishers is None or key in allow.publishers for allow in decision.limits.allow):
            continue
        received = moment(publisher.received)
        if publisher.state != "active":
            state = "not contributed"
        elif any(one.publisher == key for one in seen):
            state = "ok"
        else:
            state = "none held"
        found.append(
            Contribution(
                publisher.name or publisher.ods or publisher.code, publisher.ods, publisher.kind, state, received
            )
        )
    return found
