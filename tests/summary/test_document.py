"""The summary as a FHIR document: valid, whole, in our words only, and the same whichever of a person's Patients is
asked."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B.bundle import Bundle

from gateway.errors import Invalid
from gateway.fhir import build, model
from gateway.nhs import access, summary
from gateway.nhs.summary import completeness
from gateway.nhs.summary.card import card
from gateway.nhs.summary.now import now
from gateway.summary import document
from gateway.summary.document import summary_bundle
from tests.nhs.records import ALL, absence, allergy, nil, plan, record
from tests.summary.person import HARMFUL, person

GOLDEN = Path(__file__).parents[1] / "golden" / "summary"
XHTML = "{http://www.w3.org/1999/xhtml}"
NARRATIVE = {XHTML + name for name in ("div", "p", "table", "thead", "tbody", "tr", "th", "td", "br")}


def composition(bundle: dict) -> dict:
    return bundle["entry"][0]["resource"]


def sections(bundle: dict) -> dict[str, dict]:
    return {each["title"].split(" (")[0]: each for each in composition(bundle)["section"]}


def told(bundle: dict) -> str:
    return "".join(each["text"]["div"] for each in composition(bundle)["section"])


@pytest.fixture(scope="module")
def documents(served) -> list[bytes]:
    """The documents of all fixed people, as their practice's clinician gets them."""
    client, headers = TestClient(served.app), {"Authorization": f"Bearer {served.token('dr-green')}"}
    found = []
    for number in served.numbers():
        answer = client.post(
            "/fhir/Patient/$summary",
            data={"identifier": f"https://fhir.nhs.uk/Id/nhs-number|{number}"},
            headers=headers,
        )
        assert answer.status_code == 200, answer.text
        found.append(answer.content)
    assert len(found) >= 3
    return found


def test_the_document_of_a_person_with_something_in_every_section(golden):
    document = json.loads(build.encode(summary_bundle(person())))
    golden(GOLDEN / "person.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def test_every_document_is_valid_r4_by_two_judges(documents):
    for body in (*documents, build.encode(summary_bundle(person())), build.encode(summary_bundle(record()))):
        assert model.check(body) == []
        Bundle.model_validate(json.loads(body))


def test_every_entry_that_a_section_names_is_in_the_document_and_nothing_else_is(documents):
    for body in documents:
        bundle = json.loads(body)
        named = {entry["reference"] for section in composition(bundle)["section"] for entry in section.get("entry", ())}
        held = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle["entry"]}
        assert named <= held
        assert {each.split("/")[0] for each in held - named} == {"Composition", "Patient", "Device"}
        assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])


def test_every_narrative_is_plain_xhtml(documents):
    for bundle in (*map(json.loads, documents), summary_bundle(person())):
        for section in composition(bundle)["section"]:
            root = ElementTree.fromstring(section["text"]["div"])
            assert root.tag == XHTML + "div"
            assert {each.tag for each in root.iter()} <= NARRATIVE
            assert not [each for each in root.iter() if each.attrib]


def test_words_of_a_source_cannot_become_markup():
    bundle = summary_bundle(person())
    assert HARMFUL not in told(bundle)
    assert "&lt;script&gt;" in told(bundle)


@pytest.mark.hazard("HZ-SUMMARY-20")
def test_a_sources_own_narrative_is_never_passed_on():
    body = build.encode(summary_bundle(person()))
    assert b"C-reactive protein" in body
    assert b"a narrative that a source wrote" not in body


def test_a_decimal_keeps_its_digits():
    assert b'"value":5.10' in build.encode(summary_bundle(person()))


@pytest.mark.hazard("HZ-SUMMARY-26")
def test_each_code_has_one_section_that_holds_all_of_its_lists():
    """https://hl7.org/fhir/uv/ips/StructureDefinition-Composition-uv-ips.html: sectionMedications and sectionAllergies
    1..1. A reader that looks for a section by its code finds every list of it."""
    made = composition(summary_bundle(person()))["section"]
    codes = [section["code"]["coding"][0]["code"] for section in made]
    assert len(codes) == len(set(codes)) and all(
        section["code"]["coding"][0]["system"].endswith("loinc.org") for section in made
    )
    by_code = {code: {entry["reference"] for entry in section.get("entry", ())} for code, section in zip(codes, made)}
    assert {f"MedicationRequest/{name}" for name in ("m1", "m4", "m5", "f1")} <= by_code["10160-0"]
    assert {"AllergyIntolerance/a1", "AllergyIntolerance/a3", "AllergyIntolerance/h1"} <= by_code["48765-2"]
    words = next(section["text"]["div"] for section in made if section["code"]["coding"][0]["code"] == "10160-0")
    assert words.index("Current repeat medicines") < words.index("Acute medicines") < words.index("Discontinued repeat")


@pytest.mark.hazard("HZ-SUMMARY-26")
def test_the_rows_of_a_section_are_its_entries_in_order():
    for given in (person(), record(), record(allergy(clinical="resolved"))):
        made, shown = summary.sections(given), {}
        lists = [(section.kind.loinc, section.rows) for section in made]
        lists += [("46240-8", now(given, made).rows), *(("75310-3", risk.rows) for risk in card(given, made))]
        for code, rows in lists:
            references = (reference for row in rows for reference in row.references if reference in given.by_reference)
            shown.setdefault(code, {}).update(dict.fromkeys(references))
        for section in composition(summary_bundle(given))["section"]:
            code = section["code"]["coding"][0]["code"]
            assert [entry["reference"] for entry in section.get("entry", ())] == list(shown.get(code, ()))


