"""The provider and its staff, to whom other resources refer."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import ODS
from mappings import Group, Look
from mappings.community import codes
from mappings.community.delivery import standing
from mappings.community.tables import HEADER, STAFF
from mappings.vocabulary import UK_CORE

LOCAL_STAFF = codes.URN + "care-professional"


def to_provider(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Organization of the provider, of which the data set says only the code."""
    if not group.of(HEADER):
        return []
    code = group.publisher
    return [
        resource(
            "Organization",
            look.id("Organization", code),
            UK_CORE + "UKCore-Organization",
            identifier=[{"system": ODS, "value": code}],
            active=True,
        )
    ]


def to_staff(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the PractitionerRole of a care professional, and the Practitioner where a registration is known. The data
    set has nobody's name."""
    row = next(standing(group.of(STAFF), look), None)
    if row is None:
        return []
    values, own = row.values, {"system": LOCAL_STAFF, "value": row.key}
    number, body = values["RegistrationEntryID"], values["RegistrationBody"]
    lists = (
        ("care-professional-staff-group", "StaffGroup"),
        ("occupation", "OccupationCode"),
        ("job-role", "JobRoleCode"),
    )
    role = resource(
        "PractitionerRole",
        look.id("PractitionerRole", row.key),
        UK_CORE + "UKCore-PractitionerRole",
        identifier=[own],
        practitioner=look.reference("Practitioner", row.key) if number else {},
        organization=look.reference("Organization", row.publisher),
        code=[codes.concept(list_, values[column]) for list_, column in lists],
    )
    if not number:
        return [role]
    registered = {"system": f"{codes.URN}professional-registration{f':{body}' if body else ''}", "value": number}
    person = resource(
        "Practitioner", look.id("Practitioner", row.key), UK_CORE + "UKCore-Practitioner", identifier=[registered, own]
    )
    return [person, role]
