"""Referrals, investigation requests and what is only planned, to ServiceRequest."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import SNOMED
from mappings import Look, Row, Values
from mappings.emis.codes import coded
from mappings.emis.delivery import organisation
from mappings.emis.entry import Entry, clinician, encounter, problem, subject
from mappings.emis.values import entered, guid, identifier, is_true
from mappings.vocabulary import UK_CORE, tagged

UBRN = "https://fhir.nhs.uk/Id/ubr-number"
REFERRAL = {"coding": [{"system": SNOMED, "code": "3457005", "display": "Patient referral"}]}
INVESTIGATION = {"coding": [{"system": SNOMED, "code": "108252007", "display": "Laboratory procedure"}]}


def referral(entry: Entry, ask: Row | None, look: Look) -> dict[str, Any]:
    """Return the ServiceRequest of a referral, with what its referral row adds."""
    held = ask.values if ask else Values()
    return _request(entry, look, "order", [REFERRAL], held)


def request(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the ServiceRequest of an investigation that was asked for and has no results yet."""
    lab = entry.code.category == "laboratory"
    return _request(entry, look, "order", [INVESTIGATION] if lab else [], Values())


def plan(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the ServiceRequest of what a qualifier says is only planned."""
    return _request(entry, look, "plan", [], Values())


def _request(entry: Entry, look: Look, intent: str, category: list[dict[str, Any]], held: Values) -> dict[str, Any]:
    """EMIS does not say whether a request is still open, so its status is ``unknown``."""
    values = entry.values
    target = held["ReferralTargetOrganisationGuid"]
    ubrn = held["ReferralUBRN"].strip()
    _, ambiguous = entered(values)
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", entry.key),
        UK_CORE + "UKCore-ServiceRequest",
        entry.security,
        identifier=[*([identifier(ubrn, UBRN)] if ubrn else []), identifier(entry.key)],
        status="unknown",
        intent=intent,
        category=category,
        priority=coded("priority", held["ReferralUrgency"], target="priority"),
        code=entry.code.concept,
        orderDetail=[{"text": held["ReferralServiceType"].strip()}],
        subject=subject(values, look),
        encounter=encounter(values, look),
        authoredOn=entry.effective,
        requester=clinician(values, look),
        performer=[organisation(guid(target), entry.row, look)] if target else [],
        reasonReference=problem(values, look),
        note=[*entry.notes, *notes(held)],
    )
    return tagged(built, ambiguous)


def notes(held: Values) -> list[dict[str, Any]]:
    """Return as notes what a referral row says and ServiceRequest has no element or word for."""
    texts = []
    if urgency := held["ReferralUrgency"].strip():
        texts.append(f"Urgency: {urgency}")
    if mode := held["ReferralMode"].strip():
        texts.append(f"Mode: {mode}")
    if is_true(held["TransportRequired"]):
        texts.append("Transport required")
    return [{"text": text} for text in texts]
