"""A person to Patient; the main carer to RelatedPerson; what may endanger a child or adult to restricted Flags."""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs.identifiers import is_practice_code, is_valid, normalise
from mappings import Group, Look, Row
from mappings.community import codes
from mappings.community.delivery import made_on, standing
from mappings.community.facts import stated
from mappings.community.tables import GP, PERSON, VULNERABILITY
from mappings.community.times import day
from mappings.vocabulary import (
    CANNOT_BE,
    ETHNIC_CATEGORY,
    HL7,
    LOCAL_NUMBER,
    NUMBER_STATUS,
    NUMBER_VERIFICATION,
    UK_CORE,
    UK_CORE_EXTENSION,
    WRONG_NUMBER,
    can_be,
)

LOOKED_AFTER, SAFEGUARDING = "ChildLookedAfter_Indicator", "Safeguarding_Indicator"
SAID_YES = {LOOKED_AFTER: "Looked after child", SAFEGUARDING: "Safeguarding vulnerability factors recorded"}
LISTS = {"gender": "Gender", "ethnicity": "EthnicCategory", "number-status": "NHSNumber_Status"}
OF_A_CHILD_IN_CARE = frozenset({"FPX", "FPM", "FPF", "APX", "APM", "APF"})
"""Foster and adoptive parents: who is one tells that the child is or was in care."""
NOBODY = "NOX"
"""The code of somebody who lives alone: no carer."""
_LANGUAGE = re.compile(r"[a-z]{2}")


