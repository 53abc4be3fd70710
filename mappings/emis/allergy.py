"""An allergy entry to AllergyIntolerance. Nothing that happens on the problem list ends an allergy."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Look
from mappings.emis.codes import DEGRADED_ALLERGY, DEGRADED_OTHER_ALLERGY, Code, coded
from mappings.emis.entry import Entry, clinician, encounter, subject
from mappings.emis.values import entered, identifier
from mappings.vocabulary import ALLERGY_CLINICAL, ALLERGY_VERIFICATION, UK_CORE, UNKNOWN, status, tagged

VERIFIED = {"refuted": "refuted", "confirmed": "confirmed"}
"""EMIS does not say how certain an allergy is: it is unconfirmed, as in GP Connect, unless a qualifier says
otherwise."""
STATUS = {"refuted": "inactive", "resolved": "resolved"}


def allergy(entry: Entry, look: Look) -> dict[str, Any]:
    """Return the AllergyIntolerance. One that was ruled out is refuted and inactive; "no known allergies" keeps its
    code, which says so."""
    values, details = entry.values, entry.said.details
    _, ambiguous = entered(values)
    built = resource(
        "AllergyIntolerance",
        look.id("AllergyIntolerance", entry.key),
        UK_CORE + "UKCore-AllergyIntolerance",
        entry.security,
        identifier=[identifier(entry.key)],
        clinicalStatus=status(ALLERGY_CLINICAL, STATUS.get(entry.sense, "active")),
        verificationStatus=status(ALLERGY_VERIFICATION, VERIFIED.get(entry.sense, "unconfirmed")),
        code=concept(entry.code),
        patient=subject(values, look),
        encounter=encounter(values, look),
        onsetDateTime=entry.effective,
        recordedDate=entry.recorded,
        recorder=clinician(values, look, "EnteredByUserInRoleGuid"),
        asserter=clinician(values, look),
        note=[*entry.notes, *words_of(entry)],
        reaction=reaction(details.get("manifestation", ""), details.get("severity", "")),
    )
    return tagged(built, ambiguous)


def concept(code: Code) -> dict[str, Any]:
    """Return the code with its words, and the NHS's transfer-degraded concept before it where there is no SNOMED
    concept: the words may be all that names the substance."""
    if code.is_coded:
        return code.concept
    codings = code.concept.get("coding", [])
    other = "non-drug" in code.text.casefold() or any(coding["code"].startswith("14M") for coding in codings[:1])
    return {**code.concept, "coding": [DEGRADED_OTHER_ALLERGY if other else DEGRADED_ALLERGY, *codings]}


def reaction(manifestation: str, severity: str) -> list[dict[str, Any]]:
    """Return the reaction that qualifiers describe, [] for none. FHIR wants a manifestation: one not described is said
    to be unknown."""
    if not manifestation and not severity:
        return []
    manifested = {"text": manifestation} if manifestation else UNKNOWN
    return [
        {
            "manifestation": [manifested],
            "severity": coded("severity", severity, target="reaction"),
            "description": severity,
        }
    ]


def words_of(entry: Entry) -> list[dict[str, Any]]:
    """Return as a note what a qualifier says that neither status can (suspected, past, declined…): never silent."""
    if entry.in_words or entry.said.is_mixed or entry.sense in ("", "refuted", "confirmed", "resolved"):
        return []
    return [{"text": entry.said.words}]
