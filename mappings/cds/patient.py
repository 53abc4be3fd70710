"""The records of one local number to a UK Core Patient: what the newest of them says."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs.identifiers import is_ods_code, is_valid, normalise
from mappings import Group, Look, Row
from mappings.cds import codes
from mappings.cds.people import general_practitioners
from mappings.cds.record import is_withheld, short
from mappings.cds.replaced import stands
from mappings.cds.values import past
from mappings.hl7v2 import codes as shared
from mappings.hl7v2.datatypes import organisation
from mappings.vocabulary import NUMBER_STATUS, NUMBER_VERIFICATION, UK_CORE, WRONG_NUMBER

STATUSES = frozenset({"01", "02", "03", "04", "05", "06", "07", "08"})


def to_patient(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient of a ``pat:`` group; nothing when all its records were taken back. Of somebody whose identity
    is withheld nothing is said, and the resource is restricted."""
    every = [row for row in group.rows if not row.deleted and stands(row, look)]
    rows = sorted(every, key=lambda row: (row.order, row.table, row.key))
    if not rows:
        return []
    newest, key = rows[-1], group.key.removeprefix("pat:")
    if is_withheld(newest.values):
        return [resource("Patient", look.id("Patient", key), UK_CORE + "UKCore-Patient", ("R",), active=True)]
    return [patient(newest, rows, key, look)]


def patient(newest: Row, rows: list[Row], key: str, look: Look) -> dict[str, Any]:
    values = newest.values
    return resource(
        "Patient",
        look.id("Patient", key),
        UK_CORE + "UKCore-Patient",
        extension=ethnicity(last(rows, "Ethnicity"), look),
        identifier=[*number(newest), *local(newest)],
        active=True,
        name=names(newest),
        gender=gender(newest, look),
        birthDate=past(newest, "BirthDate", look),
        address=addresses(newest),
        maritalStatus=codes.concept("marital_status", last(rows, "MaritalStatus"), "MaritalStatus", look),
        communication=[{"language": codes.snomed(values["Language"].strip())}] if values["Language"].strip() else [],
        generalPractitioner=general_practitioners(newest),
        managingOrganization=organisation(newest.publisher),
    )


def last(rows: list[Row], item: str) -> Row:
    """Return the newest row that says something: not every type of record has every item."""
    return next((row for row in reversed(rows) if row.values[item].strip()), rows[-1])


def gender(row: Row, look: Look) -> str:
    code = row.values["Gender"].strip().upper()
    answer = shared.target("gender", code)
    if code and not answer:
        look.unlisted(row.table, "Gender", code)
    return answer


def number(row: Row) -> list[dict[str, Any]]:
    """Return the NHS number with its status as sent. Only 01 says that it was verified; one whose check digit is wrong
    is shown as sent and identifies nobody."""
    text, status = normalise(row.values["NhsNumber"]), row.values["NumberStatus"].strip().zfill(2)
    if not is_valid(text):
        is_some = any(map(str.isdigit, text)) and len(set(text)) > 1
        return [{"type": WRONG_NUMBER, "value": text}] if is_some else []
    said = {"coding": [{"system": NUMBER_STATUS, "code": status}]} if status in STATUSES else {}
    extension = [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": said}] if said else []
    return [{"extension": extension, "system": NHS_NUMBER, "value": text}]


def local(row: Row) -> list[dict[str, Any]]:
    """Return the local number, in the system of the organisation that gave it."""
    value = row.values["LocalId"].strip()
    giver = short(row.values["LocalIdOrganisation"]) or row.publisher
    assigner = organisation(giver) if is_ods_code(giver) else {}
    return [{"system": shared.local(giver, "Patient", "Id"), "value": value, "assigner": assigner}] if value else []


def names(row: Row) -> list[dict[str, Any]]:
    """Return the structured name, else the name as it is written, and the name that the patient asks for."""
    values = row.values
    family, forename = values["Surname"].strip(), values["Forename"].strip() or values["Initials"].strip()
    written, asked = values["FullName"].strip(), values["RequestedName"].strip()
    parts = {"prefix": [values["Title"].strip()], "suffix": [values["Suffix"].strip()]}
    structured = {"use": "official", "text": "", "family": family, "given": [forename], **parts}
    answer = [structured] if family or forename else []
    if not answer and written:
        answer = [{"use": "official", "text": written, **parts}]
    return [*answer, *([{"use": "usual", "text": asked}] if asked else [])]


def addresses(row: Row) -> list[dict[str, Any]]:
    lines = [text for number in range(1, 6) if (text := row.values[f"AddressLine{number}"].strip())]
    written, postcode = row.values["Address"].strip(), row.values["Postcode"].strip().upper()
    if not lines and not written and not postcode:
        return []
    return [{"use": "home", "text": "" if lines else written, "line": lines, "postalCode": postcode}]


def ethnicity(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the ethnic category; the second character of a code may be the provider's own (NHS Data Dictionary)."""
    code = row.values["Ethnicity"].strip().upper()
    if code and code not in codes.table("ethnicity") and code[0] in codes.table("ethnicity"):
        row = Row(row.table, row.key, row.publisher, row.order, type(row.values)(Ethnicity=code[0]))
    return codes.extension("EthnicCategory", codes.concept("ethnicity", row, "Ethnicity", look))
