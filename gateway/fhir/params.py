"""THE TABLE of what we decide of R4's search parameters: which are indexed and how, and which are refused.

``r4/defined.py`` holds every parameter of the types we serve. One that has a row in ``PARAMS`` is found by an index;
any other is answered by a filter over what one person has. ``number`` names the parameter in the index for ever: never
reuse one. ``paths`` says, by type, which element is indexed. ``is_global`` may be found without naming a patient.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from gateway.fhir.r4.defined import Definition, definitions

PATIENT_TYPES = (
    "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Encounter",
    "Procedure", "Immunization", "EpisodeOfCare", "ServiceRequest", "Task", "Flag", "Consent", "FamilyMemberHistory", "Specimen",
    "RelatedPerson", "CarePlan", "DocumentReference", "Appointment", "Provenance",
)  # fmt: skip
BOOK_TYPES = ("Schedule", "Slot")
"""The empty pages of an appointment book: when who works where, and what of it is free. They never say for whom."""
DIRECTORY_TYPES = ("Organization", "Practitioner", "PractitionerRole", "Location", *BOOK_TYPES)
"""THE list of types that are about no patient: any signed-in role reads them, a book's only of its own organisation,
and only a source's own flag hides them."""
SEARCHABLE = ("Patient", *PATIENT_TYPES, *DIRECTORY_TYPES)
SUBJECT = {
    "AllergyIntolerance": "patient", "Immunization": "patient", "EpisodeOfCare": "patient", "Consent": "patient", "Task": "for",
    "FamilyMemberHistory": "patient", "RelatedPerson": "patient", "Coverage": "beneficiary", "Patient": "",
    "Appointment": "participant.actor", "Provenance": "target",
}  # fmt: skip
"""The element that says which patient a resource is about, where it is not ``subject``. One that also names others says
it by the one Patient among them."""
WITHOUT_SUBJECT = frozenset({"Appointment", "Provenance"})
"""Types of which R4 has the parameter ``patient`` alone, whatever their element is called."""


NARROWER = frozenset({("AllergyIntolerance", "code"), ("DocumentReference", "identifier")})
"""Where the index holds less than R4 reads (the substance of a reaction, the master identifier): a filter answers."""
OURS = {
    ("Organization", "name"): "Organization.name",
    ("Location", "name"): "Location.name",
}
"""Where we read less than R4 does: an alias is not indexed, and a directory is too long to be read."""
REFUSED = {
    "phonetic": "no sounds are compared",
    "near": "no distances are measured",
    "link": "links are made for each answer, as its caller may see them: search by identifier",
}
"""Parameters of R4 that are not answered, each with the reason."""
NAMING = frozenset({"identifier", "family", "given", "birthdate"})
PRIVATE = NAMING | {
    "name", "address", "address-city", "address-country", "address-postalcode", "address-state", "email", "phone", "telecom",
}  # fmt: skip
"""Parameters whose values never go into a link: they name a person."""
PUBLIC_TYPES = frozenset({"Organization", "Location"})
"""Types whose name and address name no person."""


@dataclass(frozen=True)
class Param:
    """One row: a search parameter that is indexed, the types that have it and the element of each."""

    number: int
    name: str
    kind: str
    paths: dict[str, str] = field(hash=False)
    is_global: bool = False
    main: frozenset[str] = frozenset()

    def is_main_date(self, resource_type: str) -> bool:
        """Whether this is the clinical date the type's head carries, which it is also sorted by."""
        return resource_type in self.main


def _same(path: str, *types: str) -> dict[str, str]:
    return dict.fromkeys(types, path)


_STATUS = (
    "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport", "Encounter", "Procedure", "Immunization", "EpisodeOfCare",
    "ServiceRequest", "CarePlan", "Task", "Consent", "Location", "FamilyMemberHistory", "Specimen", "DocumentReference", "Appointment", "Slot",
)  # fmt: skip
"""The types that are found by status."""
_IDENTIFIED = [name for name in SEARCHABLE if name != "Provenance"]
"""The types that have identifiers in R4."""
_MAIN = frozenset

