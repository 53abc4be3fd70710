"""The audits to Provenance: who of the practice last entered, changed or deleted an item or a registration.

Not the Provenance that a gateway could tell of its own deliveries: this is the practice's, and says nothing of ours. Of
each item the last change is told and no earlier one, so that a record does not grow with every keystroke.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.dates import with_offset
from mappings import Group, Look, Row
from mappings.emis.codes import coded, label
from mappings.emis.entry import clinician
from mappings.emis.tables import PATIENT_AUDIT
from mappings.emis.values import clock, day, referred
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN, tagged

AUTHOR = {"coding": [{"system": HL7 + "provenance-participant-type", "code": "enterer", "display": "Enterer"}]}

Maker = Callable[[Group, Look], list[dict[str, Any]]]


def audited(make: Maker) -> Maker:
    """Return what makes a family with the Provenance of the last change of each of its items of which an audit came."""

    def with_provenance(group: Group, look: Look) -> list[dict[str, Any]]:
        resources = make(group, look)
        if len(group.rows) == 1 or not resources:  # nine of ten groups
            return resources
        audits = [row for row in group.rows if row.table == PATIENT_AUDIT]
        return [*resources, *provenance(audits, resources, look)]

    return with_provenance


def provenance(audits: list[Row], targets: list[dict[str, Any]], look: Look) -> list[dict[str, Any]]:
    """Return the Provenance of the newest of these audits, [] for none. It targets the Patient too: R4 has no other
    element that says whose it is. Confidential is what one of its targets is."""
    timed = [audit for audit in audits if is_timed(audit, look)]
    if not timed:
        return []
    last = max(timed, key=lambda row: (moment(row)[0], row.key))
    when, ambiguous = moment(last)
    flags = {flag: None for target in targets for flag in target["meta"].get("security", ())}
    named = [{"reference": f"{target['resourceType']}/{target['id']}"} for target in targets]
    patient = look.reference("Patient", referred(last.values["PatientGuid"]))
    built = resource(
        "Provenance",
        look.id("Provenance", last.groups[0]),
        UK_CORE + "UKCore-Provenance",
        tuple(flags),
        target=[*named, *([] if patient in named else [patient])],
        recorded=when,
        activity=activity(last.values["ModeType"].strip()),
        agent=[{"type": AUTHOR, "who": clinician(last.values, look, "UserInRoleGuid") or UNKNOWN}],
    )
    return [tagged(built, ambiguous)]


def is_timed(audit: Row, look: Look) -> bool:
    """Whether the time of an audit can be read. One that cannot is counted, and its item does not wait for it."""
    try:
        moment(audit)
    except Invalid:
        look.warn(f"{audit.table} ModifiedDate", "a time that cannot be read")
        return False
    return True


def activity(words: str) -> dict[str, Any]:
    """Return what was done, coded where the word is known."""
    code = coded("audit_mode", words)
    coding = {"system": HL7 + "v3-DataOperation", "code": code, "display": label("audit_mode", words)}
    return {"coding": [coding] if code else [], "text": words}


def moment(row: Row) -> tuple[str, bool]:
    """Return the instant of an audit, and whether the clock showed it twice. One without a time is of midnight: an
    instant has one."""
    return with_offset(day(row.values, "ModifiedDate"), clock(row.values, "ModifiedTime") or "00:00:00")
