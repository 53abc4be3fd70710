"""GP Connect Access Record: Structured: a patient's record as a practice's system answers it, in FHIR STU3.

A row is one resource as it was sent. A group is one resource; a Patient's has what the Lists of the answer say is
missing. Beside the rows stands which clinical areas were answered, and how wholly: what a whole answer no longer has is
gone. ``README.md`` tells the quirks and what a clinician has to sign.
"""

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Publisher, Row, Source
from mappings.gp_connect.allergy import ERROR, code_of, to_allergy
from mappings.gp_connect.answered import SEEN, WHOLE, ods_of
from mappings.gp_connect.condition import to_condition
from mappings.gp_connect.directory import to_location, to_organisation, to_practitioner, to_role
from mappings.gp_connect.document import to_document
from mappings.gp_connect.elements import reason
from mappings.gp_connect.encounter import to_encounter
from mappings.gp_connect.immunisation import to_immunisation
from mappings.gp_connect.medication import to_request, to_statement
from mappings.gp_connect.observation import to_observation
from mappings.gp_connect.patient import to_patient
from mappings.gp_connect.read import check, read
from mappings.gp_connect.report import to_report, to_specimen
from mappings.gp_connect.request import to_procedure_request, to_referral
from mappings.gp_connect.stu3 import held, labels, sent
from mappings.readers.cells import json_cells

MAKERS = {
    "AllergyIntolerance": to_allergy,
    "Condition": to_condition,
    "DiagnosticReport": to_report,
    "DocumentReference": to_document,
    "Encounter": to_encounter,
    "Immunization": to_immunisation,
    "Location": to_location,
    "MedicationRequest": to_request,
    "MedicationStatement": to_statement,
    "Observation": to_observation,
    "Organization": to_organisation,
    "Practitioner": to_practitioner,
    "PractitionerRole": to_role,
    "ProcedureRequest": to_procedure_request,
    "ReferralRequest": to_referral,
    "Specimen": to_specimen,
}
"""What makes the resources of each type of STU3; a Patient's group has more than its row."""


def publisher(row: Row) -> Publisher:
    """Return the practice, with its name where the row is its Organization."""
    said = held(row) if row.table == "Organization" and not row.deleted else {}
    name = said.get("name") if said and ods_of(said) == row.publisher else ""
    return Publisher(row.publisher, row.publisher, name if isinstance(name, str) else "", order=row.order)


def to_fhir(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the resources of a group: none of what a later whole answer no longer has."""
    if group.key.startswith("Patient:"):
        return to_patient(group, look)
    resources: list[dict[str, Any]] = []
    for row in group.rows:
        if row.deleted or is_gone(row, look):
            continue
        if row.table in MAKERS:
            resources += MAKERS[row.table](sent(row, look))
        else:
            look.unlisted(row.table, "resource", "not taken")
    return resources


def is_gone(row: Row, look: Look) -> bool:
    """Whether a later answer told of the whole area of a row, and did not have it. ``SEEN`` is asked so that each later
    answer maps the group again: it may have sent the row anew."""
    area = row.values["area"]
    if not area:
        return False
    look.row(SEEN, f"{row.patient}|{area}")
    whole = look.row(WHOLE, f"{row.patient}|{area}")
    return whole is not None and whole.order > row.order


def hides(group: Group) -> bool:
    """Return whether any resource of the group asks to be hidden."""
    return any(labels(held(row)) for row in group.rows if "resource" in row.values)


def withdrawn(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what the practice says was entered in error, as the mapping gives it an id, with no more than says so."""
    resources = []
    for row in group.rows:
        said = held(row) if "resource" in row.values and not row.deleted else {}
        if row.table in MAKERS and ERROR in (code_of(said.get("status")), code_of(said.get("verificationStatus"))):
            resources += [essential(made_of) for made_of in MAKERS[row.table](sent(row, look))]
    return resources


def essential(whole: dict[str, Any]) -> dict[str, Any]:
    """Return of a resource in error what R4 requires and what says so."""
    kept = {name: value for name, value in whole.items() if name in ESSENTIAL}
    return resource(whole["resourceType"], whole["id"], None, whole["meta"].get("security", ()), **kept)


ESSENTIAL = frozenset(
    "status verificationStatus intent class content relationship code vaccineCode medicationCodeableConcept patient "
    "subject occurrenceDateTime".split()
)
"""What a resource that was entered in error needs to be valid R4 and to say so."""

SOURCE = Source(
    name="gp_connect",
    kind="gp",
    title="GP Connect Access Record: Structured (FHIR STU3)",
    version="1",
    check=check,
    read=read,
    to_fhir=to_fhir,
    publisher=publisher,
    hides=hides,
    withdrawn=withdrawn,
    settings=frozenset({"publisher", "whole"}),
    dated=frozenset({"Immunization"}),
    cells=lambda file, feed: json_cells(file),
    unmapped=reason,
)
