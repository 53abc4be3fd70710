"""A release written by hand: one part, two people, one of them known to two sources, and what must not mislead."""

import hashlib
import json
from pathlib import Path
from typing import Any

from gateway.nhs.pseudonym import policy

PERSON_SYSTEM = "urn:nhs-record-gateway:person-pseudonym"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SNOMED = "http://snomed.info/sct"
REGISTRATION = "urn:nhs-record-gateway:registration-type"
MASKED = {"coding": [{"system": ABSENT, "code": "masked"}]}


def concept(code: str, system: str = SNOMED) -> dict:
    return {"coding": [{"system": system, "code": code}]}


def of(type_: str, id_: str, patient: str = "p1", **more: Any) -> dict:
    subject = "patient" if type_ in ("Immunization", "AllergyIntolerance", "EpisodeOfCare") else "subject"
    return {"resourceType": type_, "id": id_, subject: {"reference": f"Patient/{patient}"}, **more}


def patient(id_: str, person: str, **more: Any) -> dict:
    return {"resourceType": "Patient", "id": id_, "identifier": [{"system": PERSON_SYSTEM, "value": person}], **more}


def quantity(value: float, **more: Any) -> dict:
    return {"value": value, "code": "mg", "system": "http://unitsofmeasure.org", **more}


def ver(code: str) -> dict:
    return {"coding": [{"code": code}]}


RESOURCES = [
    patient("p1", "ann", gender="female"),
    patient("p2", "ann", gender="female", birthDate="1950", deceasedDateTime="2025-03"),
    patient("p3", "bob", gender="male", birthDate="1960", deceasedBoolean=True),
    patient("p4", "cat", gender="female", deceasedBoolean=False, _birthDate={"extension": [{"url": "x", "valueCode": "masked"}]}),
    of("Condition", "c1", code=concept("44054006"), onsetDateTime="2020-01", recordedDate="2021-02-03"),
    of("Condition", "c2", code=concept("1"), verificationStatus=ver("refuted")),
    of("Condition", "c3", code=concept("2"), verificationStatus=ver("entered-in-error")),
    of("Condition", "c4", code=MASKED, recordedDate="2021-02-03"),
    of("Observation", "o1", status="final", code=concept("3"), effectiveDateTime="2024-05-06", valueQuantity=quantity(1.50)),
    of("Observation", "o2", status="final", code=concept("4"), valueQuantity=quantity(5, comparator="<")),
    of("Observation", "o3", status="entered-in-error", code=concept("5"), valueQuantity=quantity(7)),
    of("Observation", "o4", status="final", code=concept("6"), dataAbsentReason=MASKED),
    of("Observation", "o5", "p2", status="final", code=concept("7"), component=[
        {"code": concept("8"), "valueQuantity": quantity(120)}, {"code": concept("9")}, {"code": concept("10"), "valueQuantity": quantity(80)}]),
    of("MedicationRequest", "m1", status="active", intent="order", authoredOn="2024-01-02", medicationCodeableConcept=concept("11"),
       dispenseRequest={"quantity": quantity(28), "expectedSupplyDuration": {"value": 28, "code": "d"}}),
    of("MedicationRequest", "m2", status="active", intent="plan", medicationCodeableConcept=concept("12")),
    of("MedicationRequest", "m3", status="active", intent="order", doNotPerform=True, medicationCodeableConcept=concept("13")),
    of("MedicationRequest", "m4", status="entered-in-error", intent="order", medicationCodeableConcept=concept("14")),
    of("Encounter", "e1", status="finished", **{"class": {"code": "IMP"}}, period={"start": "2024-01-01", "end": "2024-01-02"}),
    of("Encounter", "e2", status="cancelled", **{"class": {"code": "AMB"}}),
    of("EpisodeOfCare", "r1", status="active", type=[concept("R", REGISTRATION)], period={"start": "2001"}),
    of("EpisodeOfCare", "r2", status="active", type=[concept("T", REGISTRATION)], period={"start": "2002"}),
    of("EpisodeOfCare", "r3", status="active", period={"start": "2003"}),
    of("AllergyIntolerance", "a1", category=["food", "medication"], code=concept("15")),
    of("AllergyIntolerance", "a2", code=concept("16")),
]  # fmt: skip


def write(folder: Path, resources: list[dict] = RESOURCES, part: str = "00000") -> Path:
    """The folder of a release that holds these resources, a file a type, with its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for type_ in sorted({resource["resourceType"] for resource in resources}):
        lines = [json.dumps(resource) + "\n" for resource in resources if resource["resourceType"] == type_]
        (folder / f"{type_}.{part}.ndjson").write_text("".join(lines))
    listed = [
        {"type": path.name.split(".")[0], "url": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.glob("*.ndjson"))
    ]
    about = {
        "project": "study",
        "profile": "sde-research",
        "policy": policy.policy_hash("sde-research"),
        "setting": "in-sde",
        "notice": "x",
    }
    (folder / "manifest.json").write_text(
        json.dumps({"output": listed, "deleted": [], "error": [], "extension": about})
    )
    return folder
