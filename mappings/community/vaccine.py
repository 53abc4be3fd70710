"""A vaccination to Immunization: by the code of the act, or by the Dictionary's type of childhood immunisation."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.community import codes
from mappings.community.delivery import made_on, standing
from mappings.community.tables import CODED_IMMUNISATION
from mappings.community.times import day
from mappings.emis.clinical import VACCINATION
from mappings.vocabulary import CANNOT_BE, UK_CORE, UNKNOWN


def to_vaccine(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Immunization. One of a day that lies ahead of its submission was not given yet: it is counted and
    makes nothing."""
    resources = []
    for row in standing(group.rows, look):
        if day(row.values, "Immunisation_Date") > made_on(row.order):
            look.warn("Immunisation_Date", CANNOT_BE)
            continue
        resources.append(immunisation(row, look))
    return resources


def immunisation(row: Row, look: Look) -> dict[str, Any]:
    values, when, by = (
        row.values,
        day(row.values, "Immunisation_Date"),
        row.values["OrgID_ImmunisationResponsible"].upper(),
    )
    act: dict[str, Any] = {}
    if row.table == CODED_IMMUNISATION:
        act = codes.clinical(
            "procedure", values["Procedure_Scheme"], values["ImmunisationProcedure"], look, "Procedure_Scheme"
        )
    is_own = by in ("", row.publisher)
    return resource(
        "Immunization",
        look.id("Immunization", f"{row.table}|{row.key}"),
        UK_CORE + "UKCore-Immunization",
        extension=[{"url": VACCINATION, "valueCodeableConcept": act}] if act else [],
        status="completed",
        vaccineCode=act or codes.concept("childhood-immunisation-type", values["ChildhoodImmunisation_Type"]),
        patient=look.reference("Patient", row.patient),
        occurrenceDateTime=when,
        _occurrenceDateTime=None if when else UNKNOWN,
        primarySource=None if is_own else False,
        performer=[{"actor": look.reference("Organization", row.publisher) if is_own else codes.organisation(by)}],
    )
