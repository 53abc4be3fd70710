"""MedicationStatement (a course), its plan and its issues (MedicationRequest), with the medicine that they refer to.

Whether a medicine is taken now is not decided here: the summary computes it from the registration active today.
"""

from __future__ import annotations

from typing import Any

from mappings.emis.codes import DEGRADED_MEDICATION
from mappings.emis.medication import (
    COMMUNITY,
    COURSES,
    LAST_ISSUE,
    PRESCRIBER,
    REPEAT,
    REQUEST,
    STATEMENT,
    TAKEN_AT_HOME,
    UNSTATED,
    repeats,
)
from mappings.gp_connect.concepts import medicine, with_text
from mappings.gp_connect.stu3 import Sent, held, target, value_of
from mappings.vocabulary import unit

NAMELESS = {"coding": [DEGRADED_MEDICATION], "text": "Medicine not named in the data received"}
PRESCRIPTION_TYPES = {
    "acute": "acute", "acute-handwritten": "acute", "delayed-prescribing": "acute", "delayed-acute": "acute",
    "repeat": "repeat", "repeat-dispensing": "repeat dispensing",
}  # fmt: skip
"""GP Connect's types of prescription, as the kinds of course that the house knows."""
DOSE_CHANGES = ("DosageLastChanged", "MedicationDosageLastChanged", "MedicationStatementDosageLastChanged")
NOT_TAKEN = {"n": "not-taken"}


def to_statement(sent: Sent) -> list[dict[str, Any]]:
    """Return the course. One that is said not to be taken is so, whatever its status."""
    statement = sent.built(
        "MedicationStatement",
        STATEMENT,
        extension=[*last_issue(sent), *prescriber(sent)],
        identifier=[item for item in sent.identifiers() if item.get("system")],
        basedOn=sent.many("basedOn"),
        partOf=sent.many("partOf"),
        status=NOT_TAKEN.get(sent.text("taken"), sent.text("status") or "unknown"),
        statusReason=sent.many("reasonNotTaken"),
        category=sent.one("category") or TAKEN_AT_HOME,
        medicationCodeableConcept=substance(sent),
        subject=sent.subject(),
        context=sent.encounter(),
        **sent.choice("effective"),
        dateAsserted=sent.text("dateAsserted"),
        informationSource=sent.one("informationSource"),
        derivedFrom=sent.many("derivedFrom"),
        reasonCode=sent.many("reasonCode"),
        reasonReference=[*sent.many("reasonReference"), *sent.problems()],
        note=[*sent.many("note"), *dose_changed(sent)],
        dosage=[dosage(item) for item in sent.many("dosage")],
    )
    return [statement]


def to_request(sent: Sent) -> list[dict[str, Any]]:
    """Return the plan or issue. A status of ``completed`` says that it was issued, and nothing of what is taken."""
    parts = sent.parts("MedicationRepeatInformation")
    why = sent.parts("MedicationStatusReason")
    request = sent.built(
        "MedicationRequest",
        REQUEST,
        extension=repeat_information(parts),
        identifier=sent.identifiers(),
        status=sent.text("status") or "unknown",
        statusReason=sent.converted(why.get("statusReason"), "extension"),
        intent=sent.text("intent") or "order",
        category=sent.many("category") or [COMMUNITY],
        priority=sent.text("priority"),
        medicationCodeableConcept=substance(sent),
        subject=sent.subject(),
        encounter=sent.encounter(),
        supportingInformation=sent.many("supportingInformation"),
        authoredOn=sent.text("authoredOn"),
        requester=requester(sent),
        recorder=sent.one("recorder"),
        reasonCode=sent.many("reasonCode"),
        reasonReference=[*sent.many("reasonReference"), *sent.problems()],
        basedOn=sent.many("basedOn"),
        groupIdentifier=sent.one("groupIdentifier"),
        courseOfTherapyType=course_type(sent),
        note=[*sent.many("note"), *notes(sent, why)],
        dosageInstruction=[dosage(item) for item in sent.many("dosageInstruction")],
        dispenseRequest=dispense(sent, parts),
        substitution=substitution(sent),
        priorPrescription=sent.one("priorPrescription"),
    )
    return [request]


def substance(sent: Sent) -> dict[str, Any]:
    """Return the medicine: its own code, or that of the Medication that it refers to. One that nobody names is still
    shown: a medicine without a name warns, and one that is missing does not."""
    if concept := sent.one("medicationCodeableConcept"):
        return medicine(concept)
    reference = sent.said.get("medicationReference") or {}
    name, key = target(str(reference.get("reference", "")))
    row = sent.look.row("Medication", key) if name == "Medication" else None
    code = sent.converted(held(row).get("code") or {}, "medicationReference") if row else {}
    if code:
        return medicine(code)
    sent.warn("medicationReference", "the medicine is not in the data received")
    return {**NAMELESS, "text": reference["display"]} if reference.get("display") else NAMELESS


