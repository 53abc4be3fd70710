"""AllergyIntolerance, current and ended. No known allergies keeps its code, which says so."""

from __future__ import annotations

from typing import Any

from mappings.emis.codes import DEGRADED_ALLERGY, DEGRADED_OTHER_ALLERGY
from mappings.gp_connect.concepts import is_coded, with_text
from mappings.gp_connect.stu3 import Sent
from mappings.vocabulary import ALLERGY_CLINICAL, ALLERGY_VERIFICATION, HL7, UK_CORE, UK_CORE_EXTENSION, UNKNOWN, status

PROFILE = UK_CORE + "UKCore-AllergyIntolerance"
END = UK_CORE_EXTENSION + "AllergyIntoleranceEnd"
EVIDENCE = UK_CORE_EXTENSION + "Evidence"
NULL = HL7 + "v3-NullFlavor"
ERROR = "entered-in-error"
NAMELESS = "Substance not named in the data received"


def to_allergy(sent: Sent) -> list[dict[str, Any]]:
    """Return the AllergyIntolerance. An unconfirmed one is no clinician's doubt: GP Connect always says so."""
    is_error = code_of(sent.one("verificationStatus")) == ERROR
    allergy = sent.built(
        "AllergyIntolerance",
        PROFILE,
        extension=evidence(sent),
        identifier=sent.identifiers(),
        clinicalStatus=None if is_error else clinical_status(sent),
        verificationStatus=status(ALLERGY_VERIFICATION, code_of(sent.one("verificationStatus")) or "unconfirmed"),
        type=sent.text("type"),
        category=sent.many("category"),
        criticality=sent.text("criticality"),
        code=substance(sent),
        patient=sent.subject(),
        encounter=consultation(sent),
        **sent.choice("onset"),
        recordedDate=sent.text("assertedDate"),
        recorder=sent.one("recorder"),
        asserter=sent.one("asserter"),
        lastOccurrence=sent.text("lastOccurrence"),
        note=sent.many("note"),
        reaction=[reaction(item) for item in sent.many("reaction")],
    )
    return [allergy]


def code_of(value: object) -> str:
    """Return a status, which STU3 writes as a code and R4 as a concept: some senders write the latter already."""
    if isinstance(value, dict):
        codings = value.get("coding", [{}])
        return str(codings[0].get("code", "")) if codings else ""
    return value.strip() if isinstance(value, str) else ""


def clinical_status(sent: Sent) -> dict[str, Any]:
    """Return the status, with when and why the allergy ended. One with an end and no status is resolved; one that says
    nothing counts as active: the safer side."""
    ended = sent.parts("AllergyIntoleranceEnd")
    end, reason = ended.get("endDate"), ended.get("reasonEnded") or ended.get("endReason")
    nodes = [{"url": "endDate", "valueDateTime": end}] if end else []
    nodes += [{"url": "reasonEnded", "valueString": reason}] if reason else []
    code = code_of(sent.one("clinicalStatus")) or ("resolved" if nodes else "active")
    return {"extension": [{"url": END, "extension": nodes}] if nodes else [], **status(ALLERGY_CLINICAL, code)}


def substance(sent: Sent) -> dict[str, Any]:
    """Return the code with its words, and the NHS's transfer-degraded concept before one that decision support
    elsewhere does not know."""
    concept = with_text(sent.one("code") or {})
    if is_coded(concept):
        return concept
    is_drug = "environment" not in sent.many("category")
    degraded = DEGRADED_ALLERGY if is_drug else DEGRADED_OTHER_ALLERGY
    kept = [coding for coding in concept.get("coding", []) if coding.get("code") != degraded["code"]]
    return {"text": NAMELESS, **concept, "coding": [degraded, *kept]}


def reaction(item: dict[str, Any]) -> dict[str, Any]:
    """Return a reaction. R4 wants a manifestation: one that was not described is said to be unknown."""
    kept = [concept for concept in item.get("manifestation", ()) if not is_null(concept)]
    return {**item, "manifestation": kept or [UNKNOWN]}


def is_null(concept: dict[str, Any]) -> bool:
    """Whether a concept only says that there is none."""
    codings = concept.get("coding", ())
    return not concept.get("text") and bool(codings) and all(coding.get("system") == NULL for coding in codings)


def evidence(sent: Sent) -> list[dict[str, Any]]:
    nodes = (sent.extension("Evidence"), sent.extension("AllergyIntoleranceEvidence"))
    references = [sent.converted(node["valueReference"], "extension") for node in nodes if "valueReference" in node]
    return [{"url": EVIDENCE, "valueReference": reference} for reference in references if reference]


def consultation(sent: Sent) -> dict[str, Any]:
    """Return the consultation in which it was recorded, which STU3 says in an extension; {} for none."""
    node = sent.extension("encounter-associatedEncounter")
    named = sent.converted(node["valueReference"], "extension") if "valueReference" in node else {}
    return named or sent.encounter("")
