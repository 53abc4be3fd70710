"""Coded concepts: what a reader is shown of them, whether decision support knows them, and what their words say."""

from __future__ import annotations

from typing import Any

from gateway.fhir.codes import DMD, SNOMED
from mappings import Look, Row, Values
from mappings.emis.codes import DEGRADED_ALLERGY, DEGRADED_MEDICATION, DEGRADED_OTHER_ALLERGY, Code, clinical
from mappings.emis.entry import Entry
from mappings.emis.qualifiers import NONE
from mappings.vocabulary import READ

DEGRADED = frozenset(
    {
        DEGRADED_ALLERGY["code"],
        DEGRADED_MEDICATION["code"],
        DEGRADED_OTHER_ALLERGY["code"],
        "196411000000103",
        "196431000000106",
        "196441000000102",
        "196451000000104",
    }
)
"""The NHS's concepts for an entry whose code was lost on the way: they say nothing of what it is."""


def codes(concept: dict[str, Any], *systems: str) -> list[str]:
    """Return the codes of a concept in these systems, without those that only say that a code was lost."""
    return [
        str(coding["code"])
        for coding in concept.get("coding", ())
        if coding.get("system") in systems and coding.get("code") and coding["code"] not in DEGRADED
    ]


def is_coded(concept: dict[str, Any]) -> bool:
    """Whether decision support elsewhere can know the concept."""
    return bool(codes(concept, SNOMED, DMD))


def with_text(concept: dict[str, Any]) -> dict[str, Any]:
    """Return a concept whose text says what it is: GP Connect often leaves that to the display of a coding. What the
    clinician chose counts first, and a lost code's own words never."""
    if concept.get("text"):
        return concept
    codings = [coding for coding in concept.get("coding", ()) if coding.get("code") not in DEGRADED]
    chosen = sorted(codings, key=lambda coding: not coding.get("userSelected"))
    text = next((words for coding in chosen if (words := shown(coding))), "")
    return {**concept, "text": text} if text else concept


def shown(coding: dict[str, Any]) -> str:
    """Return the words of a coding: the term that was chosen, else its display."""
    chosen = (node.get("valueString", "") for node in coding.get("extension", ()))
    return str(next((words for words in chosen if words), "") or coding.get("display", ""))


def medicine(concept: dict[str, Any]) -> dict[str, Any]:
    """Return the concept of a medicine. GP Connect writes dm+d's codes as SNOMED CT; they are dm+d here, as UK Core has
    it. One that has none begins with the transfer-degraded concept."""
    concept = with_text(concept)
    codings = [
        {**coding, "system": DMD} if coding.get("system") == SNOMED and coding.get("code") not in DEGRADED else coding
        for coding in concept.get("coding", ())
    ]
    lost = DEGRADED_MEDICATION["code"]
    if not codes({"coding": codings}, DMD):
        codings = [DEGRADED_MEDICATION, *(coding for coding in codings if coding.get("code") != lost)]
    return {**concept, "coding": codings}


def entry_of(row: Row, concept: dict[str, Any], look: Look) -> Entry:
    """Return a coded item as the entry of a practice: what its code and words make it, and what they say (declined, of
    the family, suspected…)."""
    concept = with_text(concept)
    snomed, read = (next(iter(codes(concept, system)), "") for system in (SNOMED, READ))
    code: Code = clinical(
        Values(Term=str(concept.get("text", "")), ReadTermId=read, SnomedCTConceptId=snomed), "", look
    )
    return Entry(row, row.key, Values(), code, NONE, code.route, code.sense, bool(code.sense))
