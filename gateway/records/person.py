"""Reads the record of one person within the caller's limits, for the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from gateway.errors import NotFound
from gateway.fhir import build
from gateway.fhir.dates import moment
from gateway.nhs import access, identifiers, identity, kinds, labels, roles
from gateway.nhs.roles import CORE, Caller
from gateway.nhs.summary.decoded import decoded
from gateway.nhs.summary.record import Contribution, Held, Record
from gateway.records.door import Door, audited, before_lookup, error, refuse_early, stamped, visible
from gateway.records.facts import about_head, about_number, facts_about, publishers_now
from gateway.store import identities, resources
from gateway.store.limits import passes
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored
from gateway.store.session import Session
from gateway.terminology import sets


def person(
    door: Door,
    caller: Caller,
    request_id: str,
    *,
    id_: str | None = None,
    number: str | None = None,
    view: str = "shared",
) -> Record:
    """https://hl7.org/fhir/uv/ips/OperationDefinition/summary

    The record of one person as this caller may see it. By id, whatever is refused is ``NotFound``; by number,
    ``Forbidden`` with its code.
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
            everything.sort(key=lambda version: version.key)
            seen = list(filter(passes(decision.limits), everything))
            record = _record(door, session, caller, view, decision, everything, seen)
    if record is None or not record.patients or (head is not None and head.deleted):
        audited(door, caller, act, decision, "refused" if decision.refusal else "none", request_id)
        if id_:
            raise NotFound("Patient")
        raise error(decision.refusal or access.NOT_SHOWN, "Patient")
    audited(door, caller, act, decision, "ok", request_id, seen)
    return record


def refuse_person_early(door: Door, caller: Caller, request_id: str, *, by_number: bool) -> None:
    """If the caller alone is refused every view of a person, audit the refusal and raise it. Which view is asked for is
    in the body, so ``person`` decides about it again."""
    acts = [access.Act(view, "Patient", by_number) for view in sorted(access.VIEWS)]
    if all(before_lookup(door, caller, act).refusal for act in acts):
        refuse_early(door, caller, acts[0], request_id)


def _record(
    door: Door,
    session: Session,
    caller: Caller,
    view: str,
    decision: access.Decision,
    everything: Sequence[Stored],
    seen: Sequence[Stored],
) -> Record:
    publishers = publishers_now(door, session)
    held = list(_all_held(seen, publishers, decision))
    people = [item for stored, item in zip(seen, held) if stored.type == "Patient"]
    gathered = decision.facts.patients
    opened, partly = _opened(decision)
    registered_patients = {patient.id for patient in gathered if patient.registered}
    patients = _best_known_first(people, registered_patients)
    claims = identities.claims_of(session, sorted(patient.key for patient in gathered))
    registered = [publishers[key] for key in sorted({patient.publisher for patient in gathered if patient.registered})]
    return Record(
        subject_id=patients[0].resource["id"] if patients else "",
        patients=tuple(patients),
        resources=tuple(item for stored, item in zip(seen, held) if stored.type != "Patient"),
        contributions=tuple(_contributions(decision, seen, publishers)),
        sections=opened,
        withheld=decision.withheld and any(decision.hides(item.publisher, item.labels) for item in everything),
        mismatch=_has_mismatch(session, claims),
        registered_at=tuple(publisher.name or publisher.ods for publisher in registered),
        registered=frozenset(publisher.ods for publisher in registered),
        caller_name=caller.name,
        caller_organisation=caller.organisation,
        now=moment(door.store.clock()),
        out_of_scope=_by_role(caller, view) - opened,
        partly_in_scope=partly,
        withheld_items=frozenset(_withheld_items(decision, opened, everything, publishers)),
        own_only=not decision.withheld and bool(decision.facts.active - decision.facts.own),
        died=_died(everything),
        practice_phones=tuple(_phone(session, people, publisher) for publisher in registered),
        risk_sets=sets.risks(),
        view=view,
    )


MAIN_LOCATION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MainLocation"


def _phone(session: Session, people: Sequence[Held], practice: PublisherRow) -> str:
    """The telephone number of a practice, by the directory entry that its own Patient names: its organisation's, else
    that of the main location; "" where neither is held."""
    theirs = (held for held in people if held.ods == practice.ods and held.kind == practice.kind)
    for held in theirs:
        organisation = _entry(session, held.resource.get("managingOrganization", {}))
        places = (extension.get("valueReference", {}) for extension in organisation.get("extension", ())
                  if extension.get("url") == MAIN_LOCATION)  # fmt: skip
        for entry in (organisation, *(_entry(session, place) for place in places)):
            for contact in entry.get("telecom", ()):
                if contact.get("system") == "phone" and contact.get("use") != "old" and contact.get("value"):
                    return str(contact["value"])
    return ""


def _entry(session: Session, reference: dict[str, Any]) -> dict[str, Any]:
    """An entry of the directory, {} for none and for anything else."""
    type_, _, id_ = reference.get("reference", "").partition("/")
    head = resources.head_of(session, type_, id_) if type_ in ("Organization", "Location") else None
    return {} if head is None or head.deleted else build.decode(head.body)


def _has_mismatch(session: Session, claims: Sequence[tuple[int, str, bytes]]) -> bool:
    """Whether another Patient claims a number of these, without being gathered with them or held apart from it."""
    gathered, numbers = {patient for patient, _, _ in claims}, _claimed(claims)
    others = identities.claimants(session, sorted({number for _, number in numbers}))
    return bool({patient for patient, _ in _claimed(others)} - gathered)


