"""The messages of one visit to a UK Core Encounter with its diagnoses and procedures."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.hl7v2 import codes, times
from mappings.hl7v2.clinical import Coded
from mappings.hl7v2.course import Course, course
from mappings.hl7v2.datatypes import location, organisation, practitioner
from mappings.hl7v2.discharge import discharge
from mappings.hl7v2.entities import account_key, several
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.identity import kept_priors
from mappings.hl7v2.message import Message, Repetition
from mappings.hl7v2.people import moved, survivor
from mappings.hl7v2.possible import is_after, known_day
from mappings.hl7v2.replay import Fields, happened, is_shielded, key_of, ordered, recorded
from mappings.vocabulary import CANNOT_BE, HL7, UK_CORE, UK_CORE_EXTENSION, UNKNOWN

PROFILE = UK_CORE + "UKCore-Encounter"
ACT = HL7 + "v3-ActCode"
PARTICIPATION = HL7 + "v3-ParticipationType"

WANTED = {"PV1": (2, 4, 7, 8, 9, 10, 14, 17, 36, 37, 44, 45), "PV2": (3, 8, 9), "ZU8": (4,)}
DISCHARGE = (36, 37, 45)


class Visit:
    """What the messages so far say of one visit: snapshots, in the order recorded."""

    def __init__(self) -> None:
        self.fields = Fields(WANTED)
        self.coded = Coded()
        self.patient = ""
        self.account = ""
        self.survivors: dict[str, str] = {}
        self.is_cancelled = False
        self.known = ""
        self.course = Course()

    def take(self, message: Message, patient: str) -> None:
        """Take what one message says of the visit. A discharge that is taken back takes its fields with it, and a
        cancelled admission those of the stay that the next one begins anew."""
        event = EVENTS[message.event]
        self.patient = self.survivors.get(patient, patient)
        self.account = account_key(message["PID"], 18) or self.account
        if self.is_cancelled and event.revives:
            self.fields.drop("PV1", *DISCHARGE, 44)
        self.is_cancelled = event.status == "cancelled" or (self.is_cancelled and not event.revives)
        self.fields.take(message)
        if message.event == "A13":
            self.fields.drop("PV1", *DISCHARGE)  # also what the cancelling message itself repeats of the discharge
        self.coded.take(message)
        self.known = max(self.known, known_day(message))

    def past(self, text: str) -> str:
        """Return the time of something that has happened, "" for one that lies after all messages of the visit."""
        return "" if is_after(text, self.known) else text

    def merge(self, row: Row) -> None:
        """Move the visit to the surviving patient, where it stays though a later message still names the prior
        number."""
        self.patient = row.patient
        self.survivors.pop(self.patient, None)
        self.survivors.update(dict.fromkeys(kept_priors(row), self.patient))

    def move(self, row: Row, look: Look) -> None:
        """Move the visit to the patient of a move (A44, A45), from the one whose it is: of anybody else's it is not
        believed."""
        priors = several(row.values["priors"])
        holder = survivor(self.patient, look)
        if self.patient and holder not in {survivor(key, look) for key in (row.patient, *priors)}:
            look.warn("MRG-1", "a move of a visit that is another patient's, not followed")
            return
        self.survivors.update(dict.fromkeys([*priors, *([self.patient] if self.patient else [])], row.patient))
        self.survivors.pop(row.patient, None)
        self.patient = row.patient

    def is_of_another(self, patient: str) -> bool:
        """Whether the visit is known to be of another patient."""
        return bool(self.patient) and self.survivors.get(patient, patient) != self.patient

    @property
    def status(self) -> str:
        return self.course.status


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
    built = [build(visit, key, status, subject, security, group.publisher, look)]
    return built + visit.coded.resources(f"visit|{key}", subject, encounter, status, security, group.publisher, look)


def replay(group: Group, look: Look) -> Visit | None:
    """Return the state after all messages, or None. A merge only moves the visit to the surviving patient. What was
    recorded before the visit was deleted (A23) tells nothing."""
    visit: Visit | None = None
    keys_told: set[str] = set()
    for sent in ordered(group.of("ADT"), look, recorded):
        event = EVENTS[sent.message.event]
        if event.deletes:
            visit = None
            keys_told.clear()
            continue
        visit = visit or Visit()
        if event.swaps and visit.is_of_another(sent.row.patient):
            look.warn("PID-3", "a swap of beds with the visit of another patient, not followed")
        elif event.moves:
            visit.move(sent.row, look)
        elif event.merges:
            visit.merge(sent.row)
        else:
            keys_told.add(sent.row.key)
            visit.take(sent.message, sent.row.patient)
    if visit is None or not keys_told:
        return None
    rows = [row for row in group.of("ADT") if row.key in keys_told]
    if visit.account:
        visit.patient = moved(f"account:{visit.account}", visit.patient, look)
    visit.course = course(ordered(rows, look, happened), look.feed.zone)
    return visit


def standing(visit: Visit) -> str:
    """Return the Encounter's status; for a visit known only by updates, what its fields say, else ``unknown``."""
    if visit.status:
        return visit.status
    if visit.past(visit.fields.time("PV1", 45)):
        return "finished"
    if codes.target("class", visit.fields.text("PV1", 2)) == "PRENC":
        return "planned"
    return "in-progress" if visit.past(visit.fields.time("PV1", 44)) else "unknown"


