"""Who and where: references to clinicians, practices, sites and wards by their national codes."""

from __future__ import annotations

import re
from typing import Any

from gateway.nhs.identifiers import is_practice_code
from mappings import Row
from mappings.cds import codes
from mappings.cds.record import is_withheld, short
from mappings.hl7v2 import codes as shared
from mappings.hl7v2.datatypes import organisation
from mappings.vocabulary import GMC_NUMBER, GMP_NUMBER, HL7

PARTICIPATION = HL7 + "v3-ParticipationType"
CONSULTANT = re.compile(r"C(\d{7})")
GP = re.compile(r"[GR]\d{7}")
NOBODY = re.compile(r"[A-Z]9{7,8}|[A-Z]99999[89]\d|[A-Z]9999981|V8199[789]|X9999[89]|\d{0,12}9{7,12}\d{0,12}")
"""Default codes, which stand for nobody in particular (NHS Data Model and Dictionary: CONSULTANT CODE, REFERRER CODE,
GENERAL MEDICAL PRACTITIONER)."""


def consultant(row: Row) -> list[dict[str, Any]]:
    """Return the participant of the consultant, by GMC number; [] for a default code or none."""
    match = CONSULTANT.fullmatch(code_of(row, "Consultant"))
    return [participant("ATND", {"type": "Practitioner", "identifier": {"system": GMC_NUMBER, "value": match[1]}})] if match else []  # fmt: skip


def referrer(row: Row) -> list[dict[str, Any]]:
    """Return the participant who referred: a consultant, a GP, else the organisation."""
    code, place = code_of(row, "Referrer"), code_of(row, "ReferringOrganisation")
    if match := CONSULTANT.fullmatch(code):
        person = {"type": "Practitioner", "identifier": {"system": GMC_NUMBER, "value": match[1]}}
    elif GP.fullmatch(code):
        person = {"type": "Practitioner", "identifier": {"system": GMP_NUMBER, "value": code}}
    else:
        person = {}
    at = organisation(short(place)).get("identifier", {}).get("value", "") if place else ""
    if person or at:
        return [participant("REF", {**person, "display": f"of {at}" if at else ""})]
    return []


def participant(role: str, individual: dict[str, Any]) -> dict[str, Any]:
    return {"type": [{"coding": [{"system": PARTICIPATION, "code": role}]}], "individual": individual}


def professional(row: Row, issuer: str, number: str) -> dict[str, Any]:
    """Return a reference to somebody by the register's number; {} where the register is not known to us."""
    system = codes.table("issuer").get(row.values[issuer].strip(), ("", ""))[0]
    value = code_of(row, number)
    match = CONSULTANT.fullmatch(value)
    if match and (system or not row.values[issuer].strip()):
        system, value = GMC_NUMBER, match[1]
    return {"type": "Practitioner", "identifier": {"system": system, "value": value}} if system and value else {}


def general_practitioners(row: Row) -> list[dict[str, Any]]:
    """Return the registered practice and GP; none for a default code."""
    practice, gp = code_of(row, "Practice"), code_of(row, "Gp")
    entries = [organisation(practice)] if is_practice_code(practice) else []
    if GP.fullmatch(gp):
        entries.append({"type": "Practitioner", "identifier": {"system": GMP_NUMBER, "value": gp}})
    return entries


def code_of(row: Row, item: str) -> str:
    """Return a code, "" for one that stands for nobody."""
    code = row.values[item].strip().upper()
    return "" if NOBODY.fullmatch(code) else code


def place(row: Row, site: str, ward: str = "", words: str = "Ward") -> dict[str, Any]:
    """Return a reference to a site, or to a ward or clinic of it; {} for none."""
    at, within = code_of(row, site), row.values[ward].strip() if ward else ""
    if not within:
        return {**organisation(short(at)), "type": "Location"} if at else {}
    key, shown = "|".join((short(at), within)), ", ".join(part for part in (f"{words} {within}", short(at)) if part)
    identifier = {"system": shared.local(row.publisher, "Location", "Id"), "value": key}
    return {"type": "Location", "identifier": identifier, "display": shown}


def attended_at(row: Row, unit: str = "", words: str = "") -> dict[str, Any]:
    """Return where an attendance was: the site and, where one is named, the clinic. Records of several lines say the
    site in the line of ward stays. {} for somebody whose identity is withheld."""
    if is_withheld(row.values):
        return {}
    return place(row, "Site" if row.values["Site"].strip() else "WardSite1", unit, words)


def service(row: Row) -> dict[str, Any]:
    """Return the treatment function, and the main specialty where there is none, in the codes of the NHS Data
    Dictionary."""
    function, specialty = row.values["TreatmentFunction"].strip(), row.values["MainSpecialty"].strip()
    names = (("treatment-function", function, "Treatment function"), ("main-specialty", specialty, "Main specialty"))
    codings = [codes.own(row, name, code) for name, code, _ in names]
    return {"coding": codings, "text": ", ".join(f"{title} {code}" for _, code, title in names if code)}
