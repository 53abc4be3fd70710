"""What the Lists of a patient say is missing, as Flags: withheld items, records in transit, data that waits, and areas
in which nothing is recorded, which is not the same as none.

https://developer.nhs.uk/apis/gpconnect-1-5-1/accessrecord_structured_development_list.html (warning codes and texts)
"""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.gp_connect.answered import STATEMENT
from mappings.gp_connect.lists import NOTHING
from mappings.gp_connect.stu3 import named
from mappings.vocabulary import UK_CORE, UK_CORE_CODES

PROFILE = UK_CORE + "UKCore-Flag"
CATEGORY = {"text": "Completeness of the GP record"}
WARNINGS = {
    "confidential-items": "Items are excluded because of confidentiality or the patient's preferences",
    "data-in-transit": "The previous practice's record has not been transferred: earlier information may be missing",
    "data-awaiting-filing": "Data of others waits for the practice's review and is missing",
}
"""Warning code of a List → what a reader is told."""
UNKNOWN_WARNING = "The practice's system warns that data may be missing"
EMPTY = "Nothing is recorded, which does not say that there is none"
NOTHING_SENT = "Nothing was sent, for a reason that is not known"
ORDER = (*WARNINGS, "other", NOTHING, "empty")
WORDS = {**WARNINGS, "other": UNKNOWN_WARNING, NOTHING: EMPTY, "empty": NOTHING_SENT}


def to_flags(group: Group, patient: Row, look: Look) -> list[dict[str, Any]]:
    """Return one Flag a kind of gap, naming the areas: as the latest List of each area says."""
    gaps: dict[str, list[Row]] = {}
    for row in group.of(STATEMENT):
        for code in row.values["warnings"].split():
            if code not in WARNINGS:
                look.unlisted("List", "ListWarningCode", code)
            gaps.setdefault(code if code in WARNINGS else "other", []).append(row)
        for reason in row.values["empty"].split():
            gaps.setdefault(NOTHING if reason == NOTHING else "empty", []).append(row)
    return [flag(kind, gaps[kind], patient, look) for kind in ORDER if kind in gaps]


def flag(kind: str, rows: list[Row], patient: Row, look: Look) -> dict[str, Any]:
    areas = sorted({row.values["title"] for row in rows})
    words = WORDS[kind]
    coding = {"system": UK_CORE_CODES + "ListWarningCode", "code": kind} if kind in WARNINGS else {}
    coding = {"system": UK_CORE_CODES + "ListEmptyReasonCode", "code": kind} if kind == NOTHING else coding
    return resource(
        "Flag",
        look.id("Flag", f"{named('Patient', patient.key)}|{kind}"),
        PROFILE,
        status="active",
        category=[CATEGORY],
        code={"coding": [coding] if coding else [], "text": f"{words} ({', '.join(areas)})"},
        subject=look.reference("Patient", named("Patient", patient.key)),
        period={"start": max((row.values["time"] for row in rows), default="")},
    )
