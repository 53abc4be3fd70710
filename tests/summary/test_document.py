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
from gateway.summary.document import summary_bundle
from tests.nhs.records import ALL, allergy, nil, plan, record
from tests.summary.person import HARMFUL, person

GOLDEN = Path(__file__).parents[1] / "golden" / "summary"
XHTML = "{http://www.w3.org/1999/xhtml}"
NARRATIVE = {XHTML + name for name in ("div", "p", "table", "thead", "tbody", "tr", "th", "td")}


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
        assert {each.split("/")[0] for each in held - named} == {"Composition", "Patient"}
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


def test_each_section_says_in_code_what_it_is_and_medicines_are_told_apart():
    bundle = summary_bundle(person())
    headings = {
        name: [coding["code"] for coding in section["code"]["coding"]]
        for name, section in sections(bundle).items()
        if "code" in section
    }
    assert headings["Acute medicines"] == ["10160-0", "acute-medication"]
    assert headings["Current repeat medicines"] == ["10160-0", "repeat-medication"]
    assert headings["Discontinued repeat medicines"] == ["10160-0", "discontinued-repeat-medication"]


@pytest.mark.hazard("HZ-SUMMARY-02")
@pytest.mark.parametrize(
    "given, code, words",
    [
        (record(), "no-content-recorded", summary.NOTHING_RECORDED),
        (record(contributions=()), "unavailable", summary.NOT_AVAILABLE),
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
    assert summary.NIL_KNOWN in found["text"]["div"]


def test_notices_come_first_and_completeness_last():
    made = composition(summary_bundle(person()))["section"]
    assert (made[0]["title"], made[-1]["title"]) == ("Notices", "Completeness of sources")
    assert access.WITHHELD in made[0]["text"]["div"] and completeness.MISMATCH in made[0]["text"]["div"]
    assert composition(summary_bundle(record()))["section"][0]["title"] != "Notices"


def test_the_hidden_are_counted_nowhere():
    """What is withheld changes one sentence and nothing else."""
    shown, hidden = (summary_bundle(record(allergy(), plan("m1"), withheld=each)) for each in (False, True))
    composition(hidden)["section"].pop(0)
    assert build.encode(shown) == build.encode(hidden)


def test_the_same_record_makes_the_same_bytes():
    assert build.encode(summary_bundle(person())) == build.encode(summary_bundle(person()))


def test_a_record_without_a_patient_is_refused():
    with pytest.raises(Invalid, match="no Patient"):
        summary_bundle(record(patients=(), subject_id="").__class__(**{**vars(record()), "patients": ()}))


def test_whichever_patient_is_asked_the_rows_are_the_same_and_the_others_are_linked(served):
    client, headers = TestClient(served.app), {"Authorization": f"Bearer {served.token('dr-green')}"}
    number = served.world.people["demo"].nhs_number
    first = client.post("/fhir/Patient/$summary", data={"identifier": number}, headers=headers).json()
    patients = [each["resource"]["id"] for each in first["entry"] if each["resource"]["resourceType"] == "Patient"]
    assert len(patients) == 3
    rows = {}
    for id_ in patients:
        bundle = client.get(f"/fhir/Patient/{id_}/$summary", headers=headers).json()
        made = composition(bundle)
        assert made["subject"] == {"reference": f"Patient/{id_}"}
        asked = next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Patient")
        assert asked["id"] == id_
        linked = {link["other"]["reference"] for link in asked["link"] if link["type"] == "seealso"}
        assert linked == {f"Patient/{other}" for other in patients if other != id_}
        rows[id_] = [(each["title"], each["text"]["div"], each.get("entry")) for each in made["section"]]
    assert len({json.dumps(each) for each in rows.values()}) == 1