def _claimed(claims: Iterable[tuple[int, str, bytes]]) -> set[tuple[int, str]]:
    """(patient, number) of the NHS numbers that Patients claim and are not held apart from."""
    return {
        (patient, number)
        for patient, number, evidence in claims
        if identifiers.is_valid(number) and identity.decode_evidence(evidence).claims(number)
    }


def _by_role(caller: Caller, view: str) -> frozenset[str]:
    """The sections that the caller's role opens, whatever narrows them."""
    return frozenset().union(*(rule.sections for rule in roles.rules_for(caller, view)))


def _opened(decision: access.Decision) -> tuple[frozenset[str], frozenset[str]]:
    """The sections that are open, and those of them that are open in part: by the very limits that the record was read
    in, so that no section says that nothing is recorded where nothing was looked for."""
    types = frozenset[str]().union(*(allow.types or () for allow in decision.limits.allow))
    opened, partly = set(), set()
    for right in decision.sections:
        wanted = roles.SECTION_TYPES[right] | kinds.opened_by({right}, kinds.of(kinds.SOCIAL_CARE))
        if wanted & types:
            opened.add(right)
        if not wanted <= types:
            partly.add(right)
    return frozenset(opened), frozenset(opened & partly)


def _died(everything: Sequence[Stored]) -> str | None:
    """When the person died by the record of a practice, which alone confirms a death: "" where it does not say when,
    None for no such death."""
    patients = (item for item in everything if item.type == "Patient" and kinds.of(item.kind).registers)
    for patient in map(build.decode, (item.body for item in patients)):
        if "deceasedDateTime" in patient or patient.get("deceasedBoolean") is True:
            return str(patient.get("deceasedDateTime", ""))
    return None


TOLD_WHERE_WITHHELD = ("allergies", "medicines")
"""The rights whose sections tell that their source withheld an item. Of all else, no section and no count is told."""


def _withheld_items(
    decision: access.Decision, opened: frozenset[str], everything: Sequence[Stored], publishers: dict[int, PublisherRow]
) -> Iterator[tuple[str, str]]:
    """The right and the source of each allergy and medicine that its own flag withholds from this caller."""
    for item in everything:
        is_flagged = item.labels & labels.FLAGGED and not item.labels & labels.HIDDEN_ALWAYS
        if is_flagged and decision.hides(item.publisher, item.labels) and _is_within(decision, item.publisher):
            for right in TOLD_WHERE_WITHHELD:
                if right in opened and item.type in roles.SECTION_TYPES[right]:
                    yield right, _name(publishers[item.publisher])


def _best_known_first(people: Sequence[Held], registered: set[str]) -> list[Held]:
    """The Patients, whichever of them was asked for: those of the practice registered with now, those of other
    practices, then active ones."""

    def order(patient: Held) -> tuple[bool, bool, bool, str]:
        resource = patient.resource
        is_registering = kinds.of(patient.kind).registers
        return resource["id"] not in registered, not is_registering, resource.get("active") is False, resource["id"]

    return sorted(people, key=order)


def _all_held(seen: Iterable[Stored], publishers: dict[int, PublisherRow], decision: access.Decision) -> Iterator[Held]:
    """The resources as this caller may see them, each with who recorded it."""
    received = {key: moment(publisher.received) for key, publisher in publishers.items()}
    whole: dict[tuple[str, int, str, int], bool] = {}
    for stored in seen:
        name = (stored.type, stored.publisher, stored.kind, stored.labels)
        if name not in whole:
            blanked = decision.blanks(stored.publisher, stored.labels)
            whole[name] = not blanked and not decision.closed(stored.type, stored.publisher, stored.kind)
        shown = stored if whole[name] else visible(stored, decision)
        publisher = publishers[stored.publisher]
        yield Held(
            decoded(stored.type, shown.body), _name(publisher), publisher.ods, stored.kind, publisher.source,
            received[stored.publisher], stored.labels, partial(_served, shown, publishers),
        )  # fmt: skip


def _served(shown: Stored, publishers: dict[int, PublisherRow]) -> bytes:
    return stamped(shown, publishers).body


def _name(publisher: PublisherRow) -> str:
    """What a publisher is called. One that never sent a name is its kind and its code, which says more than a code."""
    if publisher.name:
        return publisher.name
    title = kinds.of(publisher.kind).title
    return f"{title[:1].upper()}{title[1:]} {publisher.ods or publisher.code}"


def _contributions(
    decision: access.Decision, seen: Sequence[Stored], publishers: dict[int, PublisherRow]
) -> list[Contribution]:
    """Each publisher within the limits that holds a Patient of this person, and how it stands. One outside them is not
    named: that it holds something is already an answer. What is hidden for its labels never shows in a state."""
    holding = {version.publisher for version in seen}
    contributions = []
    for key in sorted({patient.publisher for patient in decision.facts.patients}):
        if _is_within(decision, key):
            publisher = publishers[key]
            state = "not contributed" if publisher.state != "active" else "ok" if key in holding else "none held"
            received = moment(publisher.received)
            closed = decision.sections - CORE if key in decision.core_only else frozenset()
            contributions.append(Contribution(_name(publisher), publisher.ods, publisher.kind, state, received, closed))
    return contributions


def _is_within(decision: access.Decision, publisher: int) -> bool:
    """Whether a publisher may show this caller anything."""
    return any(allow.publishers is None or publisher in allow.publishers for allow in decision.limits.allow)
