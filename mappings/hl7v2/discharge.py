"""How and where to a patient was discharged: PV1-36 and PV1-37.

PV1-36 is a trap. The same field carries NHS discharge method from one sender and A&E attendance disposal from another:
``4`` is "patient died" in the first and "referred to A&E clinic" in the second. So the feed's setting ``pv1_36``
decides, by PV1-2 (``{"I" = "discharge_method", "E" = "attendance_disposal"}``); without it the code is kept as sent
and not understood.
"""

from __future__ import annotations

from typing import Any

from mappings import Look
from mappings.hl7v2 import codes
from mappings.hl7v2.replay import Fields
from mappings.vocabulary import UK_CORE_EXTENSION

TABLES = {"discharge_method": "DischargeMethod", "attendance_disposal": "EmergencyCareDischargeStatus"}


def discharge(fields: Fields, publisher: str, look: Look) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return (extensions of the Encounter, dischargeDisposition)."""
    destination = fields.repetitions("PV1", 37)
    disposition = codes.concept("discharge_destination", destination[0], look, publisher) if destination else {}
    code = fields.text("PV1", 36).strip()
    if not code:
        return [], disposition
    table = str(codes.settings(look.feed, "pv1_36").get(fields.text("PV1", 2), ""))
    return [method(code, table, fields, publisher, look)], disposition


def method(code: str, table: str, fields: Fields, publisher: str, look: Look) -> dict[str, Any]:
    """Return the extension: of the table the feed names; of none, the sender's own coding that says so."""
    if table == "discharge_method":
        value = codes.concept(table, fields.repetitions("PV1", 36)[0], look, publisher)
    else:
        label = codes.table(table).get(code, ("", ""))[1] if table in TABLES else ""
        coding = {"system": codes.local(publisher, table or "PV1-36"), "code": code}
        value = {
            "coding": [coding] if codes.coded(code) else [],
            "text": label or f"PV1-36 code {code}, of a table not known to us",
        }
    return {"url": UK_CORE_EXTENSION + TABLES.get(table, "DischargeMethod"), "valueCodeableConcept": value}
