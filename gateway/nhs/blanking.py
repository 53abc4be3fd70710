"""THE TABLE of what others see of a medicine, an allergy or an immunisation that refers to something hidden: what it
is, how much, when, by whom and where, and nothing that tells why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MEDICATION = ("medicationCodeableConcept", "medicationReference")
KEPT: Mapping[str, frozenset[str]] = {
    type_: frozenset({"resourceType", "id", "meta", "language", "identifier", *names})
    for type_, names in {
        "AllergyIntolerance": (
            "clinicalStatus", "verificationStatus", "type", "category", "criticality", "code", "patient", "onsetDateTime", "onsetAge",
            "onsetPeriod", "onsetRange", "onsetString", "recordedDate", "recorder", "asserter", "lastOccurrence", "note", "reaction",
        ),
        "Immunization": (
            "status", "vaccineCode", "patient", "occurrence", "occurrenceDateTime", "occurrenceString", "recorded", "primarySource", "reportOrigin",
            "location", "manufacturer", "lotNumber", "expirationDate", "site", "route", "doseQuantity", "performer", "isSubpotent",
            "protocolApplied",
        ),
        "Medication": ("code", "status", "manufacturer", "form", "amount", "ingredient", "batch"),
        "MedicationRequest": (
            *_MEDICATION, "status", "intent", "category", "priority", "doNotPerform", "reportedBoolean", "reportedReference", "subject",
            "authoredOn", "requester", "performer", "performerType", "recorder", "basedOn", "priorPrescription", "groupIdentifier",
            "courseOfTherapyType", "dosageInstruction", "dispenseRequest", "substitution",
        ),
        "MedicationStatement": (
            *_MEDICATION, "status", "category", "subject", "effective", "effectiveDateTime", "effectivePeriod", "dateAsserted", "informationSource",
            "basedOn", "partOf", "derivedFrom", "dosage",
        ),
        "MedicationDispense": (
            *_MEDICATION, "status", "category", "subject", "performer", "location", "authorizingPrescription", "type", "quantity",
            "daysSupply", "whenPrepared", "whenHandedOver", "destination", "receiver", "dosageInstruction", "substitution",
        ),
        "MedicationAdministration": (
            *_MEDICATION, "status", "category", "subject", "effectiveDateTime", "effectivePeriod", "performer", "request", "device",
            "dosage",
        ),
    }.items()
}  # fmt: skip
"""THE TABLE: type → the elements that stay. Dosage and the content of an allergy stay with their words, for the
patient's safety. ``effective`` and ``occurrence`` are as search
parameters name them. Whatever is not here falls, in whatever place a source puts it."""
CONTAINED: Mapping[str, frozenset[str]] = {
    "Medication": KEPT["Medication"],
    **{
        type_: frozenset({"resourceType", "id", "identifier", *names})
        for type_, names in {
            "Practitioner": ("name",),
            "PractitionerRole": ("practitioner", "organization", "location"),
            "Organization": ("name",),
            "Location": ("name", "managingOrganization"),
            "Device": ("deviceName",),
            "RelatedPerson": ("name",),
        }.items()
    },
}
"""The same for what a resource contains: what, who and where. Any other type falls."""
MEDICINES = frozenset(type_ for type_ in KEPT if type_.startswith("Medication"))
COURSE = frozenset({"basedOn", "partOf", "derivedFrom", "priorPrescription", "request", "authorizingPrescription"})
"""References that stay where they lead to a medicine: a hidden one would have hidden the holder, not blanked it."""
WITHIN: Mapping[str, frozenset[str]] = {
    "protocolApplied": frozenset({"doseNumberPositiveInt", "doseNumberString", "seriesDosesPositiveInt", "seriesDosesString"}),
    "substitution": frozenset({"allowedBoolean", "allowedCodeableConcept", "wasSubstituted", "type"}),
}  # fmt: skip
"""Elements of which only a part stays: the rest says why."""
AS_NEEDED = "asNeededCodeableConcept"
_UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
EXTENSIONS = frozenset(
    {
        f"{_UK_CORE}MedicationStatementLastIssueDate",
        f"{_UK_CORE}MedicationPrescribingOrganizationType",
        f"{_UK_CORE}MedicationRepeatInformation",
        f"{_UK_CORE}VaccinationProcedure",
        "numberOfPrescriptionsIssued",
        "numberOfRepeatPrescriptionsIssued",
        "numberOfRepeatPrescriptionsAllowed",
        "authorisationExpiryDate",
        "http://hl7.org/fhir/StructureDefinition/coding-sctdescid",
        "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "urn:nhs-record-gateway:estimated",
    }
)
"""Extensions that stay, and their parts, wherever they stand: dates, counts, who prescribes, what was given, and
what is not known."""


def stays(resource_type: str, element: str) -> bool:
    """Whether an element of one of these types stays when its resource is blanked. Of an extension only those of the
    table do."""
    return element == "extension" or element.removeprefix("_") in KEPT[resource_type]


def blank(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource of one of these types with what stays of it.

    >>> blank({"resourceType": "Medication", "id": "m", "code": {"text": "x"}, "extension": [{"url": "why"}]})
    {'resourceType': 'Medication', 'id': 'm', 'code': {'text': 'x'}}
    """
    type_ = resource["resourceType"]
    kept = {name: _element(name, value) for name, value in resource.items() if stays(type_, name)}
    kept = {name: value for name, value in kept.items() if value not in (None, [], {}) or name == "meta"}
    contained = _contained(resource.get("contained", ()), kept)
    return {**kept, "contained": contained} if contained else kept


