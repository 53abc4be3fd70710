"""Referrals made and received, and recalls, to ServiceRequest."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.codes import coded as emis_coded
from mappings.emis.request import REFERRAL
from mappings.emis.values import is_true
from mappings.tpp.codes import code_of, concept_of
from mappings.tpp.delivery import extracted, reference_id
from mappings.tpp.entry import clinician, encounter, identifier, name, organisation, places, recorder, security, subject
from mappings.tpp.lists import coded, word
from mappings.tpp.tables import CODE, OPTION, RECALL, REFERRAL_IN, REFERRAL_OUT, REFERRAL_STATUS
from mappings.tpp.times import day, is_doubtful, when
from mappings.vocabulary import UK_CORE, tagged

PROFILE = UK_CORE + "UKCore-ServiceRequest"
UNSET_SERVICE = "175137"
"""The number in ServiceOffered that stands for none (Endeavour: it is of no row of SRMapping)."""


def to_referral(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a referral that the unit made, with its last status."""
    row = next(iter(group.of(REFERRAL_OUT)), None)
    if row is None:
        return []
    values = row.values
    last = last_status([state for state in group.of(REFERRAL_STATUS) if state.patient == row.patient])
    said = word(last, "StatusOfReferralOut", look, OPTION) if last else ""
    urgency = word(row, "Urgency", look, OPTION)
    diagnosis = concept_of(values["PrimaryDiagnosis"].strip(), values["SNOMEDPrimaryDiagnosis"].strip(), look)
    offered = "" if values["ServiceOffered"].strip() == UNSET_SERVICE else word(row, "ServiceOffered", look)
    texts = [f"Status of the referral: {said}"] if said else []
    texts += [f"Urgency: {urgency}"] if urgency else []
    texts += ["Re-referral"] if is_true(values["ReReferral"].strip()) else []
    texts += recipient(row, look)
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", name(row)),
        PROFILE,
        security(row),
        identifier=[identifier(row)],
        status=coded("referral_status", said, "status") or "unknown",
        intent="order",
        category=[REFERRAL],
        priority=priority(urgency),
        code={"text": word(row, "TypeOfReferral", look) or offered or "Referral"},
        orderDetail=[{"text": text} for text in dict.fromkeys((offered, word(row, "Reason", look, OPTION))) if text],
        subject=subject(row, look),
        encounter=encounter(values, look),
        authoredOn=when(values, "DateEvent"),
        requester=recorder(values, look, "IDProfileReferrer") or clinician(values, look),
        reasonCode=[diagnosis],
        note=[{"text": text} for text in texts] + places(row),
    )
    return [tagged(built, is_doubtful(values, "DateEvent"))]


def last_status(states: list[Row]) -> Row | None:
    """Return the latest status of a referral, None for none."""
    return max(states, key=lambda state: (when(state.values, "DateEvent"), state.order), default=None)


def recipient(row: Row, look: Look) -> list[str]:
    """Return to whom it goes, as a text: the column holds codes and words of every kind (Endeavour)."""
    written = row.values["RecipientID"].strip()
    kind = word(row, "RecipientIDType", look)
    return [f"Referred to: {f'{kind} ' if kind else ''}{written}"] if written and not written.startswith("-") else []


def priority(urgency: str) -> str:
    """Return the priority of an urgency that has a word in FHIR, "" for any other."""
    return emis_coded("priority", urgency, target="priority") or coded("urgency", urgency, "priority")


def to_received(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a referral that the unit received: how a community unit's care begins and ends."""
    row = next(iter(group.of(REFERRAL_IN)), None)
    if row is None:
        return []
    values = row.values
    urgency = word(row, "Urgency", look, OPTION) or word(row, "ReferralPriority", look, OPTION)
    service = word(row, "ServiceOffered", look) or word(row, "ReferredToSpeciality", look, OPTION)
    source = word(row, "Source", look, OPTION)
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", name(row)),
        PROFILE,
        security(row),
        identifier=[identifier(row)],
        status=state_received(row),
        intent="order",
        category=[REFERRAL],
        priority=priority(urgency),
        code={"text": word(row, "ServiceType", look, OPTION) or service or "Referral received"},
        orderDetail=[{"text": service}],
        subject=subject(row, look),
        encounter=encounter(values, look),
        authoredOn=day(values, "DateReferral") or when(values, "DateEvent"),
        requester={"display": source} if source else {},
        performer=[organisation(row.publisher, look)],
        reasonCode=[diagnosis(row, look), {"text": word(row, "PrimaryReason", look, OPTION)}],
        note=[{"text": text} for text in texts_received(row, urgency, look)] + places(row),
    )
    return [tagged(built, is_doubtful(values, "DateEvent"))]


def state_received(row: Row) -> str:
    """Return completed for one who was discharged by the day of the extract, else what ActiveStatus says; unknown where
    it says nothing."""
    discharged = day(row.values, "DateDischarge")
    if discharged and discharged <= extracted(row.order):
        return "completed"
    said = row.values["ActiveStatus"].strip().casefold()
    return "active" if said in ("true", "1", "active") else "unknown"


def texts_received(row: Row, urgency: str, look: Look) -> list[str]:
    values = row.values
    texts = [f"Urgency: {urgency}"] if urgency else []
    texts += ["Re-referral"] if is_true(values["ReReferral"].strip()) else []
    if discharged := day(values, "DateDischarge"):
        texts.append(f"Discharged: {discharged}")
    named = (
        ("Outcome", "Outcome"),
        ("DischargeReason", "Reason for discharge"),
        ("ReferralEndReason", "Reason for the end"),
    )
    return texts + [f"{title}: {text}" for column, title in named if (text := word(row, column, look, OPTION))]


def diagnosis(row: Row, look: Look) -> dict[str, Any]:
    """Return the code of the entry that is the diagnosis of a referral, {} for none."""
    key = reference_id(row.values, "IDCodePrimaryDiagnosis")
    entry = look.row(CODE, key) if key else None
    return code_of(entry, look).concept if entry and entry.patient == row.patient else {}


def to_recall(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a recall: what is planned for the patient, and whether they came."""
    row = next(iter(group.of(RECALL)), None)
    if row is None:
        return []
    values, said = row.values, word(row, "RecallStatus", look)
    if said and not coded("recall_status", said, "status"):
        look.unlisted(RECALL, "RecallStatus", said)
    at = day(values, "RecallStatusDate")
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", name(row)),
        PROFILE,
        security(row),
        identifier=[identifier(row)],
        status=coded("recall_status", said, "status") or "unknown",
        intent="plan",
        code={"text": values["RecallType"].strip() or "Recall"},
        subject=subject(row, look),
        encounter=encounter(values, look),
        occurrenceDateTime=day(values, "DateRecall"),
        authoredOn=when(values, "DateEventRecorded"),
        requester=clinician(values, look),
        note=[{"text": f"Status: {said}{f', {at}' if at else ''}"}] * bool(said) + places(row),
    )
    return [tagged(built, is_doubtful(values, "DateEventRecorded"))]
