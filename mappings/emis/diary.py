"""A diary entry to ServiceRequest: something to be done for a patient one day. It never says that it was done, nor that
the patient has what its code names."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Values
from mappings.emis.codes import code_of
from mappings.emis.entry import clinician, encounter, subject
from mappings.emis.tables import DIARY
from mappings.emis.values import entered, identifier, is_true, partial
from mappings.vocabulary import UK_CORE, tagged


def to_diary(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the plan. Raises ``Invalid`` while its code has not arrived."""
    row = next(iter(group.of(DIARY)), None)
    if row is None:
        return []
    values, concept = row.values, code_of(row, look).concept
    authored, ambiguous = entered(values)
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", f"diary|{row.key}"),
        UK_CORE + "UKCore-ServiceRequest",
        ("R",) if is_true(values["IsConfidential"]) else (),
        identifier=[identifier(row.key)],
        status=status(values),
        intent="plan",
        code={**concept, "text": values["OriginalTerm"].strip() or concept.get("text", "")},
        subject=subject(values, look),
        encounter=encounter(values, look),
        occurrenceDateTime=partial(values, "EffectiveDate"),
        authoredOn=authored,
        requester=clinician(values, look),
        locationCode=[{"text": values["LocationTypeDescription"].strip()}],
        note=[{"text": f"Duration: {words}"}] if (words := values["DurationTerm"].strip()) else [],
    )
    return [tagged(built, ambiguous)]


def status(values: Values) -> str:
    """Return the status of a plan. One that is not active and was not completed was given up; where EMIS says neither,
    nobody knows."""
    if is_true(values["IsComplete"]):
        return "completed"
    if is_true(values["IsActive"]):
        return "active"
    return "revoked" if values["IsActive"] else "unknown"