def build(
    visit: Visit, key: str, status: str, subject: dict[str, Any], security: tuple[str, ...], publisher: str, look: Look
) -> dict[str, Any]:
    """Return the Encounter. Of a shielded patient the places are left out, and the resource is restricted."""
    fields, zone = visit.fields, look.feed.zone
    start, end = spell(visit, status, look)
    extension, disposition = discharge(fields, publisher, look) if status == "finished" else ([], {})
    authority, _, number = key.partition("|")
    reason = fields.repetitions("PV2", 3)
    encounter_resource = resource(
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
    return times.flagged(
        encounter_resource, zone, start, end, *(text for stay in visit.course.stays for text in (stay.start, stay.end))
    )


def spell(visit: Visit, status: str, look: Look) -> tuple[str, str]:
    """Return when the visit began and ended, or is to. One that was not only planned neither began nor ended after all
    that is known of it."""
    fields, start = visit.fields, visit.fields.time("PV1", 44)
    if status == "planned":
        return start or fields.time("PV2", 8), fields.time("PV2", 9)
    if status == "cancelled":
        return start, ""
    for number in (44, 45):
        if fields.time("PV1", number) != visit.past(fields.time("PV1", number)):
            look.warn(f"PV1-{number}", CANNOT_BE)
    return visit.past(start), ended(visit) if status == "finished" else ""


def ended(visit: Visit) -> str:
    """Return the time of discharge: PV1-45, else the time A03 gives for its event (EVN-6)."""
    return visit.past(visit.fields.time("PV1", 45)) or visit.course.discharged


def encounter_class(code: str) -> dict[str, Any]:
    """Return the class of PV1-2; what no row maps stays in the sender's words, and what was not sent is said to be
    absent."""
    known = codes.table("class").get(code.strip().upper())
    if known:
        return {"system": ACT, "code": known[0], "display": known[1]}
    return {"display": code} if code else UNKNOWN


def concept(fields: Fields, field: int, table: str, publisher: str, look: Look) -> dict[str, Any]:
    repetitions = fields.repetitions("PV1", field)
    return codes.concept(table, repetitions[0], look, publisher) if repetitions else {}


def admission(fields: Fields, publisher: str, look: Look) -> list[dict[str, Any]]:
    admission_method = concept(fields, 4, "admission_method", publisher, look)
    return (
        [{"url": UK_CORE_EXTENSION + "AdmissionMethod", "valueCodeableConcept": admission_method}]
        if admission_method
        else []
    )


def service(fields: Fields, publisher: str) -> dict[str, Any]:
    """Return PV1-10, the treatment function or specialty, in the sender's coding."""
    code = fields.text("PV1", 10).strip()
    coding = [{"system": codes.local(publisher, "service"), "code": code}] if codes.coded(code) else []
    return {"coding": coding, "text": code} if code else {}


def participants(fields: Fields) -> list[dict[str, Any]]:
    entries = []
    for field, role in ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM")):
        individuals = [practitioner(clinician) for clinician in fields.repetitions("PV1", field)]
        kind = [{"coding": [{"system": PARTICIPATION, "code": role}]}]
        entries += [{"type": kind, "individual": individual} for individual in individuals if individual]
    return entries


def period(start: str, end: str, zone: str) -> dict[str, Any]:
    """Return the period; an end before its start (a typing error of the ward) is left out rather than made to fit."""
    if start and end and times.moment(end, zone)[0] < times.moment(start, zone)[0]:
        end = ""
    return {"start": times.fhir(start, zone), "end": times.fhir(end, zone)}


def locations(visit: Visit, status: str, publisher: str, look: Look) -> list[dict[str, Any]]:
    """Return the location history: every stay but the last is completed, and the last is when the visit is."""
    entries: list[dict[str, Any]] = []
    stays = visit.course.stays
    for number, stay in enumerate(stays, 1):
        place = location(Repetition(stay.place, stay.encoding), publisher)
        last = number == len(stays)
        state = (
            {"finished": "completed", "planned": "planned", "cancelled": ""}.get(status, "active")
            if last
            else "completed"
        )
        if place:
            start = (stay.start or visit.fields.time("PV1", 44)) if number == 1 else stay.start
            start = start if status in ("planned", "cancelled") else visit.past(start)
            end = stay.end or (ended(visit) if last and status == "finished" else "")
            entries.append({"location": place, "status": state, "period": period(start, end, look.feed.zone)})
    return entries
