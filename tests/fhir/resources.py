"""Resources to test with: a minimal valid one of each type that tests break, and our own mapped samples."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "mappings"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'
CODE = {"text": "a"}
PATIENT = {"reference": "Patient/a"}
ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"

MINIMAL: dict[str, dict] = {
    "AllergyIntolerance": {"clinicalStatus": CODE, "patient": PATIENT},
    "Basic": {"code": CODE},
    "Bundle": {"type": "collection"},
    "CarePlan": {"status": "active", "intent": "plan", "subject": PATIENT},
    "Composition": {"status": "final", "type": CODE, "date": "2024", "author": [{"reference": "Practitioner/a"}], "title": "a"},
    "Condition": {"subject": PATIENT},
    "Consent": {"status": "active", "scope": CODE, "category": [CODE], "policyRule": CODE},
    "Encounter": {"status": "finished", "class": {"code": "AMB"}},
    "FamilyMemberHistory": {"status": "partial", "patient": PATIENT, "relationship": CODE},
    "Goal": {"lifecycleStatus": "active", "description": CODE, "subject": PATIENT},
    "Immunization": {"status": "completed", "vaccineCode": CODE, "patient": PATIENT, "occurrenceString": "a"},
    "List": {"status": "current", "mode": "snapshot"},
    "MedicationRequest": {"status": "active", "intent": "order", "medicationCodeableConcept": CODE, "subject": PATIENT},
    "Observation": {"status": "final", "code": CODE},
    "Organization": {"name": "a"},
    "Parameters": {},
    "Patient": {},
    "Questionnaire": {"status": "active"},
    "ServiceRequest": {"status": "active", "intent": "order", "subject": PATIENT},
    "StructureDefinition": {
        "url": "http://example.org/s", "name": "a", "status": "active", "kind": "logical", "abstract": False, "type": "a",
        "differential": {"element": [{"path": "a"}]},
    },
    "Task": {"status": "requested", "intent": "order"},
    "ValueSet": {"status": "active"},
}  # fmt: skip


def made(resource_type: str, **elements: object) -> dict:
    """A minimal valid resource with these elements over it."""
    return {"resourceType": resource_type, **MINIMAL[resource_type], **elements}


def body(resource: object) -> bytes:
    """A resource as it is sent."""
    return json.dumps(resource, ensure_ascii=False).encode()


@lru_cache(maxsize=1)
def samples() -> list[tuple[str, dict]]:
    """(file and place, resource) of everything our mappings make of their samples, as it is stored: without labels."""
    found = []
    for path in sorted(SAMPLES.glob("*/samples/*.fhir.json")):
        for number, resource in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            meta = {name: value for name, value in resource.get("meta", {}).items() if name != "security"}
            stored = {name: value for name, value in resource.items() if name != "meta"} | (
                {"meta": meta} if meta else {}
            )
            found.append((f"{path.parent.parent.name}/{path.name}[{number}]", stored))
    return found


def one_of_each() -> list[tuple[str, dict]]:
    """The fullest sample of each type."""
    fullest = {
        resource["resourceType"]: (name, resource)
        for name, resource in sorted(samples(), key=lambda each: len(body(each[1])))
    }
    return list(fullest.values())
