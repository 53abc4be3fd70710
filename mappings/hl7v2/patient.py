"""The messages of one hospital number to a UK Core Patient and its allergies."""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs.identifiers import is_ods_code, is_practice_code, is_valid
from mappings import Feed, Group, Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.allergy import NOT_MET, Stated, allergies, take_allergies
from mappings.hl7v2.clinical import Coded
from mappings.hl7v2.datatypes import GMP, address, human_name, organisation, telecom
from mappings.hl7v2.entities import visit_of
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.identity import UNPROVED, Number, kept_priors, number, numbers_of, prior_numbers
from mappings.hl7v2.message import DELETE, Message, Segment
from mappings.hl7v2.message_types import ADT, ALSO_ALLERGIES
from mappings.hl7v2.possible import is_before
from mappings.hl7v2.replay import Fields, Sent, is_shielded, key_of, ordered, recorded
from mappings.vocabulary import (
    CANNOT_BE,
    GMP_NUMBER,
    NUMBER_STATUS,
    NUMBER_VERIFICATION,
    UK_CORE,
    UK_CORE_EXTENSION,
    WRONG_NUMBER,
)

PROFILE = UK_CORE + "UKCore-Patient"
RELIGION = "http://hl7.org/fhir/StructureDefinition/patient-religion"

DEMOGRAPHICS = {"PID": (5, 7, 8, 9, 11, 13, 14, 15, 16, 17, 22, 29, 30), "PD1": (3, 4), "ZU8": (4,)}
RESULT_DEMOGRAPHICS = {"PID": (5, 7, 8), "ZU8": (4,)}
"""Elements that a result message may fill in when no ADT message has arrived: enough to find the patient and to hide
them. Data that laboratories keep outdated is left out."""


class Person:
    """The state of one patient after the messages so far."""

    def __init__(self, wanted: dict[str, tuple[int, ...]], feed: Feed):
        self.feed = feed
        self.fields = Fields(wanted)
        self.numbers: dict[str, list[Number]] = {}
        self.status = ""
        self.contacts: list[Segment] = []
        self.allergies: dict[str, Stated] = {}
        self.missed = 0
        self.coded = Coded()
        self.survivor = ""
        self.replaced: dict[str, None] = {}
        self.unproved: dict[int, str] = {}
        self.known = False
        self.deleted = False

    def take(self, message: Message) -> None:
        """Take what one message says of the patient."""
        self.known, self.deleted = True, False
        self.fields.take(message)
        self.take_numbers(message["PID"])
        contacts = message.all("NK1")
        if contacts:
            self.contacts = [contact for contact in contacts if contact[2] not in ("", DELETE)]
        self.missed += take_allergies(self.allergies, message)
        if not visit_of(message):
            self.coded.take(message)

    def take_numbers(self, pid: Segment) -> None:
        """Take the identifiers of PID-3, and of the other fields that name the patient where PID-3 has none of the
        authority: what an authority sends replaces what it sent before.

        A verification status holds for the number it was sent with, and for no other.
        """
        before = self.nhs_number()
        self.unproved |= {field: pid.text(field) for field in (2, 4) if pid.text(field)}
        sent: dict[str, list[Number]] = {}
        for field in pid.repetitions(3):
            identifier = number(field, self.feed)
            sent.setdefault("NHS" if identifier.nhs else identifier.authority, []).extend(
                [] if field.deleted or not identifier.value else [identifier]
            )
        beside: dict[str, list[Number]] = {}
        for identifier in numbers_of(pid, self.feed):
            beside.setdefault("NHS" if identifier.nhs else identifier.authority, []).append(identifier)
        self.numbers.update(beside | sent)
        after = self.nhs_number()
        if after is None or before is None or before.value != after.value:
            self.status = ""
        if pid[32]:
            stated = (codes.target("number_status", part.text(1)) for part in pid.repetitions(32))
            self.status = next(filter(None, stated), "")
        elif after is not None and after.traced:
            self.status = after.traced

    def nhs_number(self) -> Number | None:
        return next(iter(self.numbers.get("NHS", ())), None)


