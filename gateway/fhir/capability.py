"""The CapabilityStatement, made from the table that is searched and indexed by, so that it cannot promise anything
else."""

from __future__ import annotations

from typing import Any

from gateway.fhir import params

DEFINITION = "http://hl7.org/fhir/SearchParameter/"
INTERACTIONS = ("read", "vread", "history-instance", "search-type")
DATE = "2026-11-24"


def statement(version: str, url: str) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/http.html#capabilities

    The CapabilityStatement of this server at ``url``."""
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": DATE, "kind": "instance",
        "software": {"name": "NHS record gateway", "version": version},
        "implementation": {"description": "Linked GP, hospital and social-care records", "url": url},
        "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
        "fhirVersion": "4.0.1", "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "security": {
                "cors": False,
                "service": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "OAuth"}]}],
                "description": "A bearer token of a known issuer; every answer is decided, limited and audited.",
            },
            "resource": [_resource(name) for name in params.SEARCHABLE],
            "operation": [_operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export")],
        }],
    }  # fmt: skip


def _resource(name: str) -> dict[str, Any]:
    rows = params.searchable(name).values()
    found: dict[str, Any] = {
        "type": name,
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned", "readHistory": True, "updateCreate": False,
        "searchParam": [
            {"name": "_id", "definition": DEFINITION + "Resource-id", "type": "token"},
            {"name": "_lastUpdated", "definition": DEFINITION + "Resource-lastUpdated", "type": "date"},
            *({"name": row.name, "definition": DEFINITION + row.definition(name), "type": row.kind} for row in rows),
        ],
    }  # fmt: skip
    for about in params.about(name):
        shared = "clinical" if about == "patient" and name not in ("Task", "Specimen") else name
        found["searchParam"].append({"name": about, "definition": f"{DEFINITION}{shared}-{about}", "type": "reference"})
    include = [f"{name}:{param}" for param in params.includes(name)]
    if include:
        found["searchInclude"] = include
    if name == "Patient":
        found["operation"] = [
            _operation("summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
            _operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"),
        ]
    return found


def _operation(name: str, definition: str) -> dict[str, Any]:
    return {"name": name, "definition": definition}
