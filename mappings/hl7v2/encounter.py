"""The messages of one visit to a UK Core Encounter with its diagnoses and procedures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.clinical import Coded
from mappings.hl7v2.datatypes import location, organisation, practitioner
from mappings.hl7v2.discharge import discharge
from mappings.hl7v2.events import EVENTS, Event
from mappings.hl7v2.identity import patient_key, prior_keys
from mappings.hl7v2.message import DELETE, Message, Repetition
from mappings.hl7v2.replay import Fields, Sent, is_shielded, key_of, ordered
from mappings.vocabulary import HL7, UK_CORE, UK_CORE_EXTENSION, UNKNOWN

PROFILE = UK_CORE + "UKCore-Encounter"
ACT = HL7 + "v3-ActCode"
PARTICIPATION = HL7 + "v3-ParticipationType"

WANTED = {"PV1": (2, 4, 7, 8, 9, 10, 14, 17, 36, 37, 44, 45), "PV2": (3, 8, 9), "ZU8": (4,)}
DISCHARGE = (36, 37, 45)


@dataclass(frozen=True, slots=True)
class Stay:
    """One entry of the location history, by the raw PL and the times of its beginning and end."""

    place: str
    start: str
    end: str = ""


class Visit:
    """The state of one visit after the messages so far."""

    def __init__(self) -> None:
        self.fields = Fields(WANTED)
        self.status = ""
        self.stays: list[Stay] = []
        self.coded = Coded()
        self.patient = ""
        self.survivors: dict[str, str] = {}
        self.discharged = ""
        self.message: Message | None = None

    def take(self, sent: Sent, look: Look) -> None:
        """Take one message of the visit."""
        message, event = sent.message, EVENTS[sent.message.event]
        self.message = message
        key = patient_key(message, look.feed)
        self.patient = self.survivors.get(key, key)
        self.fields.take(message)
        self.take_status(event)
        if message.event == "A03":
            self.discharged = message["EVN"].text(6)
        elif message.event == "A13":
            self.fields.drop("PV1", *DISCHARGE)  # also what the cancelling message itself repeats of the discharge
        self.take_place(message)
        self.coded.take(message)

    def merge(self, message: Message, look: Look) -> None:
        """Move the visit to the surviving patient, where it stays though a later message still names the prior
        number."""
        self.patient = patient_key(message, look.feed)
        self.survivors.pop(self.patient, None)
        self.survivors.update(dict.fromkeys(prior_keys(message, look.feed), self.patient))

    def take_status(self, event: Event) -> None:
        """Change the status as the event says. Only an event that admits or registers opens a cancelled visit again."""
        blocked = self.status == "cancelled" and not event.revives
        if event.status and not blocked and (not event.only or self.status in event.only):
            self.status = event.status

    def take_place(self, message: Message) -> None:
        """Move the location history on: A02 ends a stay and begins another, A12 takes the last one back and reopens
        the one before."""
        place, when = message["PV1"][3], message["EVN"].text(6) or message["EVN"].text(2) or message["MSH"].text(7)
        if message.event == "A12" and len(self.stays) > 1:
            self.stays = [*self.stays[:-2], replace(self.stays[-2], end="")]
        elif place in ("", DELETE):
            return
        elif not self.stays:
            admitted = self.fields.text("PV1", 44)
            self.stays = [Stay(place, when if message.event == "A02" else admitted or when)]
        elif self.stays[-1].place == place:
            return
        elif message.event == "A02":
            self.stays = [*self.stays[:-1], replace(self.stays[-1], end=when), Stay(place, when)]
        elif message.event not in ("A11", "A38", "A27"):
            self.stays = [*self.stays[:-1], replace(self.stays[-1], place=place)]


def to_encounter(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Encounter of a ``visit:`` group with its Conditions and Procedures; nothing of a visit that was
    deleted (A23)."""
    key = key_of(group, "visit:")
    visit = replay(group, look)
    if visit is None:
        return []
    subject, encounter = look.reference("Patient", visit.patient), look.reference("Encounter", key)
    security = ("R",) if is_shielded(visit.fields) else ()
    status = standing(visit)
    made = [build(visit, key, status, subject, security, group.publisher, look)]
    return made + visit.coded.resources(f"visit|{key}", subject, encounter, status, security, group.publisher, look)


def replay(group: Group, look: Look) -> Visit | None:
    """Return the state after all messages, or None. A merge only moves the visit to the surviving patient."""
    visit = Visit()
    for sent in settled(ordered(group.of("ADT"), look), look.feed.zone):
        event = EVENTS[sent.message.event]
        if event.merges:
            visit.merge(sent.message, look)
        elif event.deletes:
            visit = Visit()
        else:
            visit.take(sent, look)
    return visit if visit.message is not None else None


def settled(found: list[Sent], zone: str) -> list[Sent]:
    """Return the messages with what was recorded after a cancellation behind it. A discharge entered in the evening
    for the afternoon is not the one that was cancelled at noon, whatever the order in which they happened."""
    for cancel in [sent for sent in found if EVENTS[sent.message.event].undoes]:
        at = next(number for number, sent in enumerate(found) if sent is cancel)
        undone, made = EVENTS[cancel.message.event].undoes, recorded(cancel, zone)
        late = [sent.message.event in undone and recorded(sent, zone) > made for sent in found[:at]]
        before = [sent for sent, is_late in zip(found, late) if not is_late]
        found = [*before, cancel, *(sent for sent, is_late in zip(found, late) if is_late), *found[at + 1 :]]
    return found


