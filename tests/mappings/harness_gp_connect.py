"""Answers of GP Connect by hand: resources in STU3, the Lists that name them, and what they come to."""

from __future__ import annotations

import json
from pathlib import Path

from mappings import Feed, Reject, Row
from mappings.gp_connect import SOURCE
from mappings.gp_connect.lists import AREAS
from mappings.readers.files import File
from tests.mappings.harness import Mapped, map_rows

SAMPLES = Path(__file__).parents[2] / "mappings" / "gp_connect" / "samples"
PRACTICE = {
    "resourceType": "Organization",
    "id": "org-1",
    "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A99001"}],
    "name": "Invented Surgery",
}
PATIENT = {"reference": "Patient/p1"}
SNOMED, READ = "http://snomed.info/sct", "http://read.info/readv2"
GPC = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-"
CARE_CONNECT = "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-"
ALLERGIES, ENDED, IMMUNISATIONS, MEDICINES, PROBLEMS, UNCATEGORISED = (
    "886921000000105",
    "1103671000000101",
    "1102181000000102",
    "933361000000108",
    "717711000000103",
    "826501000000100",
)
EMPTY = {"coding": [{"code": "no-content-recorded"}]}
NOPAT = {"security": [{"system": "http://hl7.org/fhir/v3/ActCode", "code": "NOPAT"}]}


def patient(**elements: object) -> dict:
    basic = {"resourceType": "Patient", "id": "p1", "managingOrganization": {"reference": "Organization/org-1"}}
    return {**basic, "name": [{"family": "Sampleton"}], **elements}


def concept(code: str = "", text: str = "", system: str = SNOMED) -> dict:
    coding = {"coding": [{"system": system, "code": code, "display": text}]} if code else {}
    return coding or {"text": text}


def allergy(key: str = "a1", **elements: object) -> dict:
    basic = {"clinicalStatus": "active", "verificationStatus": "unconfirmed", "category": ["medication"]}
    return {
        "resourceType": "AllergyIntolerance",
        "id": key,
        **basic,
        "code": concept("91936005", "Allergy to penicillin"),
        "patient": PATIENT,
        "assertedDate": "2012-09-14",
        **elements,
    }


def observation(key: str = "o1", **elements: object) -> dict:
    basic = {"resourceType": "Observation", "id": key, "status": "final", "subject": PATIENT}
    return {**basic, "code": concept(text="Wheeze"), **elements}


def problem(key: str = "c1", **elements: object) -> dict:
    basic = {"resourceType": "Condition", "id": key, "clinicalStatus": "active", "subject": PATIENT}
    return {**basic, "code": concept("195967001", "Asthma"), **elements}


def plan(key: str = "m1", **elements: object) -> dict:
    basic = {"resourceType": "MedicationRequest", "id": key, "status": "active", "intent": "plan", "subject": PATIENT}
    return {**basic, "medicationCodeableConcept": concept("322236009", "Paracetamol 500mg tablets"), **elements}


def extension(name: str, base: str = GPC, **value: object) -> dict:
    return {"url": f"{base}{name}-1", **value}


def named(code: str, *items: dict | str, at: str = "2024-03-12T10:00:00Z", warnings: tuple[str, ...] = (), **elements) -> dict:  # fmt: skip
    """A List of an area. Items are resources or references; without one, nothing is recorded of the area."""
    references = [item if isinstance(item, str) else f"{item['resourceType']}/{item['id']}" for item in items]
    return {
        "resourceType": "List",
        "status": "current",
        "mode": "snapshot",
        "code": {"coding": [{"system": SNOMED, "code": code}]},
        "subject": PATIENT,
        **({"date": at} if at else {}),
        "extension": [extension("ListWarningCode", valueCode=code) for code in warnings],
        "entry": [{"item": {"reference": reference}} for reference in references],
        **({} if references else {"emptyReason": EMPTY}),
        **elements,
    }


def answer(*resources: dict, **elements: object) -> dict:
    """A Bundle of a patient of the practice, and these."""
    entries = [{"resource": resource} for resource in (patient(), PRACTICE, *resources)]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries, **elements}


WHOLE = Feed(settings={"whole": sorted(AREAS)})
"""A feed that asks for every area wholly."""


def read(sent: object, name: str = "answer.json", feed: Feed | None = None) -> list[Row | Reject]:
    content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return list(SOURCE.read(File(Path(name), content=content, encodings=("utf-8",)), feed or WHOLE))


def mapped(*answers: object, feed: Feed | None = None) -> Mapped:
    """What answers come to, without a fault or reject."""
    items = [item for sent in answers for item in read(sent, feed=feed)]
    found = map_rows(SOURCE, [item for item in items if isinstance(item, Row)], feed or WHOLE)
    assert not found.faults and not [item for item in items if isinstance(item, Reject)]
    return found


def write(folder: Path, *answers: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, sent in enumerate(answers):
        (folder / f"{number}.json").write_text(json.dumps(sent), encoding="utf-8")
    return folder
