"""A coded allergy, and a drug sensitivity, to AllergyIntolerance. Nothing that happens on the problem list ends one."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.allergy import STATUS, VERIFIED, concept
from mappings.emis.codes import DEGRADED_ALLERGY
from mappings.emis.entry import Entry
from mappings.emis.values import is_true
from mappings.tpp.codes import MULTILEX, codings_of
from mappings.tpp.delivery import extracted, reference_id
from mappings.tpp.entry import clinician, encounter, name, notes, places, recorder, security, subject
from mappings.tpp.tables import CENTRAL, DRUG_CODE, SENSITIVITY
from mappings.tpp.times import day, is_doubtful, when
from mappings.vocabulary import ALLERGY_CLINICAL, ALLERGY_VERIFICATION, UK_CORE, status, tagged

PROFILE = UK_CORE + "UKCore-AllergyIntolerance"
ACTION = "urn:nhs-record-gateway:multilex-action"
"""Multilex's groups of medicines of one action, by number. Their names are not in the extract."""


def allergy(built: Entry, look: Look) -> dict[str, Any]:
    """Return the AllergyIntolerance of a coded entry. One that was ruled out is refuted and inactive; "no known
    allergies" keeps its code, which says so."""
    row, values = built.row, built.values
    allergy = resource(
        "AllergyIntolerance",
        look.id("AllergyIntolerance", name(row)),
        PROFILE,
        security(row),
        clinicalStatus=status(ALLERGY_CLINICAL, STATUS.get(built.sense, "active")),
        verificationStatus=status(ALLERGY_VERIFICATION, VERIFIED.get(built.sense, "unconfirmed")),
        code=concept(built.code),
        patient=subject(row, look),
        encounter=encounter(values, look),
        onsetDateTime=when(values, "DateEvent"),
        recordedDate=when(values, "DateEventRecorded"),
        recorder=recorder(values, look),
        asserter=clinician(values, look),
        note=notes(built),
    )
    return tagged(allergy, is_doubtful(values, "DateEvent", "DateEventRecorded"))


def to_sensitivity(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the AllergyIntolerance of a drug sensitivity, also while the name of its medicine has not arrived: an
    allergy without a name warns, and one that waits does not."""
    row = next(iter(group.of(SENSITIVITY)), None)
    if row is None:
        return []
    values = row.values
    end = day(values, "DateEnded")
    is_over = bool(end) and end <= extracted(row.order)
    texts = ["Specific to the formulation"] if is_true(values["FormulationSpecific"].strip()) else []
    texts += [f"{'Ended' if is_over else 'Ends'} on {end}"] if end else []
    allergy = resource(
        "AllergyIntolerance",
        look.id("AllergyIntolerance", name(row)),
        PROFILE,
        security(row),
        clinicalStatus=status(ALLERGY_CLINICAL, "inactive" if is_over else "active"),
        verificationStatus=status(ALLERGY_VERIFICATION, "unconfirmed"),
        category=["medication"],
        code=substance(row, look),
        patient=subject(row, look),
        encounter=encounter(values, look),
        onsetDateTime=day(values, "DateStarted"),
        recordedDate=when(values, "DateEventRecorded"),
        recorder=recorder(values, look),
        asserter=clinician(values, look),
        note=[*({"text": text} for text in texts), *places(row)],
    )
    return [tagged(allergy, is_doubtful(values, "DateEventRecorded"))]


def substance(row: Row, look: Look) -> dict[str, Any]:
    """Return the medicine or group of medicines. Multilex is no code that decision support elsewhere knows, so the
    transfer-degraded concept stands before it."""
    values = row.values
    product, action = reference_id(values, "IDDrugCode"), reference_id(values, "IDMultiLexAction")
    codings: list[dict[str, Any]] = [DEGRADED_ALLERGY]
    text = ""
    if product:
        entry = look.row(DRUG_CODE, product, CENTRAL)
        text = entry.values["DrugReadCodeDesc"].strip() if entry else ""
        codings.append({"system": MULTILEX, "code": product, **({"display": text} if text else {})})
        codings += codings_of(entry.values["DrugReadCode"].strip(), text, "", "") if entry else []
        if entry is None:
            look.unlisted(row.table, "IDDrugCode", product)
    if action and action != "0":
        codings.append({"system": ACTION, "code": action})
    return {"coding": codings, "text": text}
