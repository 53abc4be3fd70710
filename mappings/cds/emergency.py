"""An emergency attendance (types 010 and 011) to an Encounter with its diagnoses, what was done, injury, safeguarding
and referrals."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.cds import codes
from mappings.cds.clinical import conditions, performance, procedures
from mappings.cds.people import attended_at, participant, place, professional
from mappings.cds.record import EMERGENCY, labels, subject
from mappings.cds.replaced import standing
from mappings.cds.values import is_doubtful, known, numbered, past, period, when
from mappings.hl7v2 import codes as shared
from mappings.hl7v2.datatypes import organisation
from mappings.hl7v2.encounter import ACT, PROFILE
from mappings.vocabulary import CONDITION_VERIFICATION, ENCOUNTER_DIAGNOSIS, UK_CORE, UNKNOWN, absent, status, tagged

EMER = {"system": ACT, "code": "EMER", "display": "Emergency"}
TIMES = tuple((f"{name}Date", f"{name}Time") for name in ("Arrival", "Assessment", "Seen", "Conclusion", "Departure"))
INJURY = {
    "InjuryPlace": "Place of injury",
    "InjuryIntent": "Intent of injury",
    "InjuryStatus": "Activity status when injured",
    "InjuryActivity": "Activity when injured",
    "InjuryMechanism": "Mechanism of injury",
}
UNSURE = "unconfirmed"
"""The verification status of a diagnosis whose certainty nobody says."""


def to_emergency(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what an ``emergency:`` group makes; nothing of a record that was deleted or replaced."""
    row = next(iter(standing(group, EMERGENCY, look)), None)
    if row is None:
        return []
    encounter, person = look.reference("Encounter", f"emergency|{row.key}"), subject(row, look)
    arrived = past(row, "ArrivalDate", look, "ArrivalTime")
    coded, references = conditions(row, person, encounter, UNSURE, arrived, look)
    qualified, qualified_references = qualified_diagnoses(row, person, encounter, arrived, look)
    resources = [*coded, *qualified, *comorbidities(row, person, arrived, look)]
    resources += [*procedures(row, person, encounter, look), *done(row, person, encounter, look)]
    resources += [*injury(row, person, encounter, look), *safeguarding(row, person, encounter, arrived, look)]
    resources += referrals(row, person, encounter, look)
    return [attendance(row, person, arrived, [*references, *qualified_references], look), *resources]


def attendance(
    row: Row, person: dict[str, Any], arrived: str, references: list[dict[str, Any]], look: Look
) -> dict[str, Any]:
    values = row.values
    left = past(row, "DepartureDate", look, "DepartureTime") or past(row, "ConclusionDate", look, "ConclusionTime")
    complaint, acuity = values["ChiefComplaint"].strip(), values["Acuity"].strip()
    built = resource(
        "Encounter",
        look.id("Encounter", f"emergency|{row.key}"),
        PROFILE,
        labels(row),
        extension=discharge(row, look) if left else [],
        identifier=identifiers(row),
        status="finished" if left else "in-progress",
        statusHistory=history(row, arrived, left, look),
        class_=EMER,
        type=kinds(row, look),
        priority=codes.snomed(acuity),
        serviceType=function(row),
        subject=person,
        participant=participants(row),
        period=period(arrived, left),
        reasonCode=[codes.snomed(complaint)] if complaint else [],
        diagnosis=references,
        hospitalization={
            "admitSource": codes.snomed(values["AttendanceSource"].strip()),
            "destination": place(row, "DestinationSite") if left else {},
            "dischargeDisposition": codes.snomed(values["EcDestination"].strip()) if left else {},
        },
        location=[{"location": where}] if (where := attended_at(row)) else [],
        serviceProvider=organisation(row.publisher),
    )
    return tagged(built, is_doubtful(values, *TIMES))


def identifiers(row: Row) -> list[dict[str, Any]]:
    number = row.values["Attendance"].strip()
    return [{"system": shared.local(row.publisher, "EmergencyAttendance", "Id"), "value": number}] if number else []


def function(row: Row) -> dict[str, Any]:
    code = row.values["TreatmentFunction"].strip()
    coding = [codes.own(row, "treatment-function", code)] if code else []
    return {"coding": coding, "text": f"Treatment function {code}" if code else ""}