def last_issue(sent: Sent) -> list[dict[str, Any]]:
    at = value_of(sent.extension("MedicationStatementLastIssueDate"))
    return [{"url": LAST_ISSUE, "valueDateTime": at}] if at else []


def prescriber(sent: Sent) -> list[dict[str, Any]]:
    """Return who prescribes it: the practice, or another organisation."""
    agency = sent.extension_value("PrescribingAgency")
    return [{"url": PRESCRIBER, "valueCodeableConcept": agency}] if agency else []


def dose_changed(sent: Sent) -> list[dict[str, Any]]:
    """Return as a note when the dose was last changed: UK Core retired the extension for it."""
    days = [str(day)[:10] for name in DOSE_CHANGES if (day := value_of(sent.extension(name)))]
    return [{"text": f"Dosage last changed: {day}"} for day in days[:1]]


def dosage(item: dict[str, Any]) -> dict[str, Any]:
    """Return a dosage. R4 holds amount and rate together."""
    amount = {name: value for name, value in item.items() if name.startswith(("dose", "rate"))}
    rest = {name: value for name, value in item.items() if name not in amount}
    return {**rest, "doseAndRate": [amount]} if amount else rest


def course_type(sent: Sent) -> dict[str, Any]:
    """Return acute, continuous or repeat dispensing, with the practice's own type beside it."""
    concept = with_text(sent.extension_value("PrescriptionType"))
    words = [str(coding.get("code", "")) for coding in concept.get("coding", ())]
    kind = next((PRESCRIPTION_TYPES[word] for word in words if word in PRESCRIPTION_TYPES), "")
    if words and not kind:
        sent.look.unlisted("MedicationRequest", "PrescriptionType", words[0])
    system, code = COURSES.get(kind, ("", ""))
    return {**concept, "coding": [{"system": system, "code": code}, *concept.get("coding", ())]} if code else concept


def repeat_information(parts: dict[str, Any]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    issued, end = parts.get("numberOfRepeatPrescriptionsIssued"), parts.get("authorisationExpiryDate")
    if isinstance(issued, int):
        nodes.append({"url": "numberOfPrescriptionsIssued", "valueUnsignedInt": issued})
    if end:
        nodes.append({"url": "authorisationExpiryDate", "valueDateTime": end})
    return [{"url": REPEAT, "extension": nodes}] if nodes else []


def dispense(sent: Sent, parts: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be supplied. GP Connect counts all issues that were authorised; R4 those after the first. A
    quantity in words is its unit."""
    said = sent.one("dispenseRequest") or {}
    allowed = parts.get("numberOfRepeatPrescriptionsAllowed")
    count = repeats(str(allowed)) if isinstance(allowed, int) else said.get("numberOfRepeatsAllowed")
    quantity = {
        **said.get("quantity", {}),
        **({} if said.get("quantity", {}).get("unit") else unit(quantity_text(sent))),
    }
    return {**said, "numberOfRepeatsAllowed": count, "quantity": quantity}


def quantity_text(sent: Sent) -> str:
    """Return the words that stand for a quantity or its unit."""
    quantity = (sent.said.get("dispenseRequest") or {}).get("quantity") or {}
    words = [value for node in quantity.get("extension", ()) if isinstance(value := value_of(node), str)]
    return words[0].strip() if words else ""


def requester(sent: Sent) -> dict[str, Any]:
    """Return who asked: R4 has a person or, for want of one, the organisation."""
    said = sent.one("requester") or {}
    if "agent" in said or "onBehalfOf" in said:
        return dict(said.get("agent") or said.get("onBehalfOf") or {})
    return dict(said)


def notes(sent: Sent, why: dict[str, Any]) -> list[dict[str, Any]]:
    """Return as notes what R4 has no element for: when the status changed, and for whom somebody asked."""
    texts = [f"Status changed: {str(why['statusChangeDate'])[:10]}"] if why.get("statusChangeDate") else []
    texts += on_behalf(sent)
    return [{"text": text} for text in texts]


def on_behalf(sent: Sent) -> list[str]:
    """Return for which organisation somebody asked, by its name."""
    said = sent.said.get("requester") or {}
    if not isinstance(said, dict) or "agent" not in said or "onBehalfOf" not in said:
        return []
    name, key = target(str(said["onBehalfOf"].get("reference", "")))
    row = sent.look.row("Organization", key) if name == "Organization" else None
    title = held(row).get("name") if row else said["onBehalfOf"].get("display")
    return [f"Requested on behalf of {title}"] if title else []


def substitution(sent: Sent) -> dict[str, Any]:
    said = sent.one("substitution") or {}
    reason = {"reason": said["reason"]} if said.get("reason") else {}
    return {"allowedBoolean": said["allowed"], **reason} if "allowed" in said else {**UNSTATED, **reason}
