"""Organization, Practitioner, PractitionerRole and Location."""

from __future__ import annotations

from typing import Any

from mappings.gp_connect.concepts import with_text
from mappings.gp_connect.stu3 import Sent
from mappings.vocabulary import UK_CORE, UK_CORE_EXTENSION

MAIN_LOCATION = UK_CORE_EXTENSION + "MainLocation"


def to_organisation(sent: Sent) -> list[dict[str, Any]]:
    main = sent.extension_value("MainLocation")
    organisation = sent.built(
        "Organization",
        UK_CORE + "UKCore-Organization",
        extension=[{"url": MAIN_LOCATION, "valueReference": main}] if main else [],
        identifier=sent.identifiers(),
        active=sent.one("active"),
        type=[with_text(concept) for concept in sent.many("type")],
        name=sent.text("name") or "Organisation not named in the data received",
        alias=sent.many("alias"),
        telecom=sent.many("telecom"),
        address=sent.many("address"),
        partOf=sent.one("partOf"),
        contact=sent.many("contact"),
    )
    return [organisation]


def to_practitioner(sent: Sent) -> list[dict[str, Any]]:
    practitioner = sent.built(
        "Practitioner",
        UK_CORE + "UKCore-Practitioner",
        identifier=sent.identifiers(),
        active=sent.one("active"),
        name=sent.many("name"),
        telecom=sent.many("telecom"),
        address=sent.many("address"),
        gender=sent.text("gender"),
        qualification=sent.many("qualification"),
        communication=[*sent.many("communication"), *languages(sent)],
    )
    return [practitioner]


def languages(sent: Sent) -> list[dict[str, Any]]:
    """Return the language of CareConnect's extension as R4's own element."""
    concept = sent.converted(sent.parts("NHSCommunication").get("language") or {}, "extension")
    return [concept] if concept else []


def to_role(sent: Sent) -> list[dict[str, Any]]:
    role = sent.built(
        "PractitionerRole",
        UK_CORE + "UKCore-PractitionerRole",
        identifier=sent.identifiers(),
        active=sent.one("active"),
        period=sent.one("period"),
        practitioner=sent.one("practitioner"),
        organization=sent.one("organization"),
        code=[with_text(concept) for concept in sent.many("code")],
        specialty=[with_text(concept) for concept in sent.many("specialty")],
        location=sent.many("location"),
        telecom=sent.many("telecom"),
    )
    return [role]


def to_location(sent: Sent) -> list[dict[str, Any]]:
    """Return the Location. R4 has several types where STU3 has one."""
    location = sent.built(
        "Location",
        UK_CORE + "UKCore-Location",
        identifier=sent.identifiers(),
        status=sent.text("status"),
        operationalStatus=sent.one("operationalStatus"),
        name=sent.text("name"),
        alias=sent.many("alias"),
        description=sent.text("description"),
        mode=sent.text("mode"),
        type=[with_text(concept) for concept in sent.many("type")],
        telecom=sent.many("telecom"),
        address=sent.one("address"),
        physicalType=sent.one("physicalType"),
        managingOrganization=sent.one("managingOrganization"),
        partOf=sent.one("partOf"),
    )
    return [location]