def kinds(row: Row, look: Look) -> list[dict[str, Any]]:
    words = (
        codes.words("attendance_category", row, "AttendanceCategory", look),
        codes.words("department", row, "DepartmentType", look),
    )
    return [{"text": text} for text in words if text]


def participants(row: Row) -> list[dict[str, Any]]:
    numbers = numbered(row.values, "Professional")
    people = [professional(row, f"ProfessionalIssuer{n}", f"Professional{n}") for n in numbers]
    return [participant("PART", person) for person in people if person]


def history(row: Row, arrived: str, left: str, look: Look) -> list[dict[str, Any]]:
    """Return how the attendance went on: arrived, assessed, seen for treatment."""
    assessed = past(row, "AssessmentDate", look, "AssessmentTime")
    seen = past(row, "SeenDate", look, "SeenTime")
    steps = [("arrived", arrived), ("triaged", assessed), ("in-progress", seen)]
    steps = [(name, start) for name, start in steps if len(start) > len("2024-03-11")]
    ends = [start for _, start in steps[1:]] + [left]
    if len(steps) < 2:
        return []
    return [
        {"status": name, "period": {"start": start, "end": end if end >= start else ""}}
        for (name, start), end in zip(steps, ends)
    ]


def discharge(row: Row, look: Look) -> list[dict[str, Any]]:
    """Return the discharge status in SNOMED CT, else the disposal of an A&E attendance."""
    code = row.values["DischargeStatus"].strip()
    said = codes.snomed(code) if code else codes.concept("disposal", row, "Disposal", look)
    return codes.extension("EmergencyCareDischargeStatus", said)


def certainty(row: Row, number: int, look: Look) -> str:
    """Return the verification status of a diagnosis: confirmed only where its qualifier says so."""
    code = row.values[f"EcQualifier{number}"].strip()
    if code and code not in codes.table("qualifier"):
        look.unlisted(row.table, "EcQualifier", code)
    return codes.table("qualifier").get(code, ("", ""))[0] or UNSURE


