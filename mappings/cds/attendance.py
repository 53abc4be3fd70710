"""An outpatient record to an Encounter where the patient was seen, else to the Appointment that came to nothing or lies
ahead."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.codes import UCUM
from mappings import Group, Look, Row
from mappings.cds import codes
from mappings.cds.clinical import conditions, procedures
from mappings.cds.people import attended_at, consultant, referrer, service
from mappings.cds.record import OUTPATIENT, labels, subject
from mappings.cds.replaced import standing
from mappings.cds.values import day, is_doubtful, known, past, time, when
from mappings.hl7v2 import codes as shared
from mappings.hl7v2.datatypes import organisation
from mappings.hl7v2.encounter import ACT, PROFILE
from mappings.vocabulary import UK_CORE, tagged

AMB = {"system": ACT, "code": "AMB", "display": "Ambulatory"}
VISIT = "visit"
NO_VISIT = "diagnoses or procedures of an appointment that did not take place"
AT = ("AppointmentDate", "AppointmentTime")
_MINUTES = re.compile(r"[0-9]{1,4}")


def to_attendance(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what a ``visit:`` group makes: an Encounter with its diagnoses and procedures for an attendance; an
    Appointment for one that was cancelled, missed or is still to come; nothing for an administrative event.

    Raises ``Invalid`` where the record does not say whether the patient was seen.
    """
    row = next(iter(standing(group, OUTPATIENT, look)), None)
    if row is None:
        return []
    kind, words = codes.table("attended").get(row.values["Attended"].strip(), ("", ""))
    first = row.values["FirstAttendance"].strip()
    if first in codes.table("first_attendance") and not codes.table("first_attendance")[first][0]:
        look.warn("FirstAttendance", "an administrative event, which is no attendance")
        return []
    if not kind:
        raise Invalid("column Attended")
    if kind == VISIT and day(row.values, "AppointmentDate") > known(row):
        raise Invalid("column AppointmentDate")  # nobody was seen on a day that lies ahead
    return visit(row, look) if kind == VISIT else appointment(row, kind, words, look)


def visit(row: Row, look: Look) -> list[dict[str, Any]]:
    encounter, person = look.reference("Encounter", f"visit|{row.key}"), subject(row, look)
    start = past(row, AT[0], look, AT[1])
    resources, references = conditions(row, person, encounter, "", start, look)
    built = resource(
        "Encounter",
        look.id("Encounter", f"visit|{row.key}"),
        PROFILE,
        labels(row),
        extension=outcome(row, look),
        identifier=identifiers(row),
        status="finished",
        class_=AMB,
        type=kinds(row, look),
        serviceType=service(row),
        priority={"text": codes.words("priority", row, "Priority", look)},
        subject=person,
        participant=[*consultant(row), *referrer(row)],
        period={"start": start},
        length=minutes(row),
        diagnosis=references,
        location=[{"location": where}] if (where := clinic(row)) else [],
        serviceProvider=organisation(row.publisher),
    )
    return [tagged(built, is_doubtful(row.values, AT)), *resources, *procedures(row, person, encounter, look)]


def identifiers(row: Row) -> list[dict[str, Any]]:
    number = row.values["Attendance"].strip()
    return [{"system": shared.local(row.publisher, "Attendance", "Id"), "value": number}] if number else []


def kinds(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return first or follow-up, and by which medium."""
    words = [codes.words("first_attendance", row, "FirstAttendance", look), codes.words("medium", row, "Medium", look)]
    return [{"text": text} for text in words if text]


def outcome(row: Row, look: Look) -> list[dict[str, Any]]:
    return codes.extension("OutcomeOfAttendance", codes.concept("outcome", row, "Outcome", look))


def minutes(row: Row) -> dict[str, Any]:
    """Return how long the appointment was planned to be, {} where nobody says it: no minutes are no length."""
    count = row.values["Minutes"].strip()
    if not _MINUTES.fullmatch(count) or not int(count):
        return {}
    return {"value": int(count), "unit": "min", "system": UCUM, "code": "min"}


def clinic(row: Row) -> dict[str, Any]:
    return attended_at(row, "Clinic", "Clinic")


def appointment(row: Row, status: str, words: str, look: Look) -> list[dict[str, Any]]:
    """Return an Appointment. What was coded for one that did not take place is counted and not believed."""
    if any(name.startswith(("Diagnosis", "Procedure")) for name in row.values):
        look.warn("Diagnosis", NO_VISIT)
    start = when(row.values, *AT)
    has_time = bool(time(row.values, AT[1]))
    actors = [{"actor": subject(row, look), "status": "accepted"}]
    actors += [{"actor": entry["individual"], "status": "accepted"} for entry in consultant(row)]
    actors += [{"actor": where, "status": "accepted"}] if (where := clinic(row)) else []
    comment = [f"{words}, {start}"] if start and not has_time else [words]
    built = resource(
        "Appointment",
        look.id("Appointment", row.key),
        UK_CORE + "UKCore-Appointment",
        labels(row),
        identifier=identifiers(row),
        status=status if status != "booked" or has_time else "proposed",
        serviceType=[service(row)],
        description=", ".join(kind["text"] for kind in kinds(row, look)),
        start=start if has_time else "",
        end=ended(row, start) if has_time else "",
        minutesDuration=minutes(row).get("value"),
        comment="; ".join(comment),
        participant=actors,
    )
    return [tagged(built, is_doubtful(row.values, AT))]


def ended(row: Row, start: str) -> str:
    """Return when an appointment was to end: FHIR asks for an end beside a start. Where nobody says how long it was to
    be, it ends as it begins."""
    length = minutes(row).get("value", 0)
    return (datetime.fromisoformat(start) + timedelta(minutes=length)).isoformat()
