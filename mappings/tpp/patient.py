"""A patient with addresses, numbers, relationships and registrations to Patient and EpisodeOfCare."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs.identifiers import is_valid, normalise
from mappings import Group, Look, Row, Values
from mappings.emis.patient import GENDERS
from mappings.emis.values import is_true
from mappings.tpp.delivery import extracted
from mappings.tpp.directory import address as address_of
from mappings.tpp.entry import is_elsewhere, is_hidden, name, organisation
from mappings.tpp.lists import coded, is_listed, word
from mappings.tpp.tables import ADDRESS, CONTACT, PATIENT, REGISTRATION, RELATIONSHIP
from mappings.tpp.times import day
from mappings.vocabulary import (
    CANNOT_BE,
    HL7,
    LOCAL_NUMBER,
    NUMBER_STATUS,
    NUMBER_VERIFICATION,
    REGISTRATION_TYPE,
    UK_CORE,
    WRONG_NUMBER,
    can_be,
)

BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
HOME = (
    "NameOfBuilding",
    "NumberOfBuilding",
    "NameOfRoad",
    "NameOfLocality",
    "NameOfTown",
    "NameOfCounty",
    "FullPostCode",
)
OF_A_RELATIVE = tuple(
    f"RelationshipWith{part}"
    for part in ("HouseName", "HouseNumber", "Road", "Locality", "PostTown", "County", "PostCode")
)
NEXT_OF_KIN = {"coding": [{"system": HL7 + "v2-0131", "code": "N"}], "text": "Next of kin"}
EMERGENCY = {"coding": [{"system": HL7 + "v2-0131", "code": "C"}], "text": "Emergency contact"}
ROLES = {
    "PersonalGuardianOrProxy": "Personal guardian or proxy",
    "CaresForPatient": "Cares for the patient",
    "PrincipalCarerForPatient": "Principal carer",
    "KeyHolder": "Key holder",
    "HasParentalResponsibility": "Has parental responsibility",
    "Advocate": "Advocate",
    "MainVisitor": "Main visitor",
}  # fmt: skip
"""What else somebody is to the patient, where the column says yes."""


def to_patient(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient and the registrations with this unit. A test patient makes no resource. A deleted one is kept,
    ended and withheld, and with it what depends on it."""
    row = next((row for row in group.rows if row.table == PATIENT), None)
    if row is None or is_true(row.values["TestPatient"].strip()):
        return []
    count_impossible(row, look)
    episodes = []
    for spell in group.of(REGISTRATION):
        if is_elsewhere(spell):
            look.warn("IDOrganisation", "a registration at another organisation")
        else:
            episodes.append(episode(row, spell, group, look))
    return [patient(row, group, look), *episodes]


def born(row: Row) -> str:
    """Return the birth date, "" where it is none or cannot be."""
    birth = day(row.values, "DateBirth")
    return birth if birth <= extracted(row.order) else ""


def died(row: Row) -> str:
    """Return the date of death, "" where it is none or cannot be. Nobody is dead by a date that cannot be."""
    death = day(row.values, "DateDeath")
    return death if can_be(death, born(row), extracted(row.order)) else ""


def count_impossible(row: Row, look: Look) -> None:
    for column, kept in (("DateBirth", born(row)), ("DateDeath", died(row))):
        if day(row.values, column) and not kept:
            look.warn(column, CANNOT_BE)


def labels(row: Row, group: Group) -> tuple[str, ...]:
    flags = ("R",) if any(is_hidden(member) for member in group.rows if not member.deleted) else ()
    return (*flags, "withheld") if row.deleted else flags