def qualified_diagnoses(
    row: Row, person: dict[str, Any], encounter: dict[str, Any], arrived: str, look: Look
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the diagnoses in SNOMED CT with their certainty, and Encounter.diagnosis in the order they are given. A
    code that is sent twice is one diagnosis, of the certainty that comes first."""
    resources, references = [], []
    for number, code in distinct(row, "EcDiagnosis"):
        key = f"{row.table}|{row.key}|diagnosis|{code}"
        resources.append(
            resource(
                "Condition",
                look.id("Condition", key),
                UK_CORE + "UKCore-Condition",
                labels(row),
                verificationStatus=status(CONDITION_VERIFICATION, certainty(row, number, look)),
                category=[ENCOUNTER_DIAGNOSIS],
                code=codes.snomed(code),
                subject=person,
                encounter=encounter,
                recordedDate=arrived,
            )
        )
        sequence = row.values[f"EcSequence{number}"].strip()
        rank = int(sequence) if sequence.isdigit() and int(sequence) else number
        references.append({"condition": look.reference("Condition", key), "rank": rank})
    return resources, references


def distinct(row: Row, item: str) -> list[tuple[int, str]]:
    """Return (number, code) of the repetitions of an item, each code once."""
    codes_: dict[str, int] = {}
    for number in numbered(row.values, item):
        if code := row.values[f"{item}{number}"].strip():
            codes_.setdefault(code, number)
    return [(number, code) for code, number in codes_.items()]


def comorbidities(row: Row, person: dict[str, Any], arrived: str, look: Look) -> list[dict[str, Any]]:
    """Return what the patient already had: told at the attendance, and not diagnosed in it."""
    return [
        resource(
            "Condition",
            look.id("Condition", f"{row.table}|{row.key}|comorbidity|{code}"),
            UK_CORE + "UKCore-Condition",
            labels(row),
            verificationStatus=status(CONDITION_VERIFICATION, UNSURE),
            category=[{"text": "Comorbidity told at an emergency attendance"}],
            code=codes.snomed(code),
            subject=person,
            recordedDate=arrived,
        )
        for _, code in distinct(row, "Comorbidity")
    ]


def done(row: Row, person: dict[str, Any], encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return the investigations and treatments, without the codes that say there was none."""
    resources = []
    for item, title in (("EcInvestigation", "Investigation"), ("EcTreatment", "Treatment"), ("AeInvestigation", "Investigation")):  # fmt: skip
        for number in numbered(row.values, item):
            code = row.values[f"{item}{number}"].strip()
            if not code or code in codes.table("nothing_done"):
                continue
            if item == "AeInvestigation":
                concept: dict[str, Any] = {"coding": [codes.own(row, "ae-investigation", code)], "text": f"A&E investigation code {code}"}  # fmt: skip
            else:
                concept = codes.snomed(code)
            times = (f"{item}Date{number}", f"{item}Time{number}")
            state, performed = performance(row, *times, look)
            built = resource(
                "Procedure",
                look.id("Procedure", f"{row.table}|{row.key}|{item}|{number}"),
                UK_CORE + "UKCore-Procedure",
                labels(row),
                status=state,
                category={"text": title},
                code=concept,
                subject=person,
                encounter=encounter,
                performedDateTime=performed,
            )
            resources.append(tagged(built, is_doubtful(row.values, times)))
    return resources


def injury(row: Row, person: dict[str, Any], encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return how an injury came about, as one Observation; [] where nothing of it is told."""
    circumstances = [(title, row.values[item].strip()) for item, title in INJURY.items()]
    circumstances += [("Involvement of alcohol or drugs", code) for _, code in distinct(row, "AlcoholDrug")]
    components = [
        {"code": {"text": title}, "valueCodeableConcept": codes.snomed(code)} for title, code in circumstances if code
    ]
    happened = past(row, "InjuryDate", look, "InjuryTime")
    if not components and not happened:
        return []
    built = resource(
        "Observation",
        look.id("Observation", f"{row.table}|{row.key}|injury"),
        UK_CORE + "UKCore-Observation",
        labels(row),
        status="final",
        code={"text": "Circumstances of the injury"},
        subject=person,
        encounter=encounter,
        effectiveDateTime=happened,
        dataAbsentReason={} if components else absent("unknown"),
        component=components,
    )
    return [tagged(built, is_doubtful(row.values, ("InjuryDate", "InjuryTime")))]


def safeguarding(
    row: Row, person: dict[str, Any], encounter: dict[str, Any], arrived: str, look: Look
) -> list[dict[str, Any]]:
    """Return a Flag for each safeguarding concern, restricted whatever the record's own labels say."""
    return [
        resource(
            "Flag",
            look.id("Flag", f"{row.table}|{row.key}|{code}"),
            UK_CORE + "UKCore-Flag",
            ("R",),
            status="active",
            category=[{"text": "Safeguarding"}],
            code=codes.snomed(code) or UNKNOWN,
            subject=person,
            period={"start": arrived},
            encounter=encounter,
        )
        for _, code in distinct(row, "Safeguarding")
    ]


def referrals(row: Row, person: dict[str, Any], encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return the services that were asked to see the patient, and what is to follow. Nobody says whether it did."""
    resources = []
    for number in numbered(row.values, "ReferredTo"):
        asked = when(row.values, f"ReferredDate{number}", f"ReferredTime{number}")
        assessed = when(row.values, f"ReferralAssessedDate{number}", f"ReferralAssessedTime{number}")
        code = codes.snomed(row.values[f"ReferredTo{number}"].strip())
        is_seen = bool(assessed) and assessed[:10] <= known(row)
        resources.append(request(row, f"referral|{number}", "order", "completed" if is_seen else "unknown", code, person, encounter, look, asked, assessed))  # fmt: skip
    if follow_up := codes.snomed(row.values["FollowUp"].strip()):
        resources.append(request(row, "follow-up", "plan", "unknown", follow_up, person, encounter, look))
    return resources


def request(
    row: Row,
    name: str,
    intent: str,
    state: str,
    code: dict[str, Any],
    person: dict[str, Any],
    encounter: dict[str, Any],
    look: Look,
    asked: str = "",
    assessed: str = "",
) -> dict[str, Any]:
    return resource(
        "ServiceRequest",
        look.id("ServiceRequest", f"{row.table}|{row.key}|{name}"),
        UK_CORE + "UKCore-ServiceRequest",
        labels(row),
        status=state,
        intent=intent,
        code=code,
        subject=person,
        encounter=encounter,
        occurrenceDateTime=assessed,
        authoredOn=asked,
    )
