"""The document against the rules of the International Patient Summary, read from its definitions, and of NHS England's
guide to it: https://hl7.org/fhir/uv/ips/StructureDefinition-Composition-uv-ips.html,
https://hl7.org/fhir/uv/ips/StructureDefinition-Bundle-uv-ips.html (2.0.1) and
https://github.com/NHSDigital/NHSEngland-FHIR-SCR-IPS (pages 02 and 07)."""

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from gateway.nhs import summary
from gateway.nhs.summary.record import Record
from gateway.summary.document import summary_bundle
from tests.nhs.records import ALL, COUNCIL, FORMER, PRACTICE, TRUST, allergy, held, patient, record
from tests.summary.person import person

BASE = "https://here.example/fhir/"
LOINC = "http://loinc.org"
DOCUMENTS = "DocumentReference"
ALLOWED = {
    "11450-4": {"Condition", DOCUMENTS},
    "48765-2": {"AllergyIntolerance", DOCUMENTS},
    "10160-0": {"MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense", DOCUMENTS},
    "11369-6": {"Immunization", DOCUMENTS},
    "30954-2": {"Observation", "DiagnosticReport", DOCUMENTS},
    "47519-4": {"Procedure", DOCUMENTS},
    "46264-8": {"DeviceUseStatement", DOCUMENTS},
    "42348-3": {"Consent", DOCUMENTS},
    "104605-1": {"Flag", DOCUMENTS},
    "47420-5": {"Condition", "ClinicalImpression", DOCUMENTS},
    "11348-0": {"Condition", DOCUMENTS},
    "10162-6": {"Observation", DOCUMENTS},
    "18776-5": {"CarePlan", "ImmunizationRecommendation", DOCUMENTS},
    "29762-2": {"Observation", DOCUMENTS},
    "8716-3": {"Observation", DOCUMENTS},
}  # fmt: skip
"""Section code → the types of its entries. A section of any other code is open."""
REQUIRED = {"11450-4", "48765-2", "10160-0"}


def faults(bundle: dict) -> list[str]:
    """What a document breaks of the rules."""
    return list(_of_bundle(bundle)) + list(_of_sections(bundle)) + list(_of_references(bundle))


def _of_bundle(bundle: dict) -> Iterator[str]:
    resources = [entry["resource"] for entry in bundle["entry"]]
    types, urls = [each["resourceType"] for each in resources], [entry["fullUrl"] for entry in bundle["entry"]]
    composition, named = resources[0], dict(zip(urls, resources))
    if bundle["type"] != "document" or not bundle["identifier"].get("value") or not bundle["timestamp"]:
        yield "a document has a type, an identifier and a time"
    if types[0] != "Composition" or types.count("Composition") != 1:
        yield "one Composition, first"
    if types.count("Patient") != 1:
        yield "one Patient"
    if len(set(urls)) != len(urls):
        yield "each fullUrl once"
    if any(not url.endswith(f"/fhir/{each['resourceType']}/{each['id']}") for url, each in named.items()):
        yield "each fullUrl ends in type and id"
    if any({"search", "request", "response"} & entry.keys() for entry in bundle["entry"]):
        yield "no search, request or response"
    if not {"name", "birthDate", "gender", "identifier"} <= resources[types.index("Patient")].keys():
        yield "a Patient has a name and a birth date"
    if any(author["reference"].split("/")[0] != "Device" for author in composition["author"]):
        yield "a document that software assembled has a Device as its author"
    (event,) = composition["event"]
    if event["code"][0]["coding"][0]["code"] != "PCPR" or set(event["period"]) != {"end"}:
        yield "what is documented is care, up to now"
    for subject in (composition, resources[types.index("Patient")]):
        if not _words(subject):
            yield f"no narrative: {subject['resourceType']}"


def _of_sections(bundle: dict) -> Iterator[str]:
    sections = bundle["entry"][0]["resource"]["section"]
    codes = [_loinc(section) for section in sections]
    if len(set(codes)) != len(codes) or not set(codes) >= REQUIRED:
        yield "each code once, and those that every summary has"
    for code, section in zip(codes, sections):
        if not section["title"] or not _words(section) or "section" in section:
            yield f"{code}: a title, narrative, and no section within"
        if code in ALLOWED and bool(section.get("entry")) == ("emptyReason" in section):
            yield f"{code}: entries or why there are none"
        kinds = {entry["reference"].split("/")[0] for entry in section.get("entry", ())}
        if not kinds <= ALLOWED.get(code, kinds):
            yield f"{code}: {sorted(kinds - ALLOWED[code])} may not stand here"


def _of_references(bundle: dict) -> Iterator[str]:
    composition = bundle["entry"][0]["resource"]
    base = bundle["entry"][0]["fullUrl"].removesuffix(f"Composition/{composition['id']}")
    inside = {entry["fullUrl"].removeprefix(base): entry["resource"] for entry in bundle["entry"]}
    for reference in _references(composition):
        if reference not in inside:
            yield f"Composition: {reference} is no entry"
    for name, resource in inside.items():
        for reference in _references(resource):
            if not (reference in inside or (reference.startswith(base) and reference.removeprefix(base) not in inside)):
                yield f"{name}: {reference} is neither an entry nor an address outside"
        subject = resource.get("subject") or resource.get("patient")
        if subject and inside.get(subject["reference"], {}).get("resourceType") != "Patient":
            yield f"{name}: about {subject['reference']}, not about the Patient of the document"