def patient(row: Row, group: Group, look: Look) -> dict[str, Any]:
    values, place = row.values, row.values["BirthPlace"].strip()
    numbers = sorted(group.of(CONTACT), key=lambda contact: contact.key)
    addresses = sorted(
        group.of(ADDRESS), key=lambda at: (day(at.values, "DateTo") != "", day(at.values, "DateEvent"), at.key)
    )
    return resource(
        "Patient",
        look.id("Patient", row.key),
        UK_CORE + "UKCore-Patient",
        labels(row, group),
        extension=[{"url": BIRTH_PLACE, "valueAddress": {"text": place}}] if place else [],
        identifier=identifiers(row, look),
        active=not row.deleted,
        name=names(values),
        telecom=telecoms(values, numbers, look),
        gender=GENDERS.get(values["Gender"].strip().upper(), ""),
        birthDate=born(row),
        deceasedDateTime=died(row),
        address=[address(at, look) for at in addresses],
        contact=contacts(row, group, numbers, look),
        managingOrganization=organisation(row.publisher, look),
    )  # fmt: skip


def identifiers(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the NHS number and SystmOne's own. A number whose check digit is wrong is shown as sent and identifies
    nobody. It is verified only where SystmOne says that it was matched with the Spine."""
    numbers: list[dict[str, Any]] = []
    number = normalise(row.values["NHSNumber"])
    if is_valid(number):
        is_matched = is_true(row.values["SpineMatched"].strip())
        coding = {"coding": [{"system": NUMBER_STATUS, "code": "01"}]}
        extension = [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": coding}] if is_matched else []
        numbers.append({"extension": extension, "system": NHS_NUMBER, "value": number})
    elif any(map(str.isdigit, number)):
        numbers.append({"type": WRONG_NUMBER, "value": number})
    own = {"system": LOCAL_NUMBER, "value": row.key, "assigner": organisation(row.publisher, look)}
    return [*numbers, own]


def names(values: Values) -> list[dict[str, Any]]:
    forenames = [values["FirstName"].strip(), *values["MiddleNames"].split()]
    family, before = values["Surname"].strip(), values["PreviousSurname"].strip()
    official = {"use": "official", "family": family, "given": forenames, "prefix": [values["Title"].strip()]}
    return [*([official] if family or any(forenames) else []), *([{"use": "old", "family": before}] if before else [])]


def telecoms(values: Values, numbers: list[Row], look: Look) -> list[dict[str, Any]]:
    """Return the e-mail address and the numbers of the patient, but those of an emergency contact."""
    email = values["EmailAddress"].strip()
    answer: list[dict[str, Any]] = [{"system": "email", "value": email}] if email else []
    for row in numbers:
        kind, number = word(row, "ContactType", look), row.values["ContactNumber"].strip()
        if not number or coded("contact_type", kind, "whose") == "contact":
            continue
        if kind and not is_listed("contact_type", kind):
            look.unlisted(CONTACT, "ContactType", kind)
        system, use = coded("contact_type", kind, "system") or "phone", coded("contact_type", kind, "use")
        since = {"start": day(row.values, "DateEvent")}
        answer.append({"system": system, "value": number, "use": use, "period": since})
    return answer


def address(row: Row, look: Look) -> dict[str, Any]:
    """Return an address with its use. One that has ended by the day of the extract is old, whatever it was."""
    values = row.values
    kind, end = word(row, "AddressType", look), day(values, "DateTo")
    if kind and not is_listed("address_type", kind):
        look.unlisted(ADDRESS, "AddressType", kind)
    is_old = bool(end) and end <= extracted(row.order)
    return {
        "use": "old" if is_old else coded("address_type", kind, "use"),
        "type": coded("address_type", kind, "type"),
        **address_of(values, HOME),
        "period": {"start": day(values, "DateEvent"), "end": end},
    }


def contacts(row: Row, group: Group, numbers: list[Row], look: Look) -> list[dict[str, Any]]:
    """Return who else there is: relationships that have not ended, and numbers of emergency contacts."""
    relatives = sorted(group.of(RELATIONSHIP), key=lambda relative: relative.key)
    answer = [contact(relative, look) for relative in relatives if not has_ended(relative)]
    for number in numbers:
        if coded("contact_type", word(number, "ContactType", look), "whose") == "contact":
            telecom = {"system": "phone", "value": number.values["ContactNumber"].strip()}
            answer.append({"relationship": [EMERGENCY], "telecom": [telecom]})
    return [person for person in answer if person.keys() & {"name", "telecom", "organization"}]


def has_ended(relative: Row) -> bool:
    end = day(relative.values, "DateEnded")
    return bool(end) and end <= extracted(relative.order)


def contact(row: Row, look: Look) -> dict[str, Any]:
    """Return a relationship. Nothing that would tie the record of somebody else to this one is in it."""
    values = row.values
    relation, written = word(row, "RelationshipType", look), values["RelationshipWithName"].strip()
    roles = [{"text": text} for column, text in ROLES.items() if is_true(values[column].strip())]
    kin = [NEXT_OF_KIN] if is_true(values["NextOfKin"].strip()) else []
    columns = (
        ("RelationshipWithTelephone", "phone", "home"), ("RelationshipWithWorkTelephone", "phone", "work"),
        ("RelationshipWithMobileTelephone", "phone", "mobile"), ("RelationshipWithEmailAddress", "email", ""),
    )  # fmt: skip
    numbers = [
        {"system": system, "value": value, "use": use}
        for column, system, use in columns
        if (value := values[column].strip())
    ]
    home, at = address_of(values, OF_A_RELATIVE), values["RelationshipWithOrganisation"].strip()
    person: dict[str, Any] = {"relationship": [*([{"text": relation}] if relation else []), *kin, *roles]}
    person |= {"name": {"text": written}} if written else {}
    person |= {"telecom": numbers} if numbers else {}
    person |= {"address": home, "gender": GENDERS.get(values["RelationshipWithSex"].strip().upper(), "")}
    person |= {"organization": {"display": at}} if at else {}
    return {**person, "period": {"start": day(values, "DateEvent"), "end": day(values, "DateEnded")}}


def episode(row: Row, spell: Row, group: Group, look: Look) -> dict[str, Any]:
    """Return a registration with this unit. Finished when it was ended, or the patient died or was deleted. A start
    before birth or after the extract is a slip of the key: it is left out."""
    values, known = spell.values, extracted(max(row.order, spell.order))
    start, left = day(values, "DateRegistration"), day(values, "DateDeRegistration")
    end = (left if left and left <= known else "") or died(row)
    is_possible = born(row) <= start <= known
    if start and not is_possible:
        look.warn("DateRegistration", CANNOT_BE)
    return resource(
        "EpisodeOfCare",
        look.id("EpisodeOfCare", name(spell)),
        UK_CORE + "UKCore-EpisodeOfCare",
        labels(row, group),
        status="finished" if end or row.deleted else "active",
        type=registration_type(spell, look),
        patient=look.reference("Patient", row.key),
        managingOrganization=organisation(spell.publisher, look),
        period={"start": start if is_possible else "", "end": end if end >= start else ""},
    )


def registration_type(spell: Row, look: Look) -> list[dict[str, Any]]:
    """Return what kind of registration it is. SystmOne may give several at once ("GMS,Contraception"): GMS, the
    registered patient, counts first, and the words are all shown."""
    written = word(spell, "RegistrationStatus", look)
    parts = [part.strip() for part in written.split(",") if part.strip()]
    for part in parts:
        if not is_listed("registration", part):
            look.unlisted(REGISTRATION, "RegistrationStatus", part)
    kinds = [(coded("registration", part), coded("registration", part, "label")) for part in parts]
    coding = next((kind for kind in sorted(kinds, key=lambda kind: kind[0] != "R") if kind[0]), None)
    codings = [{"system": REGISTRATION_TYPE, "code": coding[0], "display": coding[1]}] if coding else []
    return [{"coding": codings, "text": written}] if written else []
