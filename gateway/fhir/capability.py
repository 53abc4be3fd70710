"""The CapabilityStatement, made from the table that is searched and indexed by, so that it cannot promise anything
else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.fhir import params

DEFINITION = "http://hl7.org/fhir/SearchParameter/"
INTERACTIONS = ("read", "vread", "history-instance", "search-type")
DATE = "2026-11-27"
SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
NONE: Mapping[str, str] = MappingProxyType({})
COMBINATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
"""The extension that says which parameters must be asked together."""
PLAIN, UK_CORE = "http://hl7.org/fhir/StructureDefinition/", "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
OWN_PATIENT = frozenset({"Task", "Specimen", "RelatedPerson", *params.WITHOUT_SUBJECT})
"""Types whose parameter ``patient`` has a definition of its own, where others share one."""
PERSON = (
    "A search names one person: `patient` (one Patient resource, and what its source holds), `patient.identifier` "
    "(an NHS number: all that every source holds of the person) or `_id`. Patient.link leads to the person's other "
    "Patients."
)
PATIENT = (
    "A search needs `identifier`, `_id`, or two of `family`, `given` and `birthdate`. Send an NHS number in the body "
    "of a POST."
)


def statement(version: str, url: str, endpoints: Mapping[str, str] = NONE) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/http.html#capabilities

    The CapabilityStatement of this server at ``url``. ``endpoints`` are the addresses of its own sign-in, as SMART
    names them (``token``, ``authorize``)."""
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": DATE, "kind": "instance",
        "software": {"name": "NHS record gateway", "version": version},
        "implementation": {"description": "Linked GP, hospital and social-care records", "url": url},
        "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
        "fhirVersion": "4.0.1", "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "rest": [{
            "mode": "server",
            "security": {
                **_oauth_uris(endpoints),
                "cors": False,
                "service": [{"coding": [{"system": SERVICE, "code": code}]} for code in ("OAuth", *(["SMART-on-FHIR"] if endpoints else []))],
                "description": "A bearer token of a known issuer; every answer is decided, limited and audited.",
            },
            "resource": [_resource(name) for name in params.SEARCHABLE],
            "operation": [_operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export")],
        }],
    }  # fmt: skip


def _oauth_uris(endpoints: Mapping[str, str]) -> dict[str, Any]:
    """https://hl7.org/fhir/smart-app-launch/conformance.html#declaring-support-for-oauth2-endpoints"""
    inner = [{"url": name, "valueUri": address} for name, address in endpoints.items()]
    return {"extension": [{"url": OAUTH_URIS, "extension": inner}]} if inner else {}


def _resource(name: str) -> dict[str, Any]:
    rows = params.searchable(name).values()
    resource: dict[str, Any] = {
        "type": name,
        "interaction": [{"code": code} for code in INTERACTIONS],
        "profile": PLAIN + name, "supportedProfile": [UK_CORE + name],
        "versioning": "versioned", "readHistory": True, "updateCreate": False, "conditionalRead": "not-match",
        "searchParam": [
            {"name": "_id", "definition": DEFINITION + "Resource-id", "type": "token"},
            {"name": "_lastUpdated", "definition": DEFINITION + "Resource-lastUpdated", "type": "date"},
            *({"name": row.name, "definition": DEFINITION + row.definition(name), "type": row.kind} for row in rows),
        ],
    }  # fmt: skip
    for about in params.about(name):
        shared = "clinical" if about == "patient" and name not in OWN_PATIENT else name
        resource["searchParam"].append(
            {"name": about, "definition": f"{DEFINITION}{shared}-{about}", "type": "reference"}
        )
    together = _together(name)
    if together:
        resource["extension"] = [_combination(names) for names in together]
        resource["documentation"] = PATIENT if name == "Patient" else PERSON
    if params.about(name):
        resource["searchParam"].append(
            {
                "name": "patient.identifier",
                "type": "token",
                "documentation": "The person's NHS number, as system|value.",
            }
        )
    include = [f"{name}:{param}" for param in params.includes(name)]
    if include:
        resource["searchInclude"] = include
    if name == "Patient":
        resource["operation"] = [
            _operation("summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
            _operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"),
        ]
    return resource


def _together(name: str) -> tuple[tuple[str, ...], ...]:
    """The parameters of a type of which one group must be asked; () where each may be asked alone."""
    if name == "Patient":
        return ("identifier",), ("_id",), ("family", "given"), ("family", "birthdate"), ("given", "birthdate")
    return (("patient",), ("patient.identifier",), ("_id",)) if params.about(name) else ()


def _combination(names: tuple[str, ...]) -> dict[str, Any]:
    return {"url": COMBINATION, "extension": [{"url": "required", "valueString": name} for name in names]}


def _operation(name: str, definition: str) -> dict[str, Any]:
    return {"name": name, "definition": definition}
