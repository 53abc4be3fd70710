"""THE TABLE of UK Core's constraints (STU3 sequence, 2025-06): what a profile asks beyond R4. Checked against, never "validated against".

UK Core's profiles are differentials only. ``error`` is a broken cardinality, fixed system or invariant; ``warning`` a must-support element that
is not there (a source that lacks it is right to leave it out, so warnings are counted and nothing more).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.fhir.issues import Issue

BASE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS = ("https://fhir.nhs.uk/Id/ods-organization-code", "https://fhir.nhs.uk/Id/ods-site-code")
VERIFICATION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
VERIFICATION_SYSTEM = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
RETIRED = frozenset(
    "ActualProblem ProblemSignificance RelatedProblemHeader RelatedClinicalContent PrescriptionType MedicationQuantityText "
    "MedicationPrescribingAgency NominatedPharmacy PreferredDispenserOrganization TreatmentCategory NHSCommunication "
    "ReligiousAffiliation OverseasVisitorChargingCategory CodingSCTDescId EffectivePeriod DosageLastChanged ClinicalSetting".split()
)
"""Extensions of UK Core that were retired: read, never written."""
Check = Callable[[dict], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint: its element, its words, and whether a resource keeps it."""

    element: str
    words: str
    keeps: Check


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: the constraints that are errors, and the must-support elements (a choice by its stem, ``value``)."""

    rules: tuple[Rule, ...]
    supported: tuple[str, ...]


def _has(element: str) -> Check:
    return lambda resource: element in resource or "_" + element in resource


def _needs(element: str) -> Rule:
    return Rule(element, "1..* in UK Core", _has(element))


def _laboratory(resource: dict) -> bool:
    return any(c.get("code") in ("laboratory", "LAB") for category in resource.get("category", ()) for c in category.get("coding", ()))


def _numbered(*systems: str) -> Check:
    return lambda resource: all("value" in each or "_value" in each for each in resource.get("identifier", ()) if each.get("system") in systems)


def _whole_identifiers(resource: dict) -> bool:
    return all("system" in each and "value" in each for each in resource.get("identifier", ()))


def _verification(resource: dict) -> bool:
    for identifier in resource.get("identifier", ()):
        for extension in identifier.get("extension", ()):
            if extension.get("url") == VERIFICATION:
                codings = extension.get("valueCodeableConcept", {}).get("coding", ())
                if not codings or any(coding.get("system") != VERIFICATION_SYSTEM for coding in codings):
                    return False
    return True


_LAB = Rule("category:laboratory", "1..1 in UK Core", _laboratory)
_OBSERVATION = ("status", "category", "code", "subject", "effective", "performer", "value")
PROFILES: dict[str, Profile] = {
    "Patient": Profile(
        (Rule("identifier:nhsNumber.value", "1..* in UK Core", _numbered(NHS_NUMBER)),
         Rule("identifier:nhsNumber.extension", "the system of the verification status is fixed", _verification)),
        ("identifier", "active", "name", "telecom", "gender", "birthDate", "address", "managingOrganization")),
    "AllergyIntolerance": Profile((_needs("code"),), ("clinicalStatus", "verificationStatus", "code", "patient", "reaction")),
    "Condition": Profile((), ("clinicalStatus", "verificationStatus", "severity", "code", "subject", "recorder")),
    "MedicationRequest": Profile(
        (_needs("substitution"),),
        ("identifier", "status", "intent", "category", "medication", "subject", "authoredOn", "requester", "dosageInstruction", "dispenseRequest")),
    "MedicationStatement": Profile(
        (Rule("identifier", "system and value are needed", _whole_identifiers),),
        ("identifier", "status", "category", "medication", "subject", "effective", "dateAsserted", "informationSource", "dosage")),
    "Observation": Profile((), _OBSERVATION),
    "Observation-Lab": Profile((_needs("category"), _LAB), ("status", "category", "code")),
    "Observation-Group-Lab": Profile((_needs("category"), _LAB), ("status", "category", "code")),
    "DiagnosticReport": Profile((), ("status", "category", "code", "subject", "encounter", "issued", "result")),
    "DiagnosticReport-Lab": Profile((_needs("category"), _LAB, _needs("subject")), ("status", "category", "code", "subject", "issued", "result")),
    "Encounter": Profile((), ("identifier", "status", "class", "subject", "participant", "reasonCode")),
    "Procedure": Profile((), ("status", "code", "subject", "performed")),
    "Immunization": Profile(
        (Rule("statusReason", "ukcore-imm-001: not-done needs a reason", lambda r: r.get("status") != "not-done" or "statusReason" in r),),
        ("status", "vaccineCode", "patient", "occurrence", "manufacturer", "lotNumber", "doseQuantity")),
    "EpisodeOfCare": Profile((), ("status", "patient", "period", "careManager")),
    "ServiceRequest": Profile((), ("status", "intent", "category", "priority", "code", "subject", "authoredOn", "requester")),
    "Task": Profile((), ("status", "intent", "code", "focus", "for", "authoredOn", "requester", "owner")),
    "Organization": Profile(
        (Rule("identifier:ods.value", "1..* in UK Core", _numbered(*ODS)),), ("identifier", "active", "name", "telecom", "address")
    ),
    "Practitioner": Profile((), ("identifier", "name", "telecom")),
    "PractitionerRole": Profile((), ("active", "period", "practitioner", "organization", "specialty", "location", "telecom")),
    "Location": Profile((Rule("identifier:ods.value", "1..* in UK Core", _numbered(*ODS)),), ("status", "name", "address")),
    "FamilyMemberHistory": Profile((), ("status", "patient", "date", "relationship", "condition")),
    "Specimen": Profile((), ("status", "type", "subject", "receivedTime")),
    "Flag": Profile((), ("status", "code", "subject")),
    "Consent": Profile((), ("status", "scope", "category", "patient", "dateTime")),
}  # fmt: skip


def check(resource: dict, *, supported: bool = False) -> list[Issue]:
    """The constraints of UK Core a resource breaks, by the profile it names or its type's own; must-support gaps too where ``supported``.

    >>> check({"resourceType": "AllergyIntolerance", "id": "a", "meta": {}})[0].location
    'AllergyIntolerance.code'
    """
    profile = PROFILES.get(_profile(resource))
    if profile is None:
        return []
    name = resource["resourceType"]
    found = [Issue("error", "required", f"{name}.{rule.element}", rule.words) for rule in profile.rules if not rule.keeps(resource)]
    if "extension" in resource:
        found += [
            Issue("error", "business-rule", f"{name}.extension", "an extension that UK Core retired")
            for extension in resource["extension"] if extension.get("url", "").rpartition("UKCore-")[2] in RETIRED
        ]  # fmt: skip
    if supported:
        found += [
            Issue("warning", "incomplete", f"{name}.{element}", "must support: not given")
            for element in profile.supported
            if element not in resource
            and not any(each.startswith(element) and each[len(element)].isupper() for each in resource if len(each) > len(element))
        ]
    return found


def _profile(resource: dict) -> str:
    for url in resource.get("meta", {}).get("profile", ()):
        if url.startswith(BASE):
            return url[len(BASE) :].partition("|")[0]
    return resource["resourceType"]
