"""Patient, the registration as an EpisodeOfCare, and what the Lists say is missing."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs.identifiers import is_valid, normalise
from mappings import Group, Look
from mappings.gp_connect.concepts import with_text
from mappings.gp_connect.elements import extension_name
from mappings.gp_connect.flag import to_flags
from mappings.gp_connect.stu3 import Sent, extensions, parts_of, sent, value_of
from mappings.vocabulary import (
    NUMBER_STATUS,
    NUMBER_VERIFICATION,
    REGISTRATION_TYPE,
    UK_CORE,
    UK_CORE_EXTENSION,
    WRONG_NUMBER,
)

ETHNICITY = UK_CORE_EXTENSION + "EthnicCategory"
INTERPRETER = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
PROFICIENCY = "http://hl7.org/fhir/StructureDefinition/patient-proficiency"


def to_patient(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient, the registration that the practice states, and the Flags of what is missing."""
    row = next(iter(group.of("Patient")), None)
    if row is None:
        return []
    whole = sent(row, look)
    return [patient(whole), *registration(whole), *to_flags(group, row, look)]


def patient(sent: Sent) -> dict[str, Any]:
    spoken = languages(sent)
    return sent.built(
        "Patient",
        UK_CORE + "UKCore-Patient",
        extension=[*ethnicity(sent), *interpreter(sent)],
        identifier=[identifier(item, sent) for item in sent.said.get("identifier", ())],
        active=sent.one("active"),
        name=sent.many("name"),
        telecom=sent.many("telecom"),
        gender=sent.text("gender"),
        birthDate=sent.text("birthDate"),
        **sent.choice("deceased"),
        address=sent.many("address"),
        maritalStatus=sent.one("maritalStatus"),
        **sent.choice("multipleBirth"),
        contact=[contact(item) for item in sent.many("contact")],
        communication=[*sent.many("communication"), *spoken],
        generalPractitioner=sent.many("generalPractitioner"),
        managingOrganization=sent.one("managingOrganization"),
    )


def identifier(item: dict[str, Any], sent: Sent) -> dict[str, Any]:
    """Return an identifier. A number with a wrong check digit is text and identifies nobody; the practice's word on
    whether it was verified is kept as it was said."""
    if item.get("system") != NHS_NUMBER:
        return dict(sent.converted(item, "identifier"))
    number = normalise(str(item.get("value", "")))
    if not is_valid(number):
        return {"type": WRONG_NUMBER, "value": number}
    nodes = [
        node
        for node in item.get("extension", ())
        if extension_name(str(node.get("url", ""))) == "NHSNumberVerificationStatus"
    ]
    statuses = [sent.converted(value_of(node) or {}, "identifier.extension") for node in nodes]
    coding = [item for status in statuses for item in status.get("coding", ()) if item.get("system") == NUMBER_STATUS]
    verified = [{"url": NUMBER_VERIFICATION, "valueCodeableConcept": {"coding": coding[:1]}}] if coding else []
    return {"extension": verified, "use": item.get("use", ""), "system": NHS_NUMBER, "value": number}


def contact(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "relationship": [with_text(concept) for concept in item.get("relationship", ())]}


def ethnicity(sent: Sent) -> list[dict[str, Any]]:
    concept = sent.extension_value("EthnicCategory")
    return [{"url": ETHNICITY, "valueCodeableConcept": concept}] if concept else []


def interpreter(sent: Sent) -> list[dict[str, Any]]:
    required = [parts_of(node).get("interpreterRequired") for node in extensions(sent.said, "NHSCommunication")]
    said = [value for value in required if isinstance(value, bool)]
    return [{"url": INTERPRETER, "valueBoolean": any(said)}] if said else []


def languages(sent: Sent) -> list[dict[str, Any]]:
    """Return the languages of CareConnect's extension as R4's own element, with how well and in which way."""
    answer = []
    for node in extensions(sent.said, "NHSCommunication"):
        said = parts_of(node)
        language = sent.converted(said.get("language") or {}, "extension")
        if not language:
            continue
        modes = [value_of(part) for part in node.get("extension", ()) if part.get("url") == "modeOfCommunication"]
        levels = [value_of(part) for part in node.get("extension", ()) if part.get("url") == "communicationProficiency"]
        kinds = [("type", mode) for mode in modes] + [("level", level) for level in levels]
        nodes = [
            {"url": url, "valueCoding": coding}
            for url, concept in kinds
            for coding in sent.converted(concept or {}, "extension").get("coding", ())[:1]
        ]
        spoken = {"extension": [{"url": PROFICIENCY, "extension": nodes}] if nodes else [], "language": language}
        preferred = said.get("preferred")
        answer.append({**spoken, **({"preferred": preferred} if isinstance(preferred, bool) else {})})
    return answer


def registration(sent: Sent) -> list[dict[str, Any]]:
    """Return the registration, where the practice says of which kind it is or since when. A branch alone is none."""
    said = sent.parts("RegistrationDetails")
    kind = sent.converted(said.get("registrationType") or {}, "extension")
    period = said.get("registrationPeriod") or {}
    if not kind and not period:
        return []
    is_over = bool(period.get("end")) or sent.one("active") is False or bool(sent.choice("deceased"))
    codings = [coding for coding in kind.get("coding", ()) if coding.get("system") != REGISTRATION_TYPE] + [
        coding for coding in kind.get("coding", ()) if coding.get("system") == REGISTRATION_TYPE
    ]
    return [
        resource(
            "EpisodeOfCare",
            sent.look.id("EpisodeOfCare", f"{sent.name}|registration"),
            UK_CORE + "UKCore-EpisodeOfCare",
            sent.security,
            status="finished" if is_over else "active",
            type=[with_text({**kind, "coding": codings})] if kind else [],
            patient=sent.look.reference("Patient", sent.name),
            managingOrganization=sent.one("managingOrganization"),
            period=period,
        )
    ]
