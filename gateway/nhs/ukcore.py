"""THE TABLE of UK Core's constraints (STU3 sequence, 2025-06): what a profile asks beyond R4. Checked against, never
"validated against".

UK Core's profiles are differentials only. ``error`` is a broken cardinality, fixed system or invariant; ``warning`` a
constraint that says SHOULD, or a must-support element that is not there (a source that lacks it is right to leave it
out, so warnings are told and nothing more).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.issues import Issue

BASE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
ODS = ("https://fhir.nhs.uk/Id/ods-organization-code", "https://fhir.nhs.uk/Id/ods-site-code")
VERIFICATION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
VERIFICATION_SYSTEM = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
RETIRED = frozenset(
    "ActualProblem ProblemSignificance RelatedProblemHeader RelatedClinicalContent PrescriptionType "
    "MedicationQuantityText "
    "MedicationPrescribingAgency MedicationPrescribingOrganization MedicationChangeSummary "
    "MedicationDosageLastChanged NominatedPharmacy "
    "PreferredDispenserOrganization MedicalApplianceSupplier TreatmentCategory NHSCommunication ReligiousAffiliation "
    "OverseasVisitorChargingCategory CodingSCTDescId EffectivePeriod ClinicalSetting AnaestheticIssues "
    "EncounterTransport "
    "ServiceRequestMethod MessageHeaderInstruction".split()
)
"""Extensions of UK Core that were retired: read, never written."""
BACKPORT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
Check = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint: its element, its words, and whether a resource keeps it."""

    element: str
    words: str
    keeps: Check
    severity: str = "error"
    code: str = "required"


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: the constraints that are errors, and the must-support elements."""

    rules: tuple[Rule, ...]
    supported: tuple[str, ...]


def _has(element: str) -> Check:
    return lambda resource: element in resource or "_" + element in resource


def _needs(element: str) -> Rule:
    return Rule(element, "1..* in UK Core", _has(element))


def _laboratory(system: str, code: str) -> Rule:
    def keeps(resource: dict[str, Any]) -> bool:
        return [_is_coded(category, system, code) for category in resource.get("category", ())].count(True) == 1

    return Rule("category:laboratory", "1..1 in UK Core", keeps)


def _is_coded(concept: dict[str, Any], system: str, code: str) -> bool:
    for coding in concept.get("coding", ()):
        if coding.get("code") == code and coding.get("system") == system:
            return True
    return False


def _broken(element: str, words: str, keeps: Check, severity: str = "error") -> Rule:
    return Rule(element, words, keeps, severity, "invariant")


def _has_extension(element: dict[str, Any], url: str) -> bool:
    return any(extension.get("url") == url for extension in element.get("extension", ()))


def _media(resource: dict[str, Any]) -> bool:
    return not any(_has_extension(media, f"{BACKPORT}DiagnosticReport.media.link") and "reference" in media.get("link", {})
                   for media in resource.get("media", ()))  # fmt: skip


def _collector(resource: dict[str, Any]) -> bool:
    collector = resource.get("collection", {}).get("collector", {})
    return not ("reference" in collector and _has_extension(collector, f"{BACKPORT}Specimen.collection.collector"))


def _is_given(resource: dict[str, Any], element: str) -> bool:
    if not element.endswith("[x]"):
        return element in resource or "_" + element in resource
    stem = element.removesuffix("[x]")
    stems = (stem, "_" + stem)
    for name in resource:
        if name.startswith(stems) and name.removeprefix("_")[len(stem) : len(stem) + 1].isupper():
            return True
    return False


def _numbered(*systems: str) -> Check:
    return lambda resource: all(
        "value" in identifier or "_value" in identifier
        for identifier in resource.get("identifier", ())
        if identifier.get("system") in systems
    )


def _whole_identifiers(resource: dict[str, Any]) -> bool:
    return all("system" in identifier and "value" in identifier for identifier in resource.get("identifier", ()))


def _verification(resource: dict[str, Any]) -> bool:
    for identifier in resource.get("identifier", ()):
        for extension in identifier.get("extension", ()):
            if extension.get("url") == VERIFICATION:
                codings = extension.get("valueCodeableConcept", {}).get("coding", ())
                if not codings or any(coding.get("system") != VERIFICATION_SYSTEM for coding in codings):
                    return False
    return True


_OBSERVATION_LABORATORY = _laboratory("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")
_REPORT_LABORATORY = _laboratory("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")
_ISSUED = frozenset({"partial", "preliminary", "final", "amended", "corrected", "appended"})
_MEDIA = _broken("media", "ukcore-diag-lab-002: the extension for the link or its reference, not both", _media)
PROFILES: dict[str, Profile] = {
    "Patient": Profile(
        (Rule("identifier:nhsNumber.value", "1..* in UK Core", _numbered(NHS_NUMBER)),
         Rule("identifier:nhsNumber.extension", "the system of the verification status is fixed", _verification, code="value")),
        ("identifier", "active", "name", "telecom", "gender", "birthDate", "address", "managingOrganization")),
    "AllergyIntolerance": Profile((_needs("code"),), ("clinicalStatus", "verificationStatus", "code", "patient", "reaction")),
    "Condition": Profile((), ("clinicalStatus", "verificationStatus", "severity", "code", "subject", "recorder")),
    "Medication": Profile((_needs("code"),), ("code",)),
    "MedicationRequest": Profile(
        (_needs("substitution"),),
        ("identifier", "status", "intent", "category", "medication[x]", "subject", "authoredOn", "requester", "dosageInstruction",
         "dispenseRequest", "substitution")),
    "MedicationStatement": Profile(
        (Rule("identifier", "system and value are needed", _whole_identifiers),),
        ("identifier", "basedOn", "status", "category", "medication[x]", "subject", "effective[x]", "dateAsserted", "informationSource",
         "derivedFrom", "dosage")),
    "Observation": Profile((), ("status", "category", "code", "subject", "effective[x]", "performer", "value[x]", "component")),
    "Observation-Lab": Profile(
        (_needs("category"), _OBSERVATION_LABORATORY,
         _broken("value[x]", "ukcore-obs-lab-001: a value, the reason why there is none, or a note",
                 lambda r: any(_is_given(r, element) for element in ("value[x]", "dataAbsentReason", "note")), "warning")),
        ("status", "category", "code")),
    "Observation-Group-Lab": Profile(
        (_needs("category"), _OBSERVATION_LABORATORY,
         _broken("value[x]", "ukcore-obs-grplab-001: a group has no value", lambda r: not _is_given(r, "value[x]"), "warning")),
        ("status", "category", "code")),
    "DiagnosticReport": Profile((_MEDIA,), ("status", "category", "code", "subject", "encounter", "issued", "result")),
    "DiagnosticReport-Lab": Profile(
        (_needs("category"), _REPORT_LABORATORY, _needs("subject"),
         _broken("issued", "ukcore-diag-lab-001: a time of issue", lambda r: r.get("status") not in _ISSUED or _is_given(r, "issued"), "warning")),
        ("status", "category", "code", "subject", "issued", "result")),
    "Encounter": Profile((), ("identifier", "status", "class", "subject", "participant", "reasonCode", "reasonReference")),
    "Procedure": Profile((), ("status", "code", "subject", "performed[x]")),
    "Immunization": Profile(
        (_broken("statusReason", "ukcore-imm-001: not-done needs a reason",
                 lambda r: r.get("status") != "not-done" or _is_given(r, "statusReason")),),
        ("status", "vaccineCode", "patient", "occurrence[x]", "manufacturer", "lotNumber", "doseQuantity")),
    "EpisodeOfCare": Profile((), ("status", "patient", "period", "careManager")),
    "ServiceRequest": Profile((), ("basedOn", "status", "intent", "category", "priority", "code", "subject", "authoredOn", "requester")),
    "Task": Profile(
        (),
        ("status", "intent", "code", "focus", "for", "authoredOn", "requester", "owner", "reasonCode", "reasonReference", "restriction", "input")),
    "Organization": Profile(
        (Rule("identifier:ods.value", "1..* in UK Core", _numbered(*ODS)),), ("identifier", "active", "name", "telecom", "address")
    ),
    "Practitioner": Profile((), ("identifier", "name", "telecom")),
    "PractitionerRole": Profile((), ("active", "period", "practitioner", "organization", "specialty", "location", "telecom")),
    "Location": Profile((Rule("identifier:ods.value", "1..* in UK Core", _numbered(*ODS)),), ("status", "name", "address")),
    "FamilyMemberHistory": Profile((), ("status", "patient", "date", "name", "relationship", "condition")),
    "Specimen": Profile(
        (_broken("collection.collector", "ukcore-spec-001: the extension for the collector or its reference, not both", _collector),),
        ("status", "type", "subject", "receivedTime")),
    "DocumentReference": Profile((), ("identifier", "status", "type", "category", "subject", "date", "author", "description", "content")),
    "Flag": Profile((), ("status", "code", "subject")),
    "Consent": Profile((), ("status", "scope", "category", "patient", "dateTime", "performer", "organization", "source[x]")),
}  # fmt: skip


def check(resource: dict[str, Any], *, supported: bool = False) -> list[Issue]:
    """The constraints of UK Core a resource breaks, by the profiles it names or its type's own; must-support gaps too
    where ``supported``.

    >>> check({"resourceType": "AllergyIntolerance", "id": "a", "meta": {}})[0].location
    'AllergyIntolerance.code'
    """
    name = resource["resourceType"]
    profiles = _profiles(name, tuple(_claims(resource)))
    issues = [
        Issue(rule.severity, rule.code, f"{name}.{rule.element}", rule.words)
        for profile in profiles
        for rule in profile.rules
        if not rule.keeps(resource)
    ]
    if "extension" in resource:
        issues += [
            Issue("error", "business-rule", f"{name}.extension[{index}]", "an extension that UK Core retired")
            for index, extension in enumerate(resource["extension"]) if extension.get("url", "").rpartition("UKCore-")[2] in RETIRED
        ]  # fmt: skip
    if supported:
        issues += [
            Issue("warning", "incomplete", f"{name}.{element}", "must support: not given")
            for profile in profiles for element in profile.supported if not _is_given(resource, element)
        ]  # fmt: skip
    return list(dict.fromkeys(issues)) if issues else issues


def check_claimed(resource: dict[str, Any]) -> list[Issue]:
    """The same, with must-support gaps where the resource says it is of UK Core."""
    return check(resource, supported=bool(_claims(resource)))


def _claims(resource: dict[str, Any]) -> list[str]:
    """The profiles of UK Core that a resource names."""
    return [url for url in resource.get("meta", {}).get("profile", ()) if isinstance(url, str) and url.startswith(BASE)]


@lru_cache(maxsize=1024)
def _profiles(resource_type: str, claims: tuple[str, ...]) -> tuple[Profile, ...]:
    """What to look at a resource as. A profile that is not in the table is looked at as its type's own."""
    named = [url[len(BASE) :].partition("|")[0] for url in claims]
    names = [profile if profile in PROFILES else resource_type for profile in named] or [resource_type]
    return tuple(PROFILES[profile] for profile in names if profile in PROFILES)
