"""One event to FHIR: a request is a ServiceRequest, an assessment or review a Task, a service an EpisodeOfCare.

An event is as the last snapshot with it said, as at the last day of what that snapshot covers.
"""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row, Values
from mappings.cld import codes
from mappings.cld.stated import Stated, events, preferred
from mappings.cld.whose import received_as
from mappings.vocabulary import ESTIMATED, UK_CORE

PROFILE = UK_CORE + "UKCore-"


def to_event(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the resource of each event of a group, or nothing when it has no rows. Raises ``Invalid`` for dates that
    are none."""
    return [FORMS[stated.kind](stated, group.publisher, look) for stated in events(group, look)]


def request(stated: Stated, council: str, look: Look) -> dict[str, Any]:
    values = stated.values
    status = "entered-in-error" if stated.is_error else "completed" if stated.is_over else "active"
    return resource(
        "ServiceRequest",
        look.id("ServiceRequest", stated.key),
        PROFILE + "ServiceRequest",
        extension=[
            *about(stated),
            coded("route-of-access", "Request: Route of Access", values),
            coded("outcome", "Event Outcome", values),
            said("ended", "valueDate", stated.end),
        ],
        status=status,
        intent="order",
        code=event_type("Request", "Request for adult social care"),
        subject=look.reference("Patient", values["LA Person Unique Identifier"]),
        authoredOn=stated.start,
        performer=[look.reference("Organization", council)],
        reasonCode=[codes.concept("Primary Support Reason", values["Primary Support Reason"])],
    )


def assessment(stated: Stated, council: str, look: Look) -> dict[str, Any]:
    values = stated.values
    assessment = codes.concept("Assessment Type", values["Assessment Type"]) or {"text": "Assessment"}
    code = {"coding": [*event_type("Assessment")["coding"], *assessment.get("coding", [])], "text": assessment["text"]}
    columns = ("Method of Assessment", "Total Hrs Caring per week", "No. of adults being cared for")
    return task(
        stated, council, look, code, columns, ("Event Outcome", "Eligible Needs Identified"), "Primary Support Reason"
    )


def review(stated: Stated, council: str, look: Look) -> dict[str, Any]:
    code = event_type("Review", "Review of care and support")
    return task(
        stated,
        council,
        look,
        code,
        ("Method of Review",),
        ("Event Outcome", "Review Outcomes Achieved"),
        "Review Reason",
    )


def task(
    stated: Stated,
    council: str,
    look: Look,
    code: dict[str, Any],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    reason: str,
) -> dict[str, Any]:
    values = stated.values
    return resource(
        "Task",
        look.id("Task", stated.key),
        PROFILE + "Task",
        extension=[
            *about(stated),
            {} if reason == "Primary Support Reason" else coded("support-reason", "Primary Support Reason", values),
        ],
        status="entered-in-error" if stated.is_error else "completed" if stated.is_over else "in-progress",
        intent="plan",
        code=code,
        for_=look.reference("Patient", values["LA Person Unique Identifier"]),
        executionPeriod={"start": stated.start, "end": stated.end},
        authoredOn=stated.start,
        owner=look.reference("Organization", council),
        reasonCode=codes.concept(reason, values[reason]),
        input=[_parameter(column, values) for column in inputs if values[column]],
        output=[_parameter(column, values) for column in outputs if values[column]],
    )


def service(stated: Stated, council: str, look: Look) -> dict[str, Any]:
    """Return the EpisodeOfCare. A service that stopped being reported ended, for all we know, with the last period
    that had it."""
    values, end, estimated = stated.values, stated.end, False
    if stated.is_gone and not stated.is_over:
        end, estimated = stated.estimated_end, True
    if stated.is_over or estimated:
        status = "finished"
    else:
        status = "planned" if stated.start > stated.snapshot.until else "active"
    providers = _providers(stated.lines)
    kind = codes.concept("Service Component", values["Service Component"]) or codes.concept(
        "Service Type", values["Service Type"]
    )
    return resource(
        "EpisodeOfCare",
        look.id("EpisodeOfCare", stated.key),
        PROFILE + "EpisodeOfCare",
        extension=[
            *about(stated),
            coded("service-type", "Service Type", values),
            coded("delivery-mechanism", "Delivery Mechanism", values),
            coded("support-reason", "Primary Support Reason", values),
            coded("outcome", "Event Outcome", values),
            *(said("further-provider", "valueReference", provider) for provider in providers[1:]),
        ],
        status=status,
        type=[kind],
        patient=look.reference("Patient", values["LA Person Unique Identifier"]),
        managingOrganization=providers[0] if providers else look.reference("Organization", council),
        period={"start": stated.start, "end": end, "_end": ESTIMATED if estimated else {}},
    )


FORMS = {"Request": request, "Assessment": assessment, "Review": review, "Service": service}


def about(stated: Stated) -> list[dict[str, Any]]:
    """Return what holds for any event: until when it was known, in which role the person was met, since when it is no
    longer reported."""
    return [
        said("as-at", "valueDate", stated.snapshot.until),
        coded("client-type", "Client Type", stated.values),
        said("received-as", "valueCodeableConcept", received_as(stated.values)),
        said("not-reported-since", "valueDate", stated.silent.since),
    ]


def event_type(kind: str, text: str = "") -> dict[str, Any]:
    return {"coding": [{"system": codes.system("Event Type"), "code": kind}], "text": text}


def coded(name: str, column: str, values: Values) -> dict[str, Any]:
    """Return the extension for a column's value, or nothing for an empty one."""
    return said(name, "valueCodeableConcept", codes.concept(column, values[column]))


def said(name: str, kind: str, value: str | dict[str, Any]) -> dict[str, Any]:
    return {"url": codes.URN + name, kind: value} if value else {}


def _parameter(column: str, values: Values) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": codes.system("column"), "code": column}], "text": column},
        "valueCodeableConcept": codes.concept(column, values[column]),
    }


def _providers(lines: list[Row]) -> list[dict[str, Any]]:
    """Return each provider once, by its CQC location: double-up care is several lines of one service."""
    providers: dict[str, dict[str, Any]] = {}
    for row in sorted(lines, key=preferred):
        location, name = row.values["Provider CQC Location ID"], row.values["Provider CQC Location Name"]
        identifier = {"system": codes.URN + "cqc-location", "value": location} if location else {}
        if location or name:
            providers.setdefault(location or name, {"type": "Organization", "identifier": identifier, "display": name})
    return list(providers.values())
