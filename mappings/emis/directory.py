"""Maps organisations, locations and users in role, to which other resources refer."""

from __future__ import annotations

import re
from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import ODS
from gateway.nhs.identifiers import is_ods_code
from mappings import Group, Look, Row, Values
from mappings.emis.delivery import directory, extracted, organisation
from mappings.emis.tables import AGREEMENT, ORGANISATION
from mappings.emis.values import address, day, guid, identifier, is_true
from mappings.vocabulary import GMC_NUMBER, GMP_NUMBER, NMC_NUMBER, UK_CORE

MAIN_LOCATION = UK_CORE + "Extension-UKCore-MainLocation"
PERIOD = "http://hl7.org/fhir/StructureDefinition/organization-period"
PROFESSIONAL = (
    (re.compile(r"\d{7}"), GMC_NUMBER),
    (re.compile(r"G\d{7}"), GMP_NUMBER),
    (re.compile(r"\d{2}[A-Z]\d{4}[A-Z]"), NMC_NUMBER),
)


def to_organisation(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Organization. Closed is what was closed by the day of the extract."""
    row = described(group, look)
    if row is None:
        return []
    values = row.values
    opened, closed, code = day(values, "OpenDate"), day(values, "CloseDate"), values["ODSCode"].strip().upper()
    main, parent = (
        guid(values["MainLocationGuid"]),
        guid(values["ParentOrganisationGuid"] or values["CCGOrganisationGuid"]),
    )
    extensions: list[dict[str, Any]] = (
        [{"url": MAIN_LOCATION, "valueReference": look.reference("Location", main, directory(row))}] if main else []
    )
    if opened or closed:
        extensions.append({"url": PERIOD, "valuePeriod": {"start": opened, "end": closed}})
    return [
        resource(
            "Organization",
            look.id("Organization", row.key),
            UK_CORE + "UKCore-Organization",
            extension=extensions,
            identifier=[*([identifier(code, ODS)] if is_ods_code(code) else []), identifier(row.key)],
            active=not is_closed(closed, row),
            type=[{"text": values["OrganisationType"].strip()}],
            name=values["OrganisationName"].strip(),
            partOf=organisation(parent, row, look) if parent and parent != row.key else {},
        )
    ]


def described(group: Group, look: Look) -> Row | None:
    """Return the row that describes the group's organisation. One that shares is described by the first of its
    agreements that names it, and its rows in the agreements' directories make nothing of their own."""
    under = sorted(group.of(AGREEMENT), key=lambda held: (is_true(held.values["Disabled"]), directory(held)))
    for agreement in under:
        if row := look.row(ORGANISATION, group.publisher, directory(agreement)):
            return row
    row = next(iter(group.of(ORGANISATION)), None)
    is_own = row is not None and look.row(AGREEMENT, f"{row.key}|{group.publisher}", row.key) is not None
    return None if is_own else row


def is_closed(closed: str, row: Row) -> bool:
    return bool(closed) and closed <= extracted(row.order)


def to_location(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Location, managed by the organisation that calls it its main one, else the first that has it."""
    row = next(iter(group.of("Admin_Location")), None)
    if row is None:
        return []
    values = row.values
    holders = sorted(
        group.of("Admin_OrganisationLocation"), key=lambda held: (not is_true(held.values["IsMainLocation"]), held.key)
    )
    parent = guid(values["ParentLocationGuid"])
    return [
        resource(
            "Location",
            look.id("Location", row.key),
            UK_CORE + "UKCore-Location",
            identifier=[identifier(row.key)],
            status="inactive" if is_closed(day(values, "CloseDate"), row) else "active",
            name=values["LocationName"].strip(),
            mode="instance",
            type=[{"text": values["LocationTypeDescription"].strip()}],
            telecom=telecoms(values),
            address=address(values),
            managingOrganization=organisation(guid(holders[0].values["OrganisationGuid"]), holders[0], look)
            if holders
            else {},
            partOf=look.reference("Location", parent) if parent and parent != row.key else {},
        )
    ]


def telecoms(values: Values) -> list[dict[str, Any]]:
    columns = (("PhoneNumber", "phone"), ("FaxNumber", "fax"), ("EmailAddress", "email"))
    return [{"system": system, "value": text} for column, system in columns if (text := values[column].strip())]


def to_user(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Practitioner and the PractitionerRole. EMIS has no key for a person with two roles: each role is its
    own Practitioner."""
    row = next(iter(group.of("Admin_UserInRole")), None)
    if row is None:
        return []
    values = row.values
    number, given_names = values["RegistrationNumber"].strip().upper(), values["GivenName"].split()
    system = next((system for pattern, system in PROFESSIONAL if pattern.fullmatch(number)), "")
    name = {
        "use": "official",
        "family": values["Surname"].strip(),
        "given": given_names,
        "prefix": [values["Title"].strip()],
    }
    return [
        resource(
            "Practitioner",
            look.id("Practitioner", row.key),
            UK_CORE + "UKCore-Practitioner",
            identifier=[*([identifier(number, system)] if system else []), identifier(row.key)],
            name=[name] if name["family"] or given_names else [],
        ),
        resource(
            "PractitionerRole",
            look.id("PractitionerRole", row.key),
            UK_CORE + "UKCore-PractitionerRole",
            identifier=[identifier(row.key)],
            period={"start": day(values, "ContractStartDate"), "end": day(values, "ContractEndDate")},
            practitioner=look.reference("Practitioner", row.key),
            organization=organisation(guid(values["OrganisationGuid"]), row, look),
            code=[{"text": values["JobCategoryName"].strip()}],
        ),
    ]