def recorded(sent: Sent, zone: str) -> int:
    """Return when a message was entered (EVN-2, else MSH-7) as a number that sorts; 0 for none."""
    text = sent.message["EVN"].text(2) or sent.message["MSH"].text(7)
    return times.order(text, zone) if text else 0


def standing(visit: Visit) -> str:
    """Return the Encounter's status; for a visit known only by updates, what its fields say, else ``unknown``."""
    if visit.status:
        return visit.status
    if visit.fields.text("PV1", 45):
        return "finished"
    if codes.target("class", visit.fields.text("PV1", 2)) == "PRENC":
        return "planned"
    return "in-progress" if visit.fields.text("PV1", 44) else "unknown"


def build(
    visit: Visit, key: str, status: str, subject: dict[str, Any], security: tuple[str, ...], publisher: str, look: Look
) -> dict[str, Any]:
    """Return the Encounter. Of a shielded patient the places are left out, and the resource is restricted."""
    fields, zone = visit.fields, look.feed.zone
    start, end = fields.text("PV1", 44), ended(visit) if status == "finished" else ""
    if status == "planned":
        start, end = start or fields.text("PV2", 8), fields.text("PV2", 9)
    extension, disposition = discharge(fields, publisher, look) if status == "finished" else ([], {})
    authority, _, number = key.partition("|")
    reason = fields.repetitions("PV2", 3)
    made = resource(
        "Encounter",
        look.id("Encounter", key),
        PROFILE,
        security,
        extension=extension,
        identifier=[{"system": codes.identifiers_of(publisher, authority, "Encounter"), "value": number}],
        status=status,
        class_=encounter_class(fields.text("PV1", 2)),
        serviceType=service(fields, publisher),
        subject=subject,
        participant=participants(fields),
        period=period(start, end, zone),
        reasonCode=[codes.codeable(reason[0], look, publisher)] if reason else [],
        diagnosis=visit.coded.references(f"visit|{key}", look),
        hospitalization={
            "extension": admission(fields, publisher, look),
            "admitSource": concept(fields, 14, "admit_source", publisher, look),
            "dischargeDisposition": disposition,
        },
        location=[] if security else locations(visit, status, publisher, look),
        serviceProvider=organisation(publisher),
    )
    return times.flagged(made, zone, start, end, *(text for stay in visit.stays for text in (stay.start, stay.end)))


def ended(visit: Visit) -> str:
    """Return the time of discharge: PV1-45, else the time A03 gives for its event (EVN-6)."""
    return visit.fields.text("PV1", 45) or visit.discharged


def encounter_class(code: str) -> dict[str, Any]:
    """Return the class of PV1-2; what no row maps stays in the sender's words, and what was not sent is said to be
    absent."""
    known = codes.table("class").get(code.strip().upper())
    if known:
        return {"system": ACT, "code": known[0], "display": known[1]}
    return {"display": code} if code else UNKNOWN


def concept(fields: Fields, field: int, table: str, publisher: str, look: Look) -> dict[str, Any]:
    found = fields.repetitions("PV1", field)
    return codes.concept(table, found[0], look, publisher) if found else {}


def admission(fields: Fields, publisher: str, look: Look) -> list[dict[str, Any]]:
    found = concept(fields, 4, "admission_method", publisher, look)
    return [{"url": UK_CORE_EXTENSION + "AdmissionMethod", "valueCodeableConcept": found}] if found else []


def service(fields: Fields, publisher: str) -> dict[str, Any]:
    """Return PV1-10, the treatment function or specialty, in the sender's coding."""
    code = fields.text("PV1", 10).strip()
    coding = [{"system": codes.local(publisher, "service"), "code": code}] if codes.coded(code) else []
    return {"coding": coding, "text": code} if code else {}


def participants(fields: Fields) -> list[dict[str, Any]]:
    made = []
    for field, role in ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM")):
        found = [practitioner(each) for each in fields.repetitions("PV1", field)]
        kind = [{"coding": [{"system": PARTICIPATION, "code": role}]}]
        made += [{"type": kind, "individual": individual} for individual in found if individual]
    return made


def period(start: str, end: str, zone: str) -> dict[str, Any]:
    """Return the period; an end before its start (a typing error of the ward) is left out rather than made to fit."""
    if start and end and times.moment(end, zone)[0] < times.moment(start, zone)[0]:
        end = ""
    return {"start": times.fhir(start, zone), "end": times.fhir(end, zone)}


def locations(visit: Visit, status: str, publisher: str, look: Look) -> list[dict[str, Any]]:
    """Return the location history: every stay but the last is completed, and the last is when the visit is."""
    made: list[dict[str, Any]] = []
    if visit.message is None:
        return made
    encoding = visit.message.encoding
    for number, stay in enumerate(visit.stays, 1):
        place = location(Repetition(stay.place, encoding), publisher)
        last = number == len(visit.stays)
        state = (
            {"finished": "completed", "planned": "planned", "cancelled": ""}.get(status, "active")
            if last
            else "completed"
        )
        if place:
            end = stay.end or (ended(visit) if last and status == "finished" else "")
            made.append({"location": place, "status": state, "period": period(stay.start, end, look.feed.zone)})
    return made
