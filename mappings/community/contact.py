"""A care contact to Encounter, and what was done or found in it to Procedure, Condition and Observation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.codes import UCUM
from mappings import Group, Look, Row
from mappings.community import codes
from mappings.community.care import referral_of
from mappings.community.delivery import made_on, standing
from mappings.community.diagnosis import condition
from mappings.community.facts import category, measured, scored, stated, value
from mappings.community.tables import (
    ACTIVITY,
    BODY,
    BREASTFEEDING,
    CONTACT,
    CONTACT_ASSESSMENT,
    CONTACT_ID,
)
from mappings.community.times import moment
from mappings.vocabulary import CONDITION_VERIFICATION, HL7, ODS_SITE, UK_CORE, UNKNOWN, tagged

PERFORMER = {"coding": [{"system": HL7 + "v3-ParticipationType", "code": "PPRF"}]}
AT_HOME = "A01"
"""The patient's home, where somebody who comes face to face makes a home visit."""


def to_contact(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Encounter. A contact to which somebody did not come, or that was cancelled, is no visit."""
    row = next(standing(group.of(CONTACT), look), None)
    if row is None:
        return []
    values, referral = row.values, referral_of(row, look)
    start, is_doubtful = moment(values, "Contact_Date", "Contact_Time")
    people = sorted({kept.values["CareProfessionalID_Local"] for kept in standing(group.of(ACTIVITY), look)} - {""})
    site, state = values["Treatment_OrgSiteID"].upper(), status(row)
    place = codes.concept("activity-location-type", values["Activity_LocationType"])
    minutes = values["CareContact_Duration"]
    built = resource(
        "Encounter",
        look.id("Encounter", row.key),
        UK_CORE + "UKCore-Encounter",
        identifier=[{"system": codes.URN + "care-contact", "value": row.key}],
        status=state,
        class_=class_of(row, look),
        type=types(row),
        subject=look.reference("Patient", referral.patient),
        basedOn=[look.reference("ServiceRequest", referral.key)],
        participant=[
            {"type": [PERFORMER], "individual": look.reference("PractitionerRole", person)} for person in people
        ]
        if state == "finished"
        else [],
        period={"start": start},
        length={"value": Decimal(minutes), "unit": "min", "system": UCUM, "code": "min"}
        if minutes.isascii() and minutes.isdigit() and state == "finished"
        else {},
        location=[
            {"location": {"identifier": {"system": ODS_SITE, "value": site}, "display": site}} if site else {},
            {"location": {"display": place["coding"][0].get("display") or values["Activity_LocationType"]}}
            if place
            else {},
        ],
        serviceProvider=look.reference("Organization", row.publisher),
    )
    return [tagged(built, is_doubtful)]


def status(row: Row) -> str:
    """Return what became of a contact. One that lies ahead of its submission is planned, unless it was cancelled
    already; where nothing is said of a past one, nobody knows whether it took place."""
    said = codes.target("attendance", row.values["AttendanceStatus"], "status")
    when, _ = moment(row.values, "Contact_Date", "Contact_Time")
    if when[:10] > made_on(row.order):
        return "cancelled" if said == "cancelled" else "planned"
    return said if said not in ("", "planned") else "unknown"


def class_of(row: Row, look: Look) -> dict[str, Any]:
    """Return the class by how the contact was made, and where; marked as unknown where that is not said."""
    how, values = row.values["ConsMechanism"], row.values
    for name, column in (("mechanism", "ConsMechanism"), ("attendance", "AttendanceStatus")):
        if values[column] and not codes.is_listed(name, values[column]):
            look.unlisted(CONTACT, column, values[column])
    code = codes.target("mechanism", how, "class")
    if code == "AMB" and values["Activity_LocationType"].upper() == AT_HOME:
        code = "HH"
    return {"system": HL7 + "v3-ActCode", "code": code} if code else UNKNOWN


def types(row: Row) -> list[dict[str, Any]]:
    """Return what kind of contact it was: first or follow-up, how, with whom, whether in a group. Where nobody was seen
    that comes before the rest, for a reader names a contact by its first type."""
    values = row.values
    state = codes.target("attendance", values["AttendanceStatus"], "status")
    return [
        codes.labelled("attendance", "attendance-status", values["AttendanceStatus"]) if state == "cancelled" else {},
        codes.concept("consultation-type", values["Consultation_Type"]),
        codes.labelled("mechanism", "consultation-mechanism", values["ConsMechanism"]),
        codes.concept("care-contact-subject", values["CareContact_Subject"]),
        {"text": "Group therapy"} if values["GroupTherapyIndicator"].upper() == "Y" else {},
        {"coding": [{"system": codes.URN + "team", "code": values["TeamID_Local"]}]} if values["TeamID_Local"] else {},
    ]


def to_activity(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what was done, found and measured in a contact. Nothing is done in a contact that did not take place: such
    rows are counted and make nothing. Of one that may have taken place all is in doubt."""
    row = next(standing(group.of(ACTIVITY), look), None)
    if row is None:
        if any(kept.table != ACTIVITY for kept in standing(group.rows, look)):
            raise Invalid("column CareActivityID")  # the activity has not come
        return []
    contact = look.row(CONTACT, row.values[CONTACT_ID])
    if contact is None:
        raise Invalid(f"column {CONTACT_ID}")
    if status(contact) in ("cancelled", "planned"):
        look.warn("AttendanceStatus", "an activity of a contact that did not take place")
        return []
    patient = look.reference("Patient", referral_of(contact, look).patient)
    encounter = look.reference("Encounter", contact.key)
    when, is_doubtful = moment(contact.values, "Contact_Date", "Contact_Time")
    resources = [*done(row, patient, when, encounter, look), *findings(row, patient, when, encounter, look)]
    for kept in standing(group.rows, look):
        if kept.table == BREASTFEEDING:
            resources += stated(kept, patient, when, encounter, look)
        elif kept.table == BODY:
            resources += measured(kept, patient, when, encounter, look)
        elif kept.table == CONTACT_ASSESSMENT:
            resources.append(scored(kept, "survey", patient, when, encounter, look))
    if status(contact) == "unknown":
        look.warn("AttendanceStatus", "an activity of a contact of which nobody says that it took place")
        resources = [doubted(built) for built in resources]
    return [tagged(built, is_doubtful) for built in resources]


def doubted(built: dict[str, Any]) -> dict[str, Any]:
    """Return what was sent of a contact of which nobody says whether it took place: a diagnosis is unconfirmed, and
    whether anything else was done or found is unknown."""
    if built["resourceType"] == "Condition":
        return {**built, "verificationStatus": {"coding": [{"system": CONDITION_VERIFICATION, "code": "unconfirmed"}]}}
    return {**built, "status": "unknown"}


def performer(row: Row, look: Look) -> dict[str, Any]:
    person = row.values["CareProfessionalID_Local"]
    return look.reference("PractitionerRole", person) if person else look.reference("Organization", row.publisher)


def done(row: Row, patient: dict[str, Any], when: str, encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return the Procedure of a coded procedure."""
    values = row.values
    code = codes.clinical("procedure", values["Procedure_Scheme"], values["CodedProcedure"], look, "Procedure_Scheme")
    if not code:
        return []
    return [
        resource(
            "Procedure",
            look.id("Procedure", row.key),
            UK_CORE + "UKCore-Procedure",
            status="completed",
            category=codes.concept("community-care-activity-type", values["Activity_Type"]),
            code=code,
            subject=patient,
            encounter=encounter,
            performedDateTime=when,
            performer=[{"actor": performer(row, look)}],
        )
    ]


def findings(
    row: Row, patient: dict[str, Any], when: str, encounter: dict[str, Any], look: Look
) -> list[dict[str, Any]]:
    """Return what was found and observed. A finding in ICD-10 is a diagnosis of the visit; one in another scheme may be
    anything that was seen, and is an Observation."""
    values = row.values
    resources = []
    finding = codes.clinical("finding", values["Finding_Scheme"], values["CodedFinding"], look, "Finding_Scheme")
    if finding and values["Finding_Scheme"] == "01":
        resources.append(condition(row, finding, patient, look, when=when, encounter=encounter))
    elif finding:
        resources.append(observation(row, "finding", finding, {}, patient, when, encounter, look))
    code = codes.clinical(
        "observation", values["Observation_Scheme"], values["CodedObservation"], look, "Observation_Scheme"
    )
    if code:
        amount = value(values["ObservationValue"], values["UC_UnitOfMeasurement"])
        resources.append(observation(row, "observation", code, amount, patient, when, encounter, look))
    return resources


def observation(
    row: Row,
    name: str,
    code: dict[str, Any],
    amount: dict[str, Any],
    patient: dict[str, Any],
    when: str,
    encounter: dict[str, Any],
    look: Look,
) -> dict[str, Any]:
    return resource(
        "Observation",
        look.id("Observation", f"{row.key}|{name}"),
        UK_CORE + "UKCore-Observation",
        status="final",
        category=category("exam"),
        code=code,
        subject=patient,
        encounter=encounter,
        effectiveDateTime=when,
        performer=[performer(row, look)],
        **amount,
    )
