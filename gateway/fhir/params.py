"""THE TABLE of search parameters. A row here is indexed, searchable and in the CapabilityStatement; what has no row is
refused by name.

``number`` names the parameter in the index for ever: never reuse one. A row that is not ``is_indexed`` serves
``_include`` only. ``paths`` says, by type, which element it reads (FHIR R4 SearchParameter definitions). ``shared``
begins the id of the definition that types have in common (``clinical-code``), ``apart`` that of the types which have
another; where neither says, the type's own (``Task-code``). ``is_global`` may be found without naming a patient.
``systems`` says, by type, of which code system an element is that holds a code alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PATIENT_TYPES = (
    "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Encounter",
    "Procedure", "Immunization", "EpisodeOfCare", "ServiceRequest", "Task", "Flag", "Consent", "FamilyMemberHistory", "Specimen",
    "DocumentReference",
)  # fmt: skip
DIRECTORY_TYPES = ("Organization", "Practitioner", "PractitionerRole", "Location")
"""THE list of types that are about no patient: any signed-in role reads them, and only a source's own flag hides
them."""
SEARCHABLE = ("Patient", *PATIENT_TYPES, *DIRECTORY_TYPES)
SUBJECT = {
    "AllergyIntolerance": "patient", "Immunization": "patient", "EpisodeOfCare": "patient", "Consent": "patient", "Task": "for",
    "FamilyMemberHistory": "patient", "RelatedPerson": "patient", "Coverage": "beneficiary", "Patient": "",
}  # fmt: skip
"""The element that says which patient a resource is about, where it is not ``subject``."""


@dataclass(frozen=True)
class Param:
    """One row: a search parameter, the types that have it and the element each reads."""

    number: int
    name: str
    kind: str
    shared: str
    paths: dict[str, str] = field(hash=False)
    is_global: bool = False
    is_indexed: bool = True
    main: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    apart: dict[str, str] = field(default_factory=dict, hash=False)
    systems: dict[str, str] = field(default_factory=dict, hash=False)

    def definition(self, resource_type: str) -> str:
        """The id of R4's definition of this parameter for a type."""
        return f"{self.apart.get(resource_type, self.shared) or resource_type}-{self.name}"

    def is_main_date(self, resource_type: str) -> bool:
        """Whether this is the clinical date the type's head carries, which it is also sorted by."""
        return resource_type in self.main


def _same(path: str, *types: str) -> dict[str, str]:
    return dict.fromkeys(types, path)


def _own(*types: str) -> dict[str, str]:
    """Types whose definition is their own, where others share one."""
    return dict.fromkeys(types, "")


_STATUS = {
    "MedicationRequest": "http://hl7.org/fhir/CodeSystem/medicationrequest-status",
    "MedicationStatement": "http://hl7.org/fhir/CodeSystem/medication-statement-status",
    "Observation": "http://hl7.org/fhir/observation-status",
    "DiagnosticReport": "http://hl7.org/fhir/diagnostic-report-status",
    "Encounter": "http://hl7.org/fhir/encounter-status",
    "Procedure": "http://hl7.org/fhir/event-status",
    "Immunization": "http://hl7.org/fhir/event-status",
    "EpisodeOfCare": "http://hl7.org/fhir/episode-of-care-status",
    "ServiceRequest": "http://hl7.org/fhir/request-status",
    "Task": "http://hl7.org/fhir/task-status",
    "Consent": "http://hl7.org/fhir/consent-state-codes",
    "Location": "http://hl7.org/fhir/location-status",
    "FamilyMemberHistory": "http://hl7.org/fhir/history-status",
    "Specimen": "http://hl7.org/fhir/specimen-status",
    "DocumentReference": "http://hl7.org/fhir/document-reference-status",
}
"""The types that are found by status, and the code system each status is of (R4, the value sets they are bound to)."""
_MAIN = frozenset