PARAMS = (
    Param(1, "identifier", "token", _same("identifier", *_IDENTIFIED), is_global=True),
    Param(2, "code", "token", {
        **_same("code", "AllergyIntolerance", "Condition", "Observation", "DiagnosticReport", "Procedure", "ServiceRequest", "Task"),
        **_same("medicationCodeableConcept", "MedicationRequest", "MedicationStatement"),
        **_same("condition.code", "FamilyMemberHistory")}),
    Param(3, "category", "token", _same(
        "category", "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport",
        "Procedure", "ServiceRequest", "Consent", "CarePlan", "DocumentReference")),
    Param(4, "status", "token", _same("status", *_STATUS)),
    Param(5, "clinical-status", "token", _same("clinicalStatus", "Condition", "AllergyIntolerance")),
    Param(6, "vaccine-code", "token", _same("vaccineCode", "Immunization")),
    Param(7, "type", "token", _same("type", "Encounter", "EpisodeOfCare", "Organization", "Specimen", "DocumentReference")),
    Param(8, "class", "token", _same("class", "Encounter")),
    Param(9, "gender", "token", _same("gender", "Patient")),
    Param(10, "relationship", "token", _same("relationship", "FamilyMemberHistory", "RelatedPerson")),
    Param(20, "encounter", "reference", {**_same(
        "encounter", "Condition", "MedicationRequest", "Observation", "DiagnosticReport", "Procedure", "ServiceRequest", "Task", "Flag",
        "CarePlan"), "DocumentReference": "context.encounter"}),
    Param(26, "practitioner", "reference", _same("practitioner", "PractitionerRole"), is_global=True),
    Param(27, "organization", "reference", {
        "PractitionerRole": "organization", "EpisodeOfCare": "managingOrganization", "Patient": "managingOrganization"}, is_global=True),
    Param(28, "schedule", "reference", _same("schedule", "Slot"), is_global=True),
    Param(29, "actor", "reference", _same("actor", "Schedule"), is_global=True),
    Param(32, "target", "reference", _same("target", "Provenance")),
    Param(40, "date", "date", {
        "AllergyIntolerance": "recordedDate", "Observation": "effective", "DiagnosticReport": "effective", "Encounter": "period",
        "Procedure": "performed", "Immunization": "occurrence", "EpisodeOfCare": "period", "Flag": "period", "Consent": "dateTime",
        "FamilyMemberHistory": "date", "CarePlan": "period", "DocumentReference": "date", "Appointment": "start",
        "Schedule": "planningHorizon"},
        main=_MAIN({"AllergyIntolerance", "Observation", "DiagnosticReport", "Encounter", "Procedure", "Immunization", "EpisodeOfCare", "Flag",
                    "Consent", "FamilyMemberHistory", "CarePlan", "DocumentReference", "Appointment", "Schedule"})),
    Param(41, "recorded-date", "date", _same("recordedDate", "Condition")),
    Param(42, "onset-date", "date", _same("onset", "Condition"), main=_MAIN({"Condition"})),
    Param(43, "authoredon", "date", _same("authoredOn", "MedicationRequest"), main=_MAIN({"MedicationRequest"})),
    Param(44, "effective", "date", _same("effective", "MedicationStatement"), main=_MAIN({"MedicationStatement"})),
    Param(45, "authored", "date", _same("authoredOn", "ServiceRequest"), main=_MAIN({"ServiceRequest"})),
    Param(46, "authored-on", "date", _same("authoredOn", "Task"), main=_MAIN({"Task"})),
    Param(47, "period", "date", _same("executionPeriod", "Task")),
    Param(48, "birthdate", "date", _same("birthDate", "Patient"), main=_MAIN({"Patient"})),
    Param(49, "issued", "date", _same("issued", "DiagnosticReport")),
    Param(50, "start", "date", _same("start", "Slot"), main=_MAIN({"Slot"})),
    Param(51, "recorded", "date", _same("recorded", "Provenance"), main=_MAIN({"Provenance"})),
    Param(60, "family", "string", _same("name.family", "Patient", "Practitioner"), is_global=True),
    Param(61, "given", "string", _same("name.given", "Patient", "Practitioner"), is_global=True),
    Param(62, "name", "string", _same("name", "Organization", "Location"), is_global=True),
)  # fmt: skip
"""Numbers 21 to 25, 30, 31 and 33 were once of parameters that are not indexed: they stay unused."""

