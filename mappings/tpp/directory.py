"""Organisations, branches and staff, to which other resources refer."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import ODS
from gateway.nhs.identifiers import is_ods_code
from mappings import Group, Look, Row, Values
from mappings.emis.values import is_true, postcode
from mappings.tpp.delivery import reference_id
from mappings.tpp.entry import identifier, organisation
from mappings.tpp.lists import coded
from mappings.tpp.tables import BRANCH, CCG, ORGANISATION, PROFILE, STAFF, TRUST
from mappings.tpp.times import day
from mappings.vocabulary import GMP_NUMBER, UK_CORE

SMARTCARD = "https://fhir.nhs.uk/Id/sds-user-id"


def to_organisation(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Organization of an ODS code. Of two entries the one in use counts, then the newest."""
    rows = sorted(group.of(ORGANISATION), key=lambda row: (not is_obsolete(row.values), row.order, row.key))
    if not rows:
        return []
    row = rows[-1]
    code = row.values["ID"].strip().upper()
    ccg, trust = reference_id(row.values, "IDCcg"), reference_id(row.values, "IDTrust")
    # of a practice the trust is a primary care trust that exists no more
    parent = f"{CCG}|{ccg}" if ccg else f"{TRUST}|{trust}" if trust else ""
    return [
        described(row, look.id("Organization", code), code, look.reference("Organization", parent) if parent else {})
    ]


def to_trust(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Organization of a trust, or of the body that commissioned (a CCG)."""
    row = next(iter([*group.of(TRUST), *group.of(CCG)]), None)
    if row is None:
        return []
    id_ = look.id("Organization", f"{row.table}|{row.key}")
    return [described(row, id_, row.values["OdsCode"].strip().upper(), {})]


def described(row: Row, id_: str, code: str, parent: dict[str, Any]) -> dict[str, Any]:
    values = row.values
    numbers = (("Telephone", "phone"), ("SecondaryTelephone", "phone"), ("Fax", "fax"))
    return resource(
        "Organization",
        id_,
        UK_CORE + "UKCore-Organization",
        identifier=[*([{"system": ODS, "value": code}] if is_ods_code(code) else []), identifier(row)],
        active=not is_obsolete(values),
        name=values["Name"].strip() or code,
        telecom=[{"system": system, "value": values[column].strip()} for column, system in numbers if values[column].strip()],
        address=[
            address(values, ("HouseName", "HouseNumber", "NameOfRoad", "NameOfLocality", "NameOfTown", "NameOfCounty", "FullPostCode"))
        ],
        partOf=parent,
    )  # fmt: skip


def is_obsolete(values: Values) -> bool:
    return is_true(values["MadeObsolete"].strip())


def address(values: Values, columns: tuple[str, ...]) -> dict[str, Any]:
    """Return the Address of seven columns: house name, house number, road, locality, town, county, postcode."""
    house, number, road, locality, town, county, code = (values[column].strip() for column in columns)
    lines = [house, f"{number} {road}".strip(), locality]
    return {
        "line": [line for line in lines if line],
        "city": town,
        "district": county,
        "postalCode": postcode(code) if code else "",
    }


def to_branch(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Location of a branch surgery."""
    row = next(iter(group.of(BRANCH)), None)
    if row is None:
        return []
    values = row.values
    columns = ("HouseName", "HouseNumber", "RoadName", "Locality", "Town", "County", "PostCode")
    return [
        resource(
            "Location",
            look.id("Location", row.key),
            UK_CORE + "UKCore-Location",
            identifier=[identifier(row)],
            status="inactive" if is_true(values["BranchObsolete"].strip()) else "active",
            name=values["BranchName"].strip(),
            mode="instance",
            address=address(values, columns),
            managingOrganization=organisation(values["IDOrganisation"] or row.publisher, look),
        )
    ]


def to_staff(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Practitioner of a member of staff."""
    row = next(iter(group.of(STAFF)), None)
    if row is None:
        return []
    values = row.values
    system = coded("national_id", values["NationalIdType"], "system")
    number, card = values["IDNational"].strip(), values["IDSmartCard"].strip()
    return [
        resource(
            "Practitioner",
            look.id("Practitioner", row.key),
            UK_CORE + "UKCore-Practitioner",
            identifier=[
                *([{"system": system, "value": number}] if system and number else []),
                *([{"system": SMARTCARD, "value": card}] if card else []),
                identifier(row),
            ],
            active=not is_true(values["Obsolete"].strip()),
            name=[{"use": "official", "text": values["StaffName"].strip()}] if values["StaffName"].strip() else [],
        )
    ]


def to_profile(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the PractitionerRole of a member of staff at a unit."""
    row = next(iter(group.of(PROFILE)), None)
    if row is None:
        return []
    values = row.values
    staff, number, prescriber = reference_id(values, "IDStaffMember"), values["GmpID"].strip(), values["PPAID"].strip()
    numbers = [{"system": GMP_NUMBER, "value": number}] if number else []
    numbers += [{"type": {"text": "Prescriber number (PPA)"}, "value": prescriber}] if prescriber else []
    return [
        resource(
            "PractitionerRole",
            look.id("PractitionerRole", row.key),
            UK_CORE + "UKCore-PractitionerRole",
            identifier=[*numbers, identifier(row)],
            period={"start": day(values, "DateEmploymentStart"), "end": day(values, "DateEmploymentEnd")},
            practitioner=look.reference("Practitioner", staff) if staff else {},
            organization=organisation(values["IDOrganisation"], look),
            code=[{"text": values["StaffRole"].strip()}],
        )
    ]