@pytest.mark.hazard("HZ-SUMMARY-46")
def test_the_document_carries_the_risk_card_and_now_in_the_words_of_the_page():
    made, shown = sections(summary_bundle(person())), summary.sections(person())
    risks, now_ = made["Risks"]["text"]["div"], made["Encounters"]["text"]["div"]
    for risk in card(person(), shown):
        assert document.escape(risk.kind.title) in risks and document.escape(risk.absence) in risks
        assert all(document.escape(row.title) in risks for row in risk.rows)
    assert "In hospital since 11-Feb-2026 10:14" in now_ and "Care: Home support" in now_


def test_composition_and_patient_say_who_and_when_in_words():
    first, second = (entry["resource"] for entry in summary_bundle(person())["entry"][:2])
    assert "NORRIDGE, Joan Jean (Mrs)" in first["text"]["div"] and "999 000 0018" in second["text"]["div"]


def test_a_reference_that_leads_out_of_the_document_is_absolute():
    given = record(plan("m1", requester={"reference": "Practitioner/x"}, subject={"reference": "Patient/p1"}))
    (medicine,) = [
        each["resource"]
        for each in summary_bundle(given, "https://here/fhir/")["entry"]
        if each["fullUrl"].endswith("/m1")
    ]
    assert medicine["requester"] == {"reference": "https://here/fhir/Practitioner/x"}
    assert medicine["subject"] == {"reference": "Patient/p1"}


@pytest.mark.hazard("HZ-SUMMARY-02")
@pytest.mark.parametrize(
    "given, code, words",
    [
        (record(), "no-content-recorded", absence("no-content-recorded")),
        (record(contributions=()), "unavailable", absence("unavailable")),
        (record(sections=ALL - {"allergies"}), "withheld", access.NOT_YOUR_ROLE),
    ],
)
def test_an_absence_has_its_code_and_its_words(given, code, words):
    found = sections(summary_bundle(given))["Allergies and adverse reactions"]
    assert (found["emptyReason"]["coding"][0]["code"], found["emptyReason"]["text"]) == (code, words)
    assert words in found["text"]["div"] and "entry" not in found


def test_nil_known_is_an_entry_and_no_empty_reason():
    found = sections(summary_bundle(record(nil())))["Allergies and adverse reactions"]
    assert "emptyReason" not in found and found["entry"] == [{"reference": "AllergyIntolerance/nil"}]
    assert absence("nilknown") in found["text"]["div"]


def test_notices_come_first_and_completeness_last():
    made = composition(summary_bundle(person()))["section"]
    assert (made[0]["title"], made[-1]["title"]) == ("Notices", "Completeness of sources")
    assert access.WITHHELD in made[0]["text"]["div"] and completeness.MISMATCH in made[0]["text"]["div"]
    assert composition(summary_bundle(record()))["section"][0]["title"] != "Notices"


def test_the_hidden_are_counted_nowhere():
    """What is withheld changes one sentence, and the words of every empty section that may not tell more alike."""
    shown, hidden = (summary_bundle(record(allergy(), plan("m1"), withheld=each)) for each in (False, True))
    composition(hidden)["section"].pop(0)
    changed = set()
    for before, after in zip(composition(shown)["section"], composition(hidden)["section"]):
        if before != after and "emptyReason" in after:
            changed.add(after["emptyReason"]["text"])
    assert changed == {absence("withheld", "problems")}


def test_the_same_record_makes_the_same_bytes():
    assert build.encode(summary_bundle(person())) == build.encode(summary_bundle(person()))


def test_a_record_without_a_patient_is_refused():
    with pytest.raises(Invalid, match="no Patient"):
        summary_bundle(record(patients=(), subject_id="").__class__(**{**vars(record()), "patients": ()}))


def test_whichever_patient_is_asked_the_document_is_the_same_and_the_others_are_linked(served):
    client, headers = TestClient(served.app), {"Authorization": f"Bearer {served.token('dr-green')}"}
    number = served.world.people["demo"].nhs_number
    found = client.post("/fhir/Patient/_search", data={"identifier": number}, headers=headers).json()
    patients = [each["resource"]["id"] for each in found["entry"]]
    assert len(patients) == 3
    first = client.post("/fhir/Patient/$summary", data={"identifier": number}, headers=headers).json()
    for id_ in patients:
        bundle = client.get(f"/fhir/Patient/{id_}/$summary", headers=headers).json()
        assert bundle == first, "whichever Patient was asked for"
    (shown,) = (each["resource"] for each in first["entry"] if each["resource"]["resourceType"] == "Patient")
    assert composition(first)["subject"] == {"reference": f"Patient/{shown['id']}"}
    base = first["entry"][1]["fullUrl"].removesuffix(shown["id"])
    linked = {link["other"]["reference"] for link in shown["link"] if link["type"] == "seealso"}
    assert linked == {base + other for other in patients if other != shown["id"]}
    assert shown["meta"]["source"].startswith("urn:emis:"), "the registered practice's"