def _loinc(section: dict) -> str:
    (code,) = (coding["code"] for coding in section["code"]["coding"] if coding["system"] == LOINC)
    return code


def _words(resource: dict) -> str:
    text = resource.get("text", {"div": "<div/>"})
    return "".join(ElementTree.fromstring(text["div"]).itertext()).strip()


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)


OTHERS = held({**patient(), "id": "p2", "identifier": [{"value": "H0000001"}]}, TRUST)
RECORDS = {
    "everything": person(),
    "nothing": record(),
    "no contribution": record(contributions=()),
    "nothing for the role": record(sections=frozenset()),
    "no allergies for the role": person(sections=ALL - {"allergies"}),
    "a past allergy only": record(allergy(clinical="resolved")),
    "two practices": record(patients=(patient(), OTHERS), registered=(PRACTICE, FORMER)),
    "a council alone": record(patients=(held(patient(), COUNCIL),), registered=()),
}


@pytest.mark.parametrize("given", RECORDS.values(), ids=RECORDS)
def test_a_document_keeps_the_rules_of_the_international_summary(given: Record):
    assert faults(summary_bundle(given, BASE)) == []


def test_the_documents_of_a_world_keep_the_rules(served):
    client, headers = TestClient(served.app), {"Authorization": f"Bearer {served.token('dr-green')}"}
    types = set()
    for number in served.numbers():
        bundle = client.post("/fhir/Patient/$summary", data={"identifier": number}, headers=headers).json()
        assert faults(bundle) == []
        types |= {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert {"AllergyIntolerance", "DiagnosticReport", "Procedure", "EpisodeOfCare", "Task"} <= types


def test_every_section_of_the_table_is_judged_by_what_it_shows():
    """A section whose code is one of the summary's own has one of its types; the person has something in each."""
    shown = {section.kind.id for section in summary.sections(person()) if section.rows}
    assert {kind.id for kind in summary.SECTIONS if kind.loinc in ALLOWED} <= shown | {"procedures", "visit-diagnoses"}


@pytest.mark.hazard("HZ-SUMMARY-43")
def test_what_another_source_recorded_is_about_the_patient_of_the_document():
    """A reader that keeps the entries of the document's subject must not lose the hospital's allergies."""
    given = person()
    assert {held.reference for held in given.patients} == {"Patient/p1", "Patient/p2", "Patient/p3"}
    entries = {entry["resource"]["id"]: entry["resource"] for entry in summary_bundle(given, BASE)["entry"]}
    assert entries["h1"]["patient"] == entries["s1"]["patient"] == entries["a1"]["patient"]
    assert entries["h3"]["subject"] == {"reference": "Patient/p1"}


def test_the_patients_that_are_no_entries_are_linked_and_told_of():
    contact = {"relationship": [{"text": "Daughter"}], "name": {"family": "Quill", "given": ["Ann"]}}
    phones = [{"system": "phone", "value": "01632 960111", "use": "home"}]
    known = {
        **patient(), "id": "p2", "name": [{"family": "Norrige", "given": ["Joanna"]}], "birthDate": "1948-09-21",
        "identifier": [{"system": "urn:x", "value": "H0000001"}], "telecom": phones, "contact": [{**contact, "telecom": phones}],
        "address": [{"line": ["2 Elm Row"], "postalCode": "ZA1 1AA"}], "deceasedDateTime": "2026-03-01",
    }  # fmt: skip
    sent = [
        {"other": {"reference": "Patient/p2"}, "type": "refer"},
        {"other": {"reference": "Patient/p9"}, "type": "replaces"},
    ]
    given = record(patients=({**patient(), "link": sent}, held(known, TRUST), held({**patient(), "id": "p3"}, COUNCIL)))
    bundle = summary_bundle(given, BASE)
    assert faults(bundle) == []
    (shown,) = (entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
    assert [(link["other"]["reference"], link["type"]) for link in shown["link"]] == [
        (f"{BASE}Patient/p2", "refer"), (f"{BASE}Patient/p9", "replaces"), (f"{BASE}Patient/p3", "seealso"),
    ]  # fmt: skip
    words = re.sub(r"<[^>]+>", " ", bundle["entry"][0]["resource"]["section"][-1]["text"]["div"])
    for said in ("NORRIGE, Joanna", "21-Sep-1948", "H0000001", "2 Elm Row, ZA1 1AA", "01632 960111 (home)",
                 "Daughter, QUILL, Ann", "Died: 01-Mar-2026"):  # fmt: skip
        assert said in words
    assert "Norrige" not in json.dumps(list(bundle["entry"][1:]))
