"""What the Personal Demographics Service would answer to ``GET /Patient/{NHS number}``: a line an answer.

Shaped after the published examples of the PDS FHIR API (NHSDigital/personal-demographics-service-api). A restricted
person is answered without address, telephone and practice. A superseded number is answered with the current record.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from gateway.synth.outputs import Files
from gateway.synth.truth import Address, Person

GENDERS = {"M": "male", "F": "female", "I": "other", "U": "unknown"}
HL7_UK = "https://fhir.hl7.org.uk"
NHS = "https://fhir.nhs.uk/Id"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


class Traces:
    """``traces.ndjson``: an object a line, ``asked`` (the NHS number in the request) and ``answer`` (the Patient)."""

    def __init__(self, files: Files, inside: str = "pds/"):
        self._file = files.file(f"{inside}traces.ndjson")
        self._encode = msgspec.json.Encoder().encode
        self.written = 0

    def add(self, person: Person) -> None:
        answer = patient(person)
        for asked in (person.nhs_number, *person.former_numbers):
            self._file.write(self._encode({"asked": asked, "answer": answer}).decode() + "\n")
            self.written += 1


def patient(person: Person) -> dict[str, Any]:
    """Return the Patient as PDS holds it: formal, and with a death that the registrar told."""
    restricted = person.is_("restricted")
    answer: dict[str, Any] = {
        "resourceType": "Patient",
        "id": person.nhs_number,
        "meta": {
            "versionId": "2",
            "security": [
                {
                    "system": CONFIDENTIALITY,
                    "code": "R" if restricted else "U",
                    "display": "restricted" if restricted else "unrestricted",
                }
            ],
        },
        "identifier": [
            {
                "system": f"{NHS}/nhs-number",
                "value": person.nhs_number,
                "extension": [
                    {
                        "url": f"{HL7_UK}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
                        "valueCodeableConcept": _concept(
                            "NHSNumberVerificationStatus", "01", "Number present and verified"
                        ),
                    }
                ],
            }
        ],
        "name": [
            {
                "id": "name1",
                "use": "usual",
                "period": {"start": f"{person.birth}"},
                "family": person.family.upper(),
                "given": [name for name in (person.given, person.middle) if name],
                "prefix": [person.title],
            }
        ],
        "gender": GENDERS[person.sex],
        "birthDate": f"{person.birth}",
    }
    if not restricted:
        answer["address"] = [_address(person.address, f"{person.moved or person.registered}")]
        since = {"start": f"{person.registered}"}
        answer["telecom"] = [
            {"id": "phone1", "system": "phone", "use": "mobile", "value": person.mobile, "period": since}
        ]
        if not person.death and person.gp:
            answer["generalPractitioner"] = [_practice(person)]
    if person.death:
        answer["deceasedDateTime"] = f"{person.death}T00:00:00+00:00"
        answer["extension"] = [_death(person)]
    return answer


def _practice(person: Person) -> dict[str, Any]:
    return {
        "id": "gp1",
        "type": "Organization",
        "identifier": {
            "system": f"{NHS}/ods-organization-code",
            "value": person.practice.ods,
            "period": {"start": f"{person.registered}"},
        },
    }


def _address(home: Address, since: str) -> dict[str, Any]:
    lines = [line.upper() for line in (home.house, home.street, home.town, home.county) if line]
    return {"id": "home1", "use": "home", "period": {"start": since}, "line": lines, "postalCode": home.postcode}


def _death(person: Person) -> dict[str, Any]:
    notified = person.death + timedelta(days=5) if person.death else None
    words = "Formal - death notice received from Registrar of Deaths"
    return {
        "url": f"{HL7_UK}/StructureDefinition/Extension-UKCore-DeathNotificationStatus",
        "extension": [
            {"url": "deathNotificationStatus", "valueCodeableConcept": _concept("DeathNotificationStatus", "2", words)},
            {"url": "systemEffectiveDate", "valueDateTime": f"{notified}T00:00:00+00:00"},
        ],
    }


def _concept(name: str, code: str, display: str) -> dict[str, Any]:
    system = f"{HL7_UK}/CodeSystem/UKCore-{name}"
    return {"coding": [{"system": system, "version": "1.0.0", "code": code, "display": display}]}
