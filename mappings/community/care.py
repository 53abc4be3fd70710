"""A referral to ServiceRequest, and the care that follows it to EpisodeOfCare; an onward referral to ServiceRequest."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.community import codes
from mappings.community.delivery import made_on, standing
from mappings.community.tables import CONTACT, ONWARD, REASON, REFERRAL, REFERRAL_ID, SERVICE
from mappings.community.times import day, moment
from mappings.emis.request import REFERRAL as REFERRAL_CATEGORY
from mappings.vocabulary import UK_CORE, UK_CORE_EXTENSION, tagged

PROFILE = UK_CORE + "UKCore-ServiceRequest"


def referral_of(row: Row, look: Look) -> Row:
    """Return the referral that a row names. Raises ``Invalid`` while it has not come."""
    referral = look.row(REFERRAL, row.values[REFERRAL_ID])
    if referral is None:
        raise Invalid(f"column {REFERRAL_ID}")
    return referral


def referred(row: Row, look: Look) -> dict[str, Any]:
    """Return the patient of the referral that a row names."""
    return look.reference("Patient", referral_of(row, look).patient)


def to_referral(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest, and an EpisodeOfCare for each service that gave care for it."""
    row = next(standing(group.of(REFERRAL), look), None)
    if row is None:
        return []
    services = list(standing(group.of(SERVICE), look))
    reasons = list(standing(group.of(REASON), look))
    contacts = list(standing(group.of(CONTACT), look))
    return [request(row, services, reasons, look), *episodes(row, services, contacts, look)]


def request(row: Row, services: list[Row], reasons: list[Row], look: Look) -> dict[str, Any]:
    values = row.values
    if values["Priority_Type"] and not codes.is_listed("priority", values["Priority_Type"]):
        look.unlisted(REFERRAL, "Priority_Type", values["Priority_Type"])
    received, is_doubtful = moment(values, "ReferralRequest_ReceivedDate", "ReferralRequest_ReceivedTime")
    why = [codes.concept("primary-reason-for-referral", values["PrimaryReferralReason"])]
    why += [codes.concept("other-reason-for-referral", other.values["ReferralReason_Other"]) for other in reasons]
    source = codes.concept("source-of-referral", values["SourceOfReferral"])
    staff = codes.concept("referring-staff-group", values["Referring_StaffGroup"]).get("coding", [])
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", row.key),
        PROFILE,
        extension=[{"url": UK_CORE_EXTENSION + "SourceOfServiceRequest", "valueCodeableConcept": source}]
        if source
        else [],
        identifier=[{"system": codes.URN + "service-request", "value": row.key}],
        status=status(row, services),
        intent="order",
        category=[REFERRAL_CATEGORY],
        priority=codes.target("priority", values["Priority_Type"], "priority"),
        code={"text": "Referral to community services"},
        orderDetail=[codes.concept("team-type", service.values["TeamType"]) for service in services],
        subject=look.reference("Patient", row.patient),
        authoredOn=received,
        requester=codes.organisation(values["OrgID_Referring"]),
        performer=[look.reference("Organization", row.publisher)],
        reasonCode=why,
        note=[{"text": text} for text in notes(services, staff)],
    )
    return tagged(built, is_doubtful)


def status(row: Row, services: list[Row]) -> str:
    """Return whether a referral is open. One that was discharged, or whose services have all closed, is completed; one
    that all have turned down is revoked. A day that lies ahead of the submission has not come."""
    if has_come(row, "Discharge_Date"):
        return "completed"
    closed = [has_come(service, "Referral_ClosureDate") for service in services]
    rejected = [has_come(service, "Referral_RejectionDate") for service in services]
    if services and all(rejected):
        return "revoked"
    ended = [is_closed or is_rejected for is_closed, is_rejected in zip(closed, rejected)]
    return "completed" if services and all(ended) else "active"


def has_come(row: Row, column: str) -> bool:
    """Whether the day in a column had come when the submission of its row was made."""
    return is_past(day(row.values, column), made_on(row.order))


def is_past(day_: str, known: str) -> bool:
    return bool(day_) and day_ <= known


def notes(services: list[Row], staff: list[dict[str, Any]]) -> list[str]:
    """Return why services closed or turned the referral down, by the Dictionary's codes, and which staff group
    referred: FHIR has no place for them, and their lists are not published where we could read them."""
    said = [f"Referring staff group (NHS Data Dictionary code): {coding['code']}" for coding in staff]
    for service in services:
        for column, words in (("Referral_ClosureReason", "Closure"), ("Referral_RejectionReason", "Rejection")):
            if service.values[column]:
                said.append(f"{words} reason (NHS Data Dictionary code): {service.values[column]}")
    return list(dict.fromkeys(said))


def episodes(row: Row, services: list[Row], contacts: list[Row], look: Look) -> list[dict[str, Any]]:
    """Return the care that was given for a referral: from the first contact that took place, until the service closed
    it or the patient was discharged. Somebody who was only referred has no episode."""
    begun = min((when for contact in contacts if (when := attended(contact))), default="")
    if not begun:
        return []
    discharged = day(row.values, "Discharge_Date")
    resources = []
    of_the_referral: list[Row | None] = [*services] or [None]
    for service in of_the_referral:
        if service is not None and has_come(service, "Referral_RejectionDate"):
            continue
        closed = day(service.values, "Referral_ClosureDate") if service else ""
        end = min(filter(None, (closed, discharged)), default="")
        has_ended = is_past(end, made_on(max(row.order, service.order if service else 0)))
        resources.append(
            resource(
                "EpisodeOfCare",
                look.id("EpisodeOfCare", service.key if service else row.key),
                UK_CORE + "UKCore-EpisodeOfCare",
                identifier=[{"system": codes.URN + "team", "value": service.values["TeamID_Local"]}]
                if service and service.values["TeamID_Local"]
                else [],
                status="finished" if has_ended else "active",
                type=[codes.concept("team-type", service.values["TeamType"])] if service else [],
                patient=look.reference("Patient", row.patient),
                managingOrganization=look.reference("Organization", row.publisher),
                period={"start": begun, "end": end if has_ended and end >= begun else ""},
                referralRequest=[look.reference("ServiceRequest", row.key)],
            )
        )
    return resources


def attended(contact: Row) -> str:
    """Return the day of a contact that took place, "" for any other."""
    came = codes.target("attendance", contact.values["AttendanceStatus"], "status") == "finished"
    when = day(contact.values, "Contact_Date")
    return when if came and when <= made_on(contact.order) else ""


def to_onward(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a referral to somebody else. Whether it is still open nobody says."""
    resources = []
    for row in standing(group.of(ONWARD), look):
        resources.append(
            resource(
                "ServiceRequest",
                look.id("ServiceRequest", f"{row.table}|{row.key}"),
                PROFILE,
                status="unknown",
                intent="order",
                category=[REFERRAL_CATEGORY],
                code={"text": "Onward referral"},
                subject=referred(row, look),
                authoredOn=day(row.values, "Onward_ReferralDate"),
                requester=look.reference("Organization", row.publisher),
                performer=[codes.organisation(row.values["OrgID_Receiving"])],
                reasonCode=[codes.concept("onward-referral-reason", row.values["Onward_ReferralReason"])],
            )
        )
    return resources