_BY_TYPE = {name: {param.name: param for param in PARAMS if name in param.paths} for name in SEARCHABLE}


def indexed(resource_type: str) -> dict[str, Param]:
    """The rows of a type's index, by name."""
    return _BY_TYPE.get(resource_type, {})


@lru_cache(maxsize=256)
def searchable(resource_type: str) -> dict[str, Definition]:
    """The parameters a type can be searched by, with those of every resource; {} for a type that is not served."""
    if resource_type not in SEARCHABLE:
        return {}
    own, every = definitions()[resource_type], definitions()["Resource"]
    rows = {name: row for name, row in (own | every).items() if name not in REFUSED}
    return {
        name: replace(row, type=resource_type, expression=OURS.get((resource_type, name), row.expression))
        for name, row in sorted(rows.items())
    }


def row(resource_type: str, name: str) -> Param:
    """The row of a type's indexed parameter."""
    return _BY_TYPE[resource_type][name]


def main_date(resource_type: str) -> Param | None:
    """The row of the date a type is sorted by."""
    return next((param for param in indexed(resource_type).values() if param.is_main_date(resource_type)), None)


def is_private(resource_type: str, name: str) -> bool:
    """Whether a parameter of a request names a person, in whatever place of a chain.

    >>> is_private("Observation", "subject:Patient.name"), is_private("Organization", "name:exact")
    (True, False)
    """
    private = NAMING if resource_type in PUBLIC_TYPES and "." not in name else PRIVATE
    return not private.isdisjoint(name.replace(".", ":").split(":"))


def subject(resource_type: str) -> str:
    """The element that says which patient a resource is about, or ""."""
    return "" if resource_type in DIRECTORY_TYPES else SUBJECT.get(resource_type, "subject")


def about(resource_type: str) -> tuple[str, ...]:
    """The parameters by which a type's patient is named: R4 has ``subject`` only where the element is not called
    ``patient``."""
    if resource_type not in PATIENT_TYPES:
        return ()
    is_alone = resource_type in WITHOUT_SUBJECT or subject(resource_type) == "patient"
    return ("patient",) if is_alone else ("patient", "subject")


@lru_cache(maxsize=256)
def listing(resource_type: str) -> tuple[str, ...]:
    """The parameters by which the people on a list are named: ``_list`` in R4's word for lists, a reverse chain in R4's
    form for groups, and R5's ``_in``. () for a type that is about nobody."""
    ways = ("_has:Group:member:_id", "_in")
    if resource_type == "Patient":
        return ("_list", *ways)
    chained = [f"{who}{type_}.{way}" for who in about(resource_type) for type_ in ("", ":Patient") for way in ways]
    return ("_list", *chained) if chained else ()


@lru_cache(maxsize=256)
def includes(resource_type: str) -> dict[str, tuple[str, ...]]:
    """What ``_include`` may name from a type, with the types that we serve which it leads to."""
    references = [row for row in searchable(resource_type).values() if row.kind == "reference"]
    led = {row.name: tuple(type_ for type_ in SEARCHABLE if row.leads_to(type_)) for row in references}
    return {name: targets for name, targets in led.items() if targets}


@lru_cache(maxsize=256)
def referring(resource_type: str) -> tuple[tuple[str, str], ...]:
    """What ``_revinclude`` may name for a type: (type that refers, its parameter). A directory never refers to
    people."""
    is_directory = resource_type in DIRECTORY_TYPES
    return tuple(
        (source, name)
        for source in SEARCHABLE
        for name, targets in includes(source).items()
        if resource_type in targets and (source in DIRECTORY_TYPES) == is_directory
    )