def _element(name: str, value: Any) -> Any:
    if name in COURSE:
        references = value if type(value) is list else [value]
        within = [_told(item) for item in references if _is_to_medicine(item)]
        return within if type(value) is list else next(iter(within), None)
    if name in WITHIN:
        return [_part(name, item) for item in value] if type(value) is list else _part(name, value)
    return _known(value) if name == "extension" else _told(value)


def _is_to_medicine(reference: dict[str, Any]) -> bool:
    return str(reference.get("reference", "")).partition("/")[0] in MEDICINES


def _part(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {inner: _told(item) for inner, item in value.items() if inner.removeprefix("_") in WITHIN[name]}


def _told(value: Any) -> Any:
    """A value without what it would be needed for, and with the extensions of the table only."""
    if type(value) is list:
        return [_told(item) for item in value]
    if type(value) is not dict:
        return value
    left = {name: _told(item) for name, item in value.items() if name not in ("extension", AS_NEEDED, f"_{AS_NEEDED}")}
    if AS_NEEDED in value:
        left["asNeededBoolean"] = True  # when it is needed says why; that it is taken when needed is the dose
    extensions = _known(value.get("extension", ()))
    return {**left, "extension": extensions} if extensions else left


def _known(extensions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The extensions of the table, each with its value and the parts of it that the table names."""
    return [
        {name: _known(value) if name == "extension" else _told(value) for name, value in extension.items()}
        for extension in extensions
        if extension.get("url") in EXTENSIONS
    ]


def _contained(contained: Iterable[dict[str, Any]], kept: dict[str, Any]) -> list[dict[str, Any]]:
    """What is contained, told of by what stays, and may stay itself. Each holds no more than the table says."""
    held = {
        f"#{item.get('id', '')}": {
            name: _told(value) for name, value in item.items() if name.removeprefix("_") in names
        }
        for item in contained
        if (names := CONTAINED.get(item.get("resourceType", "")))
    }
    waiting, named = [*_local(kept)], list[str]()
    for key in waiting:  # grows as it is walked
        if key in held and key not in named:
            named.append(key)
            waiting += _local(held[key])
    return [item for key, item in held.items() if key in named]


def _local(value: Any) -> Iterator[str]:
    """Every reference of a value to what is contained."""
    if type(value) is list:
        for item in value:
            yield from _local(item)
    elif type(value) is dict:
        reference = value.get("reference")
        if type(reference) is str and reference.startswith("#"):
            yield reference
        for item in value.values():
            yield from _local(item)
