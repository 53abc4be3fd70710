"""Facts that are no clinical code: circumstances, screening results, measures, scores, to Observation."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.community import codes
from mappings.community.care import referred
from mappings.community.delivery import standing
from mappings.community.tables import ACCOMMODATION, ASSESSMENT, CIRCUMSTANCE, TECHNOLOGY
from mappings.community.times import day
from mappings.emis.values import is_number
from mappings.vocabulary import HL7, UK_CORE, code_table, unit

PROFILE = UK_CORE + "UKCore-Observation"
LOINC = "http://loinc.org"
NO_ANSWER = frozenset({"ZZ"})
"""Codes that say that nothing was said."""
CATEGORIES = {CIRCUMSTANCE: "social-history", TECHNOLOGY: "social-history", ASSESSMENT: "survey"}
WHEN = {
    CIRCUMSTANCE: "Circumstance_RecordedDate", TECHNOLOGY: "SNOMED_Date", ASSESSMENT: "AssessmentCompletion_Date",
}  # fmt: skip


@lru_cache
def _facts() -> dict[str, list[dict[str, str]]]:
    tables: dict[str, list[dict[str, str]]] = {}
    for fact in code_table(__package__, "codes_fact"):
        tables.setdefault(fact["table"], []).append(fact)
    return tables


def category(code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": HL7 + "observation-category", "code": code}]}]


def to_fact(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return an Observation for each fact that a row of a patient states."""
    resources = []
    for row in standing(group.rows, look):
        resources += stated(row, look.reference("Patient", row.patient), "", {}, look)
    return resources


def stated(row: Row, patient: dict[str, Any], when: str, encounter: dict[str, Any], look: Look) -> list[dict[str, Any]]:
    """Return an Observation for each column of ``codes_fact.csv`` that the row fills. Where somebody lives may be a
    refuge, which the list of the codes would tell: it is restricted."""
    return [
        resource(
            "Observation",
            look.id("Observation", f"{row.table}|{row.key}|{fact['column']}"),
            PROFILE,
            ("R",) if row.table == ACCOMMODATION else (),
            status="final",
            category=category(fact["category"]),
            code={"coding": [{"system": codes.URN + "column", "code": fact["column"]}], "text": fact["text"]},
            subject=patient,
            encounter=encounter,
            effectiveDateTime=(day(row.values, fact["date"]) if fact["date"] else "") or when,
            performer=[look.reference("Organization", row.publisher)],
            valueCodeableConcept=codes.concept(fact["list"], row.values[fact["column"]]),
        )
        for fact in _facts().get(row.table, ())
        if row.values[fact["column"]] and row.values[fact["column"]].upper() not in NO_ANSWER
    ]


def to_coded(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Observation of a SNOMED CT concept: a circumstance, a technology in use, or the score of an
    assessment."""
    resources = []
    for row in standing(group.rows, look):
        patient = referred(row, look) if row.table == ASSESSMENT else look.reference("Patient", row.patient)
        when = day(row.values, WHEN[row.table])
        resources.append(scored(row, CATEGORIES[row.table], patient, when, {}, look))
    return resources


def scored(
    row: Row, kind: str, patient: dict[str, Any], when: str, encounter: dict[str, Any], look: Look
) -> dict[str, Any]:
    """Return the Observation of a concept, with its score where the row has one."""
    return resource(
        "Observation",
        look.id("Observation", f"{row.table}|{row.key}"),
        PROFILE,
        status="final",
        category=category(kind),
        code=codes.snomed(row.values["SNOMED_ID"]),
        subject=patient,
        encounter=encounter,
        effectiveDateTime=when,
        performer=[look.reference("Organization", row.publisher)],
        **value(row.values["Score"], ""),
    )


def value(written: str, measured_in: str) -> dict[str, Any]:
    """Return a value: a number with its unit, or the words that were sent; {} for none."""
    if not written:
        return {}
    if is_number(written):
        return {"valueQuantity": {"value": Decimal(written), **unit(measured_in)}}
    return {"valueString": f"{written} {measured_in}".strip()}


def measured(
    row: Row, patient: dict[str, Any], when: str, encounter: dict[str, Any], look: Look
) -> list[dict[str, Any]]:
    """Return an Observation for each measure of the body that the row has, in the unit of the data set."""
    return [
        resource(
            "Observation",
            look.id("Observation", f"{row.table}|{row.key}|{measure['column']}"),
            PROFILE,
            status="final",
            category=category("vital-signs"),
            code={"coding": [{"system": LOINC, "code": measure["loinc"]}], "text": measure["text"]},
            subject=patient,
            encounter=encounter,
            effectiveDateTime=when,
            performer=[look.reference("Organization", row.publisher)],
            **value(row.values[measure["column"]], measure["unit"]),
        )
        for measure in code_table(__package__, "codes_body")
        if row.values[measure["column"]]
    ]
