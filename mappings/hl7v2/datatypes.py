"""HL7 v2 data types to FHIR data types: names, addresses, telephones, people and places."""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.codes import ODS
from gateway.nhs.identifiers import is_ods_code, is_site_code
from mappings.hl7v2 import codes
from mappings.hl7v2.message import Repetition
from mappings.vocabulary import GMC_NUMBER, ODS_SITE

GMP = re.compile(r"G\d{7}")
CONSULTANT = re.compile(r"C?(\d{7})")


def human_name(field: Repetition, use: str = "") -> dict[str, Any]:
    """Return the HumanName of an XPN; ``use`` is for a field that is one by its nature (PID-9: alias). A use nobody
    maps is left out."""
    given_names = [field.text(2), *field.text(3).split()]
    return {
        "use": codes.target("name_use", field.text(7)) or use,
        "family": field.text(1, 1),
        "given": [name for name in given_names if name],
        "prefix": [field.text(5)] if field.text(5) else [],
        "suffix": [field.text(4)] if field.text(4) else [],
    }


def address(field: Repetition) -> dict[str, Any]:
    """Return the Address of an XAD."""
    use = codes.target("address_use", field.text(7))
    lines = [field.text(1, 1), field.text(1, 2), field.text(2), field.text(8)]
    return {
        "use": "" if use == "postal" else use,
        "type": "postal" if use == "postal" else "",
        "line": [line for line in lines if line],
        "city": field.text(3),
        "district": field.text(4),
        "postalCode": field.text(5),
        "country": field.text(6),
    }


def telecom(field: Repetition, use: str) -> dict[str, Any]:
    """Return the ContactPoint of an XTN; ``use`` is the field's own (home for PID-13, work for PID-14) where the value
    says no other."""
    said, equipment = field.text(2).upper(), field.text(3).upper()
    email = field.text(4) or (field.text(1) if "@" in field.text(1) else "")
    value = (
        email or field.text(1) or field.text(12) or " ".join(part for part in (field.text(6), field.text(7)) if part)
    )
    if not value:
        return {}
    mobile = equipment in ("CP", "MOBILE") or said == "MOBILE"
    return {
        "system": "email" if email else {"FX": "fax", "BP": "pager"}.get(equipment, "phone"),
        "value": value,
        "use": "mobile" if mobile and not email else {"WPN": "work", "WORK": "work"}.get(said, use),
    }


def practitioner(field: Repetition) -> dict[str, Any]:
    """Return a reference to a clinician of an XCN: by GMC number where the sender gives one, and by name. None is made
    up."""
    authority, kind = field.text(9, 1).upper(), field.text(13).upper()
    number = field.text(1).strip().upper()
    match = CONSULTANT.fullmatch(number)
    gmc = match[1] if match and (number[0] == "C" or "GMC" in (authority, kind)) else ""
    names = (field.text(6), field.text(3), field.text(2, 1))
    return (
        {
            "type": "Practitioner",
            "identifier": {"system": GMC_NUMBER, "value": gmc} if gmc else {},
            "display": " ".join(name for name in names if name),
        }
        if gmc or any(names)
        else {}
    )


def organisation(code: str, display: str = "") -> dict[str, Any]:
    """Return a reference to an organisation by its ODS code; without one, by name only."""
    if is_ods_code(code):
        system = ODS_SITE if is_site_code(code) else ODS
        return {"type": "Organization", "identifier": {"system": system, "value": code}, "display": display}
    return {"type": "Organization", "display": display or code} if display or code else {}


def location(field: Repetition, publisher: str) -> dict[str, Any]:
    """Return a reference to a ward and bed (PL): the trust's own identifier, and words for people."""
    parts = [field.text(n, 1).strip() for n in (1, 2, 3)]
    site = field.text(4, 1).strip()
    key = "|".join((site, *parts))
    shown = ", ".join(part for part in (*parts, site) if part)
    if not shown:
        return {}
    return {
        "type": "Location",
        "identifier": {"system": codes.local(publisher, "Location", "Id"), "value": key},
        "display": shown,
    }
