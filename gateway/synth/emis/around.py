"""The tables of an extract that are not about patients: code tables, practices with their sites and staff, sharing
agreements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.synth.codes import CODES, DRUGS
from gateway.synth.draw import guid
from gateway.synth.emis.rows import NO, REGION, YES, Rows, organisation_guid, user_guid
from gateway.synth.truth import Practice


def reference_rows() -> Rows:
    """Return the code tables, which every delivery repeats in full."""
    for code in CODES.values():
        yield (
            "Coding_ClinicalCode",
            {
                "CodeId": str(code.id),
                "Term": code.term,
                "ReadTermId": code.read,
                "SnomedCTConceptId": code.snomed,
                "EmisCodeCategoryDescription": code.category,
            },
        )
    for drug in DRUGS.values():
        yield "Coding_DrugCode", {"CodeId": str(drug.id), "Term": drug.term, "DmdProductCodeId": drug.dmd}


def organisation_rows(practices: Sequence[Practice], when: datetime) -> Rows:
    """Return the practices that use EMIS with their sites, staff and sharing agreements."""
    region = {"OrganisationGuid": REGION, "OrganisationName": "Vellshire Integrated Care Board", "ODSCode": "QZZ"}
    yield "Admin_Organisation", {**region, "OrganisationType": "Integrated Care Board", "OpenDate": "2022-07-01"}
    for number, practice in enumerate(practices):
        if practice.system != "emis":
            continue
        organisation, site = organisation_guid(practice), guid("location", practice.ods)
        yield (
            "Admin_Organisation",
            {
                "OrganisationGuid": organisation,
                "CDB": str(90_001 + number),
                "OrganisationName": practice.name,
                "ODSCode": practice.ods,
                "ParentOrganisationGuid": REGION,
                "OrganisationType": "General Practice",
                "OpenDate": "1990-01-01",
                "MainLocationGuid": site,
            },
        )
        yield (
            "Admin_Location",
            {
                "LocationGuid": site,
                "LocationName": practice.name,
                "LocationTypeDescription": "Main Surgery",
                "OpenDate": "1990-01-01",
                "PhoneNumber": f"01632960{900 + number}",
                "NumberAndStreet": practice.address.street,
                "Town": practice.address.town,
                "County": practice.address.county,
                "Postcode": practice.address.postcode.replace(" ", ""),
                "Deleted": NO,
            },
        )
        yield (
            "Admin_OrganisationLocation",
            {"OrganisationGuid": organisation, "LocationGuid": site, "IsMainLocation": "1", "Deleted": NO},
        )
        for place, staff in enumerate(practice.staff):
            yield (
                "Admin_UserInRole",
                {
                    "UserInRoleGuid": user_guid(practice, place),
                    "OrganisationGuid": organisation,
                    "Title": staff.title,
                    "GivenName": staff.given,
                    "Surname": staff.family,
                    "JobCategoryCode": staff.job_code,
                    "JobCategoryName": staff.job,
                    "ContractStartDate": "2010-01-01",
                    "RegistrationNumber": staff.number,
                },
            )
        yield (
            "Agreements_SharingOrganisation",
            {
                "OrganisationGuid": organisation,
                "IsActivated": YES,
                "LastModifiedDate": f"{when - timedelta(days=30):%Y-%m-%d %H:%M:%S}",
                "Disabled": NO,
                "Deleted": NO,
            },
        )
