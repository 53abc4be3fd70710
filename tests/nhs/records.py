"""Records of one invented person, built resource by resource, to ask the summary what it says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway.fhir.build import resource
from gateway.nhs import summary
from gateway.nhs.summary.record import Contribution, Held, Record
from gateway.nhs.summary.sections.rows import Row
from gateway.terminology import sets

NOW = datetime(2026, 3, 15, 10, 30, tzinfo=UTC)
PRACTICE, FORMER, TRUST, COUNCIL = "Quillbank Surgery", "Marlgate Practice", "Vellshire Hospital", "Vellshire Council"
ODS = {PRACTICE: "A99001", FORMER: "A99002", TRUST: "RZZ", COUNCIL: "990"}
KIND = {PRACTICE: "gp", FORMER: "gp", TRUST: "hospital", COUNCIL: "social-care"}
ALL = frozenset({kind.right for kind in summary.SECTIONS}) | {"alerts", "contacts", "documents"}
HL7, SNOMED, DMD = "http://terminology.hl7.org/CodeSystem/", "http://snomed.info/sct", "https://dmd.nhs.uk"
DEGRADED_DRUG_ALLERGY = {"system": SNOMED, "code": "196461000000101", "display": "Transfer-degraded drug allergy"}
ESTIMATED = {"extension": [{"url": "urn:nhs-record-gateway:estimated", "valueBoolean": True}]}


def patient(**changes) -> dict:
    built = resource(
        "Patient", "p1", identifier=[{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        name=[{"use": "official", "family": "Norridge", "given": ["Joan", "Jean"], "prefix": ["Mrs"]}], gender="female", birthDate="1948-09-12",
    )  # fmt: skip
    return {**built, **changes}


def held(resource: dict, publisher: str = PRACTICE) -> Held:
    resource = {**resource, "meta": resource.get("meta") or {"versionId": "1"}}
    return Held(resource, publisher, ODS[publisher], KIND[publisher], "test", NOW)


def record(
    *resources: Held | dict,
    registered: tuple[str, ...] = (PRACTICE,),
    patients: tuple[Held | dict, ...] = (),
    **changes,
) -> Record:
    """A record in which everyone who holds something, and the practice, contributes. Plain dicts are the practice's."""
    items = tuple(each if isinstance(each, Held) else held(each) for each in resources)
    people = tuple(each if isinstance(each, Held) else held(each) for each in patients or (patient(),))
    names = dict.fromkeys((*(each.publisher for each in items), *(each.publisher for each in people), *registered))
    contributions = tuple(Contribution(name, ODS[name], KIND[name], "ok", NOW - timedelta(days=1)) for name in names)
    made = Record(
        people[0].resource["id"], people, items, contributions, ALL, False, False, registered, frozenset(ODS[each] for each in registered),
        "GREEN, Asha (Dr)", "A99001", NOW, risk_sets=sets.risks(),
    )  # fmt: skip
    return replace(made, **changes)


def section(given: Record, name: str) -> summary.Section | None:
    return next((each for each in summary.sections(given) if each.id == name), None)


def rows(given: Record, name: str) -> tuple[Row, ...]:
    found = section(given, name)
    return found.rows if found else ()


def absence(reason: str, right: str = "allergies") -> str:
    """The words of an absence."""
    return summary.ABSENCES[reason].said(right)


def titles(given: Record, name: str) -> list[str]:
    return [each.title for each in rows(given, name)]


def one(given: Record, name: str) -> Row:
    (found,) = rows(given, name)
    return found


def coded(words: str, code: str = "91936005", system: str = SNOMED) -> dict:
    return {"coding": [{"system": system, "code": code}], "text": words}


def status(system: str, code: str) -> dict:
    return {"coding": [{"system": HL7 + system, "code": code}]}


def allergy(
    id_: str = "a1",
    words: str = "Allergy to penicillin",
    code: str = "91936005",
    *,
    concept=None,
    clinical="active",
    verification="",
    **more,
) -> dict:
    return resource(
        "AllergyIntolerance", id_, clinicalStatus=status("allergyintolerance-clinical", clinical),
        verificationStatus=status("allergyintolerance-verification", verification) if verification else {},
        **{"code": coded(words, code) if concept is None else concept, "onsetDateTime": "2019-05-02", **more},
    )  # fmt: skip


def nil(id_: str = "nil", words: str = "No known allergies", code: str = "716186003", **more) -> dict:
    return allergy(id_, words, code, **more)


def plan(
    id_: str, name: str = "Ramipril 5mg capsules", course: str = "continuous", status: str = "active", **more
) -> dict:
    """An authorisation, as the EMIS mapping makes it."""
    type_ = (
        {"coding": [{"system": HL7 + "medicationrequest-course-of-therapy", "code": course}]}
        if course
        else {"text": "Automatic"}
    )
    return resource(
        "MedicationRequest", id_, status=status, intent="plan", courseOfTherapyType=type_,
        **{
            "medicationCodeableConcept": coded(name, "318912006", DMD), "authoredOn": "2020-01-10",
            "groupIdentifier": {"system": "urn:g", "value": id_},
            "dosageInstruction": [{"text": "One daily"}], "dispenseRequest": {"quantity": {"value": 28, "unit": "capsule"}}, **more,
        },
    )  # fmt: skip


def issue(id_: str, of: str, on: str, **more) -> dict:
    return resource(
        "MedicationRequest", id_, status="completed", intent="order",
        **{"medicationCodeableConcept": coded("Ramipril 5mg capsules", "318912006", DMD), "authoredOn": on,
           "basedOn": [{"reference": f"MedicationRequest/{of}"}], "groupIdentifier": {"system": "urn:g", "value": of}, **more},
    )  # fmt: skip


def statement(id_: str, of: str, end: str = "", *, estimated: bool = False, **more) -> dict:
    return resource(
        "MedicationStatement", id_, status="completed" if end else "active",
        **{"medicationCodeableConcept": coded("Ramipril 5mg capsules", "318912006", DMD), "basedOn": [{"reference": f"MedicationRequest/{of}"}],
           "effectivePeriod": {"start": "2020-01-10", "end": end, "_end": ESTIMATED if estimated else {}}, **more},
    )  # fmt: skip


def condition(
    id_: str,
    words: str,
    clinical: str = "active",
    *,
    verification: str = "",
    category: str = "problem-list-item",
    **more,
) -> dict:
    return resource(
        "Condition", id_, clinicalStatus=status("condition-clinical", clinical) if clinical else {},
        verificationStatus=status("condition-ver-status", verification) if verification else {}, category=[status("condition-category", category)],
        **{"code": coded(words, "73211009"), "onsetDateTime": "2018-04", **more},
    )  # fmt: skip


def result(
    id_: str,
    value: Decimal | int | None = Decimal("5.1"),
    *,
    words: str = "Serum potassium",
    code: str = "1000651000000109",
    **more,
) -> dict:
    said = {"valueQuantity": {"value": value, "unit": "mmol/L"}} if value is not None else {}
    return resource(
        "Observation", id_, **{"status": "final", "category": [status("observation-category", "laboratory")], "code": coded(words, code),
                               "effectiveDateTime": "2026-02-01T09:15:00+00:00", **said, **more},
    )  # fmt: skip


def service(id_: str = "s1", status: str = "active", as_at: str = "2025-12-31", **more) -> dict:
    return resource(
        "EpisodeOfCare", id_, status=status,
        **{"extension": [{"url": "urn:nhs-record-gateway:cld:as-at", "valueDate": as_at}] if as_at else [], "type": [{"text": "Home support"}],
           "period": {"start": "2024-09-20"}, **more},
    )  # fmt: skip