PARAMS = (
    Param(1, "identifier", "token", "clinical", _same("identifier", *SEARCHABLE), is_global=True,
          apart=_own("Patient", "Task", "Flag", "Specimen", *DIRECTORY_TYPES)),
    Param(2, "code", "token", "clinical", {
        **_same("code", "AllergyIntolerance", "Condition", "Observation", "DiagnosticReport", "Procedure", "ServiceRequest", "Task"),
        **_same("medicationCodeableConcept", "MedicationRequest", "MedicationStatement"),
        **_same("condition.code", "FamilyMemberHistory")}, apart=_own("Task")),
    Param(3, "category", "token", "", _same(
        "category", "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport",
        "Procedure", "ServiceRequest", "Consent", "DocumentReference"),
        systems={"AllergyIntolerance": "http://hl7.org/fhir/allergy-intolerance-category"}),
    Param(4, "status", "token", "", _same("status", *_STATUS),
          apart={"MedicationRequest": "medications", "MedicationStatement": "medications"}, systems=_STATUS),
    Param(5, "clinical-status", "token", "", _same("clinicalStatus", "Condition", "AllergyIntolerance")),
    Param(6, "vaccine-code", "token", "", _same("vaccineCode", "Immunization")),
    Param(7, "type", "token", "clinical", _same("type", "Encounter", "EpisodeOfCare", "Organization", "Specimen", "DocumentReference"),
          apart=_own("Organization", "Specimen")),
    Param(8, "class", "token", "", _same("class", "Encounter")),
    Param(9, "gender", "token", "individual", _same("gender", "Patient"),
          systems={"Patient": "http://hl7.org/fhir/administrative-gender"}),
    Param(10, "relationship", "token", "", _same("relationship", "FamilyMemberHistory")),
    Param(20, "encounter", "reference", "clinical", {**_same(
        "encounter", "Condition", "MedicationRequest", "Observation", "DiagnosticReport", "Procedure", "ServiceRequest", "Task", "Flag"),
        "DocumentReference": "context.encounter"},
        targets=("Encounter",), apart={"MedicationRequest": "medications", **_own("Condition", "Task")}),
    Param(21, "service-provider", "reference", "", _same("serviceProvider", "Encounter"), targets=("Organization",),
          is_indexed=False),
    Param(22, "result", "reference", "", _same("result", "DiagnosticReport"), targets=("Observation",), is_indexed=False),
    Param(23, "requester", "reference", "", _same("requester", "MedicationRequest", "ServiceRequest", "Task"),
          targets=("Practitioner", "PractitionerRole", "Organization"), is_indexed=False),
    Param(24, "performer", "reference", "", {
        **_same("performer", "Observation", "DiagnosticReport", "ServiceRequest"), **_same("performer.actor", "Procedure", "Immunization")},
        targets=("Practitioner", "PractitionerRole", "Organization"), is_indexed=False),
    Param(25, "author", "reference", "", _same("author", "Flag", "DocumentReference"), targets=("Practitioner", "PractitionerRole", "Organization"),
          is_indexed=False),
    Param(26, "practitioner", "reference", "", _same("practitioner", "PractitionerRole"), is_global=True,
          targets=("Practitioner",)),
    Param(27, "organization", "reference", "", {
        "PractitionerRole": "organization", "EpisodeOfCare": "managingOrganization", "Patient": "managingOrganization"},
        targets=("Organization",), is_global=True),
    Param(40, "date", "date", "clinical", {
        "AllergyIntolerance": "recordedDate", "Observation": "effective", "DiagnosticReport": "effective", "Encounter": "period",
        "Procedure": "performed", "Immunization": "occurrence", "EpisodeOfCare": "period", "Flag": "period", "Consent": "dateTime",
        "FamilyMemberHistory": "date", "DocumentReference": "date"},
        apart=_own("DocumentReference"),
        main=_MAIN({"AllergyIntolerance", "Observation", "DiagnosticReport", "Encounter", "Procedure", "Immunization", "EpisodeOfCare", "Flag",
                    "Consent", "FamilyMemberHistory", "DocumentReference"})),
    Param(41, "recorded-date", "date", "", _same("recordedDate", "Condition")),
    Param(42, "onset-date", "date", "", _same("onset", "Condition"), main=_MAIN({"Condition"})),
    Param(43, "authoredon", "date", "", _same("authoredOn", "MedicationRequest"), main=_MAIN({"MedicationRequest"})),
    Param(44, "effective", "date", "", _same("effective", "MedicationStatement"), main=_MAIN({"MedicationStatement"})),
    Param(45, "authored", "date", "", _same("authoredOn", "ServiceRequest"), main=_MAIN({"ServiceRequest"})),
    Param(46, "authored-on", "date", "", _same("authoredOn", "Task"), main=_MAIN({"Task"})),
    Param(47, "period", "date", "", _same("executionPeriod", "Task")),
    Param(48, "birthdate", "date", "individual", _same("birthDate", "Patient"), main=_MAIN({"Patient"})),
    Param(49, "issued", "date", "", _same("issued", "DiagnosticReport")),
    Param(60, "family", "string", "individual", _same("name.family", "Patient", "Practitioner"), is_global=True),
    Param(61, "given", "string", "individual", _same("name.given", "Patient", "Practitioner"), is_global=True),
    Param(62, "name", "string", "", _same("name", "Organization", "Location"), is_global=True),
)  # fmt: skip

_BY_TYPE = {name: {param.name: param for param in PARAMS if name in param.paths} for name in SEARCHABLE}


def of_type(resource_type: str) -> dict[str, Param]:
    """The rows a type has, by name."""
    return _BY_TYPE.get(resource_type, {})


def searchable(resource_type: str) -> dict[str, Param]:
    """The rows a type can be searched by."""
    return {name: param for name, param in of_type(resource_type).items() if param.is_indexed}


def row(resource_type: str, name: str) -> Param:
    """The row of a type's parameter."""
    return _BY_TYPE[resource_type][name]


def main_date(resource_type: str) -> Param | None:
    """The row of the date a type is sorted by."""
    return next((param for param in of_type(resource_type).values() if param.is_main_date(resource_type)), None)


def subject(resource_type: str) -> str:
    """The element that says which patient a resource is about, or ""."""
    return "" if resource_type in DIRECTORY_TYPES else SUBJECT.get(resource_type, "subject")


def about(resource_type: str) -> tuple[str, ...]:
    """The parameters by which a type's patient is named: R4 has ``subject`` only where the element is not called
    ``patient``."""
    if resource_type not in PATIENT_TYPES:
        return ()
    return ("patient",) if subject(resource_type) == "patient" else ("patient", "subject")


def includes(resource_type: str) -> dict[str, tuple[str, ...]]:
    """What ``_include`` may name from a type, with the types it leads to."""
    named = {param.name: param.targets for param in of_type(resource_type).values() if param.kind == "reference"}
    return named | dict.fromkeys(about(resource_type), ("Patient",))
