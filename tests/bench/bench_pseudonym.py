"""Pseudonymisation in memory, on one core. Whole people, every dropped element counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from gateway.nhs.pseudonym import Pseudonymiser
from tests.bench.room import Room
from tests.bench.table import Line

PEOPLE, EACH = 60, 200
LIMIT = 60_000
"""Resources a second (performance.md, P6 asks that of the whole way from store to file; in memory it should be well
above)."""
SNOMED = "http://snomed.info/sct"

Held = tuple[str, str, bytes]


def observation(person: int, number: int) -> dict:
    """A result as a GP system's would be: about 1 kB, half of it words."""
    value = 40 + (person * 7 + number * 13) % 900
    return {
        "resourceType": "Observation", "id": f"{person:08d}-aaaa-5bbb-8ccc-{number:012d}",
        "meta": {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation"]},
        "identifier": [{"system": "https://fhir.example.nhs.uk/Id/observation", "value": f"{person}-{number}"}],
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory", "display": "Lab"}]}
        ],
        "code": {
            "coding": [
                {"system": SNOMED, "code": str(1_000_000_101 + number % 300), "display": "Serum something level", "userSelected": True},
                {"system": "http://read.info/readv2", "code": "44J3.", "display": "Serum something"},
            ],
            "text": "Serum something level",
        },
        "subject": {"reference": f"Patient/{person:08d}-aaaa-5bbb-8ccc-dddddddddddd"},
        "encounter": {"reference": f"Encounter/{person:08d}-aaaa-5bbb-8ccc-{number // 8:012d}"},
        "effectiveDateTime": f"20{number % 24:02d}-{1 + number % 12:02d}-{1 + (number + person) % 28:02d}T10:15:00+00:00",
        "performer": [{"reference": "Practitioner/0f3c1c6e-5f0e-5c8a-9a51-6a3b8f6f2b11", "display": "Dr A Marsh"}],
        "valueQuantity": {
            "value": msgspec.Raw(f"{value / 10:.2f}".encode()), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L",
        },
        "referenceRange": [{"low": {"value": 3, "unit": "mmol/L"}, "high": {"value": 9, "unit": "mmol/L"}, "text": "3 - 9"}],
        "note": [{"text": "Seen by the doctor; patient told to come back in a month."}],
    }  # fmt: skip


def encounter(person: int, number: int) -> dict:
    return {
        "resourceType": "Encounter", "id": f"{person:08d}-aaaa-5bbb-8ccc-{number:012d}", "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": {"reference": f"Patient/{person:08d}-aaaa-5bbb-8ccc-dddddddddddd"},
        "period": {"start": f"2020-{1 + number % 12:02d}-11T09:00:00+00:00", "end": f"2020-{1 + number % 12:02d}-11T09:10:00+00:00"},
        "serviceProvider": {"reference": "Organization/0f3c1c6e-5f0e-5c8a-9a51-6a3b8f6f2b12", "display": "Mill Lane Surgery"},
    }  # fmt: skip


def person(number: int) -> list[Held]:
    patient = {
        "resourceType": "Patient", "id": f"{number:08d}-aaaa-5bbb-8ccc-dddddddddddd", "gender": "female",
        "birthDate": f"{1930 + number % 80}-02-03",
        "name": [{"family": "Marsh", "given": ["Ann"]}], "address": [{"line": ["1 Mill Lane"], "postalCode": "ZZ99 3WZ"}],
    }  # fmt: skip
    made = [
        patient,
        *(encounter(number, each) for each in range(EACH // 8)),
        *(observation(number, each) for each in range(EACH)),
    ]
    return [(each["resourceType"], each["id"], msgspec.json.encode(each)) for each in made]


def rate(work: Callable[[], int]) -> float:
    """Resources a second of processor time, the best of five."""
    found = []
    for _ in range(5):
        begun = time.process_time()
        count = work()
        found.append(count / (time.process_time() - begun))
    return max(found)


def measure(room: Room) -> Iterator[Line]:
    people = [person(number) for number in range(PEOPLE)]
    bodies = [body for resources in people for _, _, body in resources]
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    passed = rate(lambda: len([encode(decode(body)) for body in bodies]))
    for profile in ("minimal", "sde-research"):
        worker = Pseudonymiser(profile, "in-sde", bytes(32))
        found = rate(
            lambda worker=worker: sum(1 for number, held in enumerate(people) for _ in worker.person(str(number), held))
        )
        dropped = sum(worker.dropped.values()) / sum(worker.kept.values())
        beside = f"decoded and encoded again {passed:,.0f}/s; {dropped:.1f} elements dropped in each"
        yield Line(f"pseudonymise in memory, {profile}", found, beside=beside, target=LIMIT)
