"""Vaccinations (VXU) to Immunizations: what was given, or was not and why.

HL7 v2.5.1 chapter 4 (ORC, RXA, RXR) and the CDC guide for immunization messaging 1.5. A vaccination is known by its
filler number (ORC-3) and its person; senders that give many the same number have them told apart by vaccine and day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look
from mappings.hl7v2 import codes, times, values
from mappings.hl7v2.datatypes import practitioner
from mappings.hl7v2.entities import is_padding, vaccination_key, visit_key
from mappings.hl7v2.message import Message, Segment
from mappings.hl7v2.people import by_person, owner
from mappings.hl7v2.replay import NOTHING, Sent, key_of, ordered, recorded
from mappings.vocabulary import HL7, UK_CORE

PROFILE = UK_CORE + "UKCore-Immunization"
NOT_DONE = HL7 + "v3-ActReason"
NONE_GIVEN = "998"
"""The CVX code of no vaccine: RXA holds something else of the patient, such as a forecast."""
UNKNOWN_AMOUNT = "999"
CHANGES = frozenset({"U", "D"})
UNSAID = "The sender did not say whether it was given"
CANNOT_HAVE_BEEN = "given on a day that cannot be: no vaccination is made of it"
IN_PART = "Given in part"


@dataclass
class Given:
    """One RXA of one message with what follows it."""

    orc: Segment
    rxa: Segment
    route: Segment = NOTHING
    notes: list[str] = field(default_factory=list)
    results: list[Segment] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, str]:
        """The vaccine and the day."""
        return (self.rxa.text(5) or self.rxa.text(5, 2)).casefold(), self.rxa.text(3)[:8]


def given_in(message: Message) -> list[Given]:
    """Return the vaccinations of a message, in order."""
    doses: list[Given] = []
    orc = NOTHING
    for segment in message.segments:
        if segment.name == "ORC":
            orc = segment
        elif segment.name == "RXA":
            doses.append(Given(orc, segment))
            orc = NOTHING
        elif doses and orc is NOTHING:
            behind(doses[-1], segment)
    return doses


def behind(dose: Given, segment: Segment) -> None:
    """Take what follows an RXA: its route, its observations and comments."""
    match segment.name:
        case "RXR" if not dose.route:
            dose.route = segment
        case "OBX" if segment[5].strip() and not is_padding(segment):
            dose.results.append(segment)
        case "NTE" if segment.whole(3).strip():
            dose.notes.append(segment.whole(3).strip("\r\n"))


def keyed(message: Message, patient: str) -> dict[str, list[Given]]:
    """Return the vaccinations of a message of ``patient`` by their key, in order."""
    doses: dict[str, list[Given]] = {}
    for dose in given_in(message):
        doses.setdefault(vaccination_key(dose.orc, dose.rxa, patient), []).append(dose)
    return doses


def by_key(sent: Sent, look: Look) -> dict[str, list[Given]]:
    """Return the same, read once for all groups that are mapped together: a message of many vaccinations has a group
    for each. Not to be changed."""
    return look.once(("hl7v2 given", sent.row.key), lambda: keyed(sent.message, sent.row.patient))


def to_vaccinations(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Immunizations of a ``vax:`` group: the last that was said of each. A number of two people is a
    vaccination of each; one person's are found under all their numbers."""
    key = key_of(group, "vax:")
    built: list[dict[str, Any]] = []
    for sent in by_person(ordered(group.of("VXU"), look, recorded), look).values():
        whose = min(owner(item.row, look) for item in sent)
        ids = key if key.startswith(f"{whose}|digest:") else f"{whose}|{key}"
        for name, said in replay(key, sent, look).items():
            built.append(immunization(*said, "|".join((ids, *name)), group.publisher, look))
    return [dose for dose in built if dose]


def replay(key: str, sent: list[Sent], look: Look) -> dict[tuple[str, str], tuple[Sent, Given]]:
    """Return what was last said of each vaccination of one person, by vaccine and day. What is said to be given on a
    day that lies ahead, or before the birth, was not given then: it is counted, and changes nothing that was sent
    before."""
    slots: dict[tuple[str, str], tuple[Sent, Given]] = {}
    for item in sent:
        for dose in by_key(item, look).get(key, ()):
            if times.is_doubted(dose.rxa, 3) and completion(dose) == "completed":
                look.warn("RXA-3", CANNOT_HAVE_BEEN)
                continue
            place(slots, item, dose, look)
    return slots


def place(slots: dict[tuple[str, str], tuple[Sent, Given]], sent: Sent, dose: Given, look: Look) -> None:
    """Put a vaccination in its slot: its own, or for a change (RXA-21 ``U``, ``D``) the only one of its number. What is
    deleted and was never sent is nothing."""
    action, name = dose.rxa.text(21).upper(), dose.name
    if action in CHANGES and name not in slots and len(slots) == 1:
        name = next(iter(slots))
    if action == "D" and name not in slots:
        look.warn("RXA-21", "a vaccination to be deleted that nobody sent")
        return
    slots[name] = sent, dose