def to_patient(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient of a ``pat:`` group with its allergies, and the diagnoses and procedures that name no
    visit."""
    key = key_of(group, "pat:")
    person = replay(group, look, key)
    if person.deleted or not (person.known or person.survivor):
        return []
    for _ in range(person.missed):
        look.warn("IAM-6", NOT_MET)
    subject = look.reference("Patient", key)
    security = ("R",) if is_shielded(person.fields) else ()
    built = [patient(person, key, group.publisher, look)]
    built += allergies(person.allergies, key, subject, security, group.publisher, look)
    built += person.coded.resources(f"patient|{key}", subject, {}, "finished", security, group.publisher, look)
    return built


def replay(group: Group, look: Look, key: str) -> Person:
    """Return the state after all ADT messages. Only if there is none for this patient, use the result messages."""
    person = Person(DEMOGRAPHICS, look.feed)
    also = [row for table in ALSO_ALLERGIES for row in group.of(table)]
    for sent in ordered([*group.of(ADT), *also], look, recorded):
        message = sent.message
        if sent.row.table != ADT:
            person.missed += 0 if person.survivor else take_allergies(person.allergies, message)
            continue
        event = EVENTS[message.event]
        if event.merges and key != sent.row.patient:
            retire(person, sent, key, look)
        elif event.merges:
            survive(person, sent)
        elif person.survivor:
            continue  # a merged number is dead: a later A08 neither revives it nor changes the survivor
        elif event.deletes and not event.visit:
            person = Person(DEMOGRAPHICS, look.feed)
            person.deleted = True
        else:
            person.take(message)
    return person if person.known or person.deleted else from_results(group, look, person)


def survive(person: Person, sent: Sent) -> None:
    """Take a merge into this patient. Into a number that is merged itself, only one of its own survivor makes it live
    again: any other is a link of a chain, and the dead number stays dead."""
    priors = kept_priors(sent.row)
    person.replaced.update(dict.fromkeys(priors))
    if person.survivor in priors:
        person.survivor = ""
    if not person.survivor:
        person.take(sent.message)


def retire(person: Person, sent: Sent, key: str, look: Look) -> None:
    """Mark the patient as merged; all that the merge message tells of it are its numbers (its PID is the
    survivor's)."""
    person.survivor = sent.row.patient
    person.replaced.pop(person.survivor, None)
    held = prior_numbers(sent.message, look.feed)
    alike = [prior for prior in held if prior.key == key] or [
        prior for prior in held if key.endswith(f"|{prior.value}")
    ]
    if len(alike) == 1:
        person.numbers.setdefault(alike[0].authority, alike)


def from_results(group: Group, look: Look, person: Person) -> Person:
    """Return a minimal patient from messages that are no ADT, for a number no ADT tells of. As soon as one does, they
    change nothing."""
    minimal = Person(RESULT_DEMOGRAPHICS, look.feed)
    minimal.survivor, minimal.replaced, minimal.numbers = person.survivor, person.replaced, person.numbers
    minimal.allergies, minimal.missed = person.allergies, person.missed
    others = [row for row in group.rows if row.table != ADT and not row.deleted]
    for sent in ordered(others, look, recorded):
        minimal.known = True
        minimal.fields.take(sent.message)
        minimal.take_numbers(sent.message["PID"])
    return minimal


def patient(person: Person, key: str, publisher: str, look: Look) -> dict[str, Any]:
    """Return the Patient. A shielded person's address, telephones, contacts, GP and trust are left out, and the
    resource is restricted. Address, telephones, contacts and GP of somebody whose number proves nothing are left out
    too: a shield that comes with a mended name would not reach them."""
    fields = person.fields
    shielded = is_shielded(fields)
    is_placeless = shielded or key.startswith(UNPROVED)
    names = [human_name(field) for field in fields.repetitions("PID", 5)]
    names += [human_name(field, "nickname") for field in fields.repetitions("PID", 9)]
    telecoms = [telecom(field, "home") for field in fields.repetitions("PID", 13)]
    telecoms += [telecom(field, "work") for field in fields.repetitions("PID", 14)]
    patient_resource = resource(
        "Patient",
        look.id("Patient", key),
        PROFILE,
        ("R",) if shielded else (),
        extension=extensions(fields, publisher, look),
        identifier=identifiers(person, publisher, look) + unproved(person, key),
        active=not person.survivor,
        name=names,
        telecom=[] if is_placeless else telecoms,
        gender=codes.target("gender", fields.text("PID", 8)),
        birthDate=times.date(fields.text("PID", 7)),
        **deceased(fields, look),
        address=[] if is_placeless else [address(field) for field in fields.repetitions("PID", 11)],
        maritalStatus=first(fields, 16, "marital_status", publisher, look),
        contact=[]
        if is_placeless
        else [
            contact_entry
            for contact_entry in (contact(segment, publisher, look) for segment in person.contacts)
            if contact_entry
        ],
        communication=languages(fields),
        generalPractitioner=[] if is_placeless else general_practitioners(fields),
        managingOrganization={} if shielded or not is_ods_code(publisher) else organisation(publisher),
        link=links(person, look),
    )
    return times.flagged(patient_resource, look.feed.zone, fields.time("PID", 29))


def identifiers(person: Person, publisher: str, look: Look) -> list[dict[str, Any]]:
    """Return the NHS number, if its check digit is right, and the local numbers, each in the system of its
    authority."""
    entries: list[dict[str, Any]] = []
    held = dict.fromkeys(identifier for of_authority in person.numbers.values() for identifier in of_authority)
    for identifier in sorted(held, key=lambda kept: (not kept.nhs, kept.authority, kept.value)):
        if identifier.nhs and is_valid(identifier.value):
            status = (
                {"coding": [{"system": NUMBER_STATUS, "code": person.status}]}
                if person.status and identifier == person.nhs_number()
                else {}
            )
            extension = [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": status}] if status else []
            entries.append({"extension": extension, "system": NHS_NUMBER, "value": identifier.value})
        elif identifier.nhs:
            entries.append({"type": WRONG_NUMBER, "value": identifier.value})
        else:
            named = codes.settings(look.feed, "identifier_systems").get(identifier.authority)
            system = named or codes.local(publisher, identifier.authority or "Patient", "Id")
            entries.append(
                {
                    "system": system,
                    "value": identifier.value,
                    "assigner": organisation(publisher) if is_ods_code(publisher) else {},
                }
            )
    return entries


def unproved(person: Person, key: str) -> list[dict[str, Any]]:
    """Return the numbers of PID-2 and PID-4 of a patient who is known by such a one: nobody says whose they are."""
    if not key.startswith(UNPROVED):
        return []
    return [
        {"type": {"text": f"Number of PID-{field} as sent; it does not say whose it is"}, "value": value}
        for field, value in sorted(person.unproved.items())
    ]


def deceased(fields: Fields, look: Look) -> dict[str, Any]:
    """Return what this hospital says of a death: a report of this source, which changes nobody's access. A date before
    the birth makes nobody dead; where the sender says so in PID-30 too, the death stands without its date."""
    said, when = fields.text("PID", 30).upper(), times.fhir(fields.time("PID", 29), look.feed.zone)
    if when and is_before(when, times.date(fields.text("PID", 7))):
        look.warn("PID-29", CANNOT_BE)
        when = ""
    if said == "N":
        return {"deceasedBoolean": False}
    if when:
        return {"deceasedDateTime": when}
    return {"deceasedBoolean": True} if said == "Y" else {}


def extensions(fields: Fields, publisher: str, look: Look) -> list[dict[str, Any]]:
    ethnicity, religion = first(fields, 22, "ethnicity", publisher, look), fields.repetitions("PID", 17)
    built = [{"url": UK_CORE_EXTENSION + "EthnicCategory", "valueCodeableConcept": ethnicity}] if ethnicity else []
    if religion and (religion[0].text(2) or religion[0].text(1)):
        built.append({"url": RELIGION, "valueCodeableConcept": {"text": religion[0].text(2) or religion[0].text(1)}})
    return built


def first(fields: Fields, field: int, table: str, publisher: str, look: Look) -> dict[str, Any]:
    repetitions = fields.repetitions("PID", field)
    return codes.concept(table, repetitions[0], look, publisher) if repetitions else {}


def languages(fields: Fields) -> list[dict[str, Any]]:
    """Return the language: as a code when it is one of two letters (BCP 47), else in words."""
    entries: list[dict[str, Any]] = []
    for field in fields.repetitions("PID", 15):
        code, words = field.text(1), field.text(2)
        coding = [{"system": "urn:ietf:bcp:47", "code": code.lower()}] if re.fullmatch(r"[A-Za-z]{2}", code) else []
        if coding or words or code:
            entries.append({"language": {"coding": coding, "text": words or ("" if coding else code)}})
    return entries


def general_practitioners(fields: Fields) -> list[dict[str, Any]]:
    """Return practice and GP of PD1-3 and PD1-4; PIMS repeats PD1-4 with the GP first and the practice after."""
    practitioners: list[dict[str, Any]] = []
    for field in fields.repetitions("PD1", 3):
        code = (field.text(10) or field.text(3)).strip()
        practitioners.append(organisation(code if is_practice_code(code) else "", field.text(1)))
    for field in fields.repetitions("PD1", 4):
        code = field.text(1).strip()
        if is_practice_code(code):
            practitioners.append(organisation(code))
        elif GMP.fullmatch(code) or field.text(2):
            names = " ".join(part for part in (field.text(6), field.text(3), field.text(2, 1)) if part)
            identifier = {"system": GMP_NUMBER, "value": code} if GMP.fullmatch(code) else {}
            practitioners.append({"type": "Practitioner", "identifier": identifier, "display": names})
    return [reference for reference in practitioners if reference]


def contact(segment: Segment, publisher: str, look: Look) -> dict[str, Any]:
    """Return the contact of one NK1, or nothing for one without name, telephone and address (FHIR pat-1)."""
    telecoms = [telecom(field, "home") for field in segment.repetitions(5)] + [
        telecom(field, "work") for field in segment.repetitions(6)
    ]
    name = next((human_name(field) for field in segment.repetitions(2)), {})
    addresses = [address(field) for field in segment.repetitions(4)]
    relationship = next((codes.concept("relationship", field, look, publisher) for field in segment.repetitions(3)), {})
    if not (name or telecoms or addresses):
        return {}
    return {
        "relationship": [relationship] if relationship else [],
        "name": name,
        "telecom": telecoms,
        "address": addresses[0] if addresses else {},
    }


def links(person: Person, look: Look) -> list[dict[str, Any]]:
    entries = [{"other": look.reference("Patient", person.survivor), "type": "replaced-by"}] if person.survivor else []
    return entries + [
        {"other": look.reference("Patient", prior), "type": "replaces"} for prior in sorted(person.replaced)
    ]