def to_patient(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient. A birth date after the submission, or a death that cannot be, is left out and counted."""
    row = next(standing(group.of(PERSON), look), None)
    if row is None:
        return []
    values, known = row.values, made_on(row.order)
    born, died = day(values, "DateOfBirth"), day(values, "DateOfDeath")
    for list_, column in LISTS.items():
        if values[column] and values[column].upper() not in codes.person(list_):
            look.unlisted(PERSON, column, values[column])
    if born > known:
        look.warn("DateOfBirth", CANNOT_BE)
        born = ""
    if died and not can_be(died, born, known):
        look.warn("DateOfDeath", CANNOT_BE)
        died = ""
    return [
        resource(
            "Patient",
            look.id("Patient", row.key),
            UK_CORE + "UKCore-Patient",
            extension=ethnicity(row),
            identifier=identifiers(row, look),
            active=True,
            gender=codes.person("gender").get(values["Gender"].upper(), ""),
            birthDate=born,
            deceasedDateTime=died,
            address=[{"postalCode": values["Postcode"]}],
            communication=languages(values["LanguagePreferred"]),
            generalPractitioner=practices(list(standing(group.of(GP), look))),
            managingOrganization=look.reference("Organization", row.publisher),
        )
    ]


def identifiers(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the NHS number with the status that the provider says, and the provider's own. A number whose check digit
    is wrong is shown as sent and identifies nobody."""
    values = row.values
    numbers: list[dict[str, Any]] = []
    number = normalise(values["NHSNumber"])
    if is_valid(number):
        status = codes.person("number-status").get(values["NHSNumber_Status"], "")
        coded = {"coding": [{"system": NUMBER_STATUS, "code": status}]}
        extension = [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": coded}] if status else []
        numbers.append({"extension": extension, "system": NHS_NUMBER, "value": number})
    elif any(map(str.isdigit, number)):
        numbers.append({"type": WRONG_NUMBER, "value": number})
    own = values["LocalPatientID"]
    if own != row.key:  # it may be an NHS number, perhaps another person's: nobody is found by it
        return numbers
    by = values["OrgID_LocalPatientID"].upper()
    assigner = look.reference("Organization", row.publisher) if by in ("", row.publisher) else codes.organisation(by)
    return [*numbers, {"system": LOCAL_NUMBER, "value": own, "assigner": assigner}]


def ethnicity(row: Row) -> list[dict[str, Any]]:
    """Return the ethnic category of 2001, with that of 2021 beside it."""
    category = codes.person("ethnicity").get(row.values["EthnicCategory"].upper(), "")
    codings = [{"system": ETHNIC_CATEGORY, "code": category}] if category else []
    codings += codes.concept("ethnic-category-2021", row.values["EthnicCategory2021"]).get("coding", [])
    return (
        [{"url": UK_CORE_EXTENSION + "EthnicCategory", "valueCodeableConcept": {"coding": codings}}] if codings else []
    )


def languages(code: str) -> list[dict[str, Any]]:
    """Return the preferred language: of two letters an ISO code, any other the Dictionary's own (sign languages)."""
    if not code:
        return []
    name = code.lower()
    coded = {"coding": [{"system": "urn:ietf:bcp:47", "code": name}]} if _LANGUAGE.fullmatch(name) else {}
    return [{"language": coded or codes.concept("language", code), "preferred": True}]


def practices(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the practices at which the person is registered as far as the newest month says: one whose registration
    has ended by the day of the submission is none. A code that is no practice's stands for none or not known."""
    current = [
        row for row in rows if not (end := day(row.values, "GPRegistration_EndDate")) or end > made_on(row.order)
    ]
    newest = max((row.values["Period"] for row in current), default="")
    started = sorted(
        (row for row in current if row.values["Period"] == newest and is_practice_code(row.values["OrgID_GP"].upper())),
        key=lambda row: (day(row.values, "GPRegistration_StartDate"), row.key),
    )
    return [codes.organisation(row.values["OrgID_GP"]) for row in reversed(started)]


def to_about(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what else the row of a person says: the main carer, flags, and facts such as the preferred place of
    death."""
    row = next(standing(group.of(PERSON), look), None)
    if row is None:
        return []
    patient = look.reference("Patient", row.patient)
    flags = [
        flag(row, f"{column}|{row.key}", {"text": text}, patient, {}, "active", look)
        for column, text in SAID_YES.items()
        if row.values[column].upper() == "Y"
    ]
    return [*carer(row, patient, look), *flags, *stated(row, patient, "", {}, look)]


def tells_of_danger(row: Row) -> bool:
    """Whether the row of a person tells that a child is in care or that somebody is in danger."""
    carer_is = row.values["Relationship_MainCarer"].upper()
    return carer_is in OF_A_CHILD_IN_CARE or any(row.values[column].upper() == "Y" for column in SAID_YES)


def carer(row: Row, patient: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return the main carer, of whom the data set says only what they are to the patient."""
    code = row.values["Relationship_MainCarer"].upper()
    if code in ("", NOBODY):
        return []
    if not codes.is_listed("relationship", code):
        look.unlisted(PERSON, "Relationship_MainCarer", code)
    relation = codes.labelled("relationship", "relationship-to-person", code)
    role = codes.target("relationship", code, "target")
    if role:
        relation["coding"].insert(0, {"system": HL7 + "v3-RoleCode", "code": role})
    main = {"coding": [{"system": HL7 + "v3-RoleCode", "code": "CAREGIVER"}], "text": "Main carer"}
    return [
        resource(
            "RelatedPerson",
            look.id("RelatedPerson", row.key),
            UK_CORE + "UKCore-RelatedPerson",
            ("R",) if code in OF_A_CHILD_IN_CARE else (),
            active=True,
            patient=patient,
            relationship=[relation, main],
        )
    ]


def to_risk(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Flag of a child protection plan, which ends with it, or of a vulnerability factor."""
    resources = []
    for row in standing(group.rows, look):
        patient = look.reference("Patient", row.patient)
        if row.table == VULNERABILITY:
            factor = codes.concept("safeguarding-vulnerability-factors-type", row.values["SafeguardingFactors_Type"])
            code = {**factor, "text": "Safeguarding vulnerability factor"}
            resources.append(flag(row, f"{row.table}|{row.key}", code, patient, {}, "active", look))
            continue
        start, end = day(row.values, "CPP_StartDate"), day(row.values, "CPP_EndDate")
        reason = codes.concept("child-protection-plan-reason", row.values["CPP_Reason"])
        status = "inactive" if end and end <= made_on(row.order) else "active"
        code = {**reason, "text": "Child protection plan"}
        resources.append(flag(row, f"{row.table}|{row.key}", code, patient, {"start": start, "end": end}, status, look))
    return resources


def flag(
    row: Row, key: str, code: dict[str, Any], patient: dict[str, Any], period: dict[str, Any], status: str, look: Look
) -> dict[str, Any]:
    """Return a Flag, always restricted: it tells who is in danger, and from whom."""
    return resource(
        "Flag",
        look.id("Flag", key),
        UK_CORE + "UKCore-Flag",
        ("R",),
        status=status,
        category=[{"text": "Safeguarding"}],
        code=code,
        subject=patient,
        period=period,
        author=look.reference("Organization", row.publisher),
    )