def immunization(sent: Sent, dose: Given, key: str, publisher: str, look: Look) -> dict[str, Any]:
    """Return the Immunization, {} for an RXA of no vaccine that nobody refused."""
    rxa, zone = dose.rxa, look.feed.zone
    status, notes = status_of(dose, look)
    if rxa.text(5) == NONE_GIVEN and status != "not-done":
        look.warn("RXA-5", "no vaccine given: no vaccination is made of it")
        return {}
    when = times.fhir(times.of(rxa, 3), zone)
    visit = visit_key(sent.message)
    source = codes.target("vaccination_source", rxa.text(9))
    number, authority = dose.orc.text(3), dose.orc.text(3, 2, 1) or dose.orc.text(3, 2, 2)
    is_given = status == "completed"
    built = resource(
        "Immunization",
        look.id("Immunization", key),
        PROFILE,
        identifier=[{"system": codes.identifiers_of(publisher, authority, "Immunization"), "value": number}]
        if number
        else [],
        status=status,
        statusReason=reason(dose, status, look, publisher),
        vaccineCode=codes.required(rxa, 5, look, publisher),
        patient=look.reference("Patient", owner(sent.row, look)),
        encounter=look.reference("Encounter", visit) if visit else {},
        occurrenceDateTime=when,
        occurrenceString="" if when else "unknown",
        recorded=times.instant(times.of(rxa, 22), zone),
        primarySource={"new": True, "historical": False}.get(source),
        reportOrigin=origin(rxa, source, look, publisher),
        location={"display": place} if (place := place_of(rxa)) else {},
        manufacturer={"type": "Organization", "display": maker} if (maker := codes.text_of(rxa, 17)) else {},
        lotNumber=", ".join(lot.text(1) for lot in rxa.repetitions(15)),
        expirationDate=times.date(times.of(rxa, 16)),
        site=codes.first(dose.route, 2, look, publisher),
        route=codes.first(dose.route, 1, look, publisher),
        doseQuantity=amount(rxa) if is_given else {},
        performer=[{"actor": person} for item in rxa.repetitions(10) if (person := practitioner(item))],
        note=[{"text": text} for text in (*notes, *comments(dose))],
        isSubpotent=True if IN_PART in notes else None,
        reasonCode=[codes.codeable(item, look, publisher) for item in rxa.repetitions(19)],
    )
    return times.flagged(built, zone, times.of(rxa, 3))


def completion(dose: Given) -> str:
    """Return the status: RXA-21 ``D`` was an error; RXA-20 ``RE``, ``NA`` and a code that nobody knows were not given;
    without RXA-20 a reason to refuse (RXA-18) says so, and else the guide takes it as given."""
    rxa, said = dose.rxa, dose.rxa.text(20).upper()
    if rxa.text(21).upper() == "D":
        return "entered-in-error"
    return codes.target("vaccination_status", said) or ("not-done" if said or refusal(rxa) else "completed")


def refusal(rxa: Segment) -> str:
    """Return why it was refused (RXA-18), in words."""
    return ", ".join(item.text(2) or item.text(1) for item in rxa.repetitions(18))


def status_of(dose: Given, look: Look) -> tuple[str, list[str]]:
    """Return the status and what a reader must be told."""
    rxa, status, said = dose.rxa, completion(dose), dose.rxa.text(20).upper()
    if status == "entered-in-error":
        return status, []
    in_part = [IN_PART] * (said == "PA")
    if status == "completed" and (refused := refusal(rxa)):
        look.warn("RXA-18", "given, and a reason why it was refused")
        return status, [f"A reason why it was refused was sent too: {refused}", *in_part]
    if status == "not-done" and said and not codes.target("vaccination_status", said):
        return status, [f"Completion sent: {said}"]
    if status == "not-done" or said or rxa.text(15) or rxa.text(9):
        return status, in_part
    look.warn("RXA-20", "nobody says whether it was given")
    return status, [UNSAID]


def reason(dose: Given, status: str, look: Look, publisher: str) -> dict[str, Any]:
    """Return why a vaccination was not done: RXA-18, else that it was refused or that nobody says why."""
    if status != "not-done":
        return {}
    if concept := codes.first(dose.rxa, 18, look, publisher):
        return concept
    if dose.rxa.text(20).upper() == "RE":
        return {"coding": [{"system": NOT_DONE, "code": "PATOBJ"}], "text": "Refused"}
    return {"text": "Not administered, no reason given"}


def origin(rxa: Segment, source: str, look: Look, publisher: str) -> dict[str, Any]:
    """Return where the record of a vaccination that somebody else gave comes from."""
    if source != "historical":
        return {}
    concept = codes.first(rxa, 9, look, publisher)
    return {**concept, "text": rxa.text(9, 2) or codes.label("vaccination_source", rxa.text(9))}


def place_of(rxa: Segment) -> str:
    """Return where it was given (RXA-11: a ward with its facility), in words."""
    parts = [rxa.text(11, number, 1) for number in (1, 2, 3, 4)]
    return ", ".join(part for part in parts if part)


def amount(rxa: Segment) -> dict[str, Any]:
    """Return the dose, {} where nobody knows it (999)."""
    words = rxa.text(6)
    if not values.is_number(words) or words == UNKNOWN_AMOUNT:
        return {}
    return values.quantity(words, Segment("OBX", rxa.encoding.field.join(["OBX", *[""] * 5, rxa[7]]), rxa.encoding))


def comments(dose: Given) -> list[str]:
    """Return what was observed with a vaccination, by its name, and the comments."""
    observed = [f"{codes.text_of(obx, 3)}: {values.in_words((obx,))}" for obx in dose.results]
    also = (
        [codes.text_of(dose.rxa, 9)]
        if dose.rxa.text(9) and not codes.target("vaccination_source", dose.rxa.text(9))
        else []
    )
    return [*also, *observed, *dose.notes]
