"""Care Act assessments and plans: what becomes of a document, what is never kept of it, and who may see it."""

import json
import re
from pathlib import Path

import pytest

from gateway.errors import Refused
from mappings import Feed
from mappings.care_act import SOURCE
from tests.mappings.harness import faults, map_all, written

SAMPLE = Path(__file__).parents[2] / "mappings" / "care_act" / "samples" / "assessments_2026-08-20.jsonld"
FEED = Feed(settings={"council": "503"}, namespace=b"a namespace of sixteen or so")
NHS = "https://fhir.nhs.uk/Id/nhs-number"


def identifier(value: str, system: str = "https://example.org/Id/x") -> dict:
    return {"@type": "Identifier", "value": value, "system": system}


def assessment(**said) -> dict:
    basic = {
        "@type": "CareNeedsAssessment", "identifier": identifier("A1"), "personId": identifier("9990000018", NHS),
        "dateCompleted": "2026-08-11T14:30:00Z", "consentToInformationSharing": True, "status": "active",
    }  # fmt: skip
    return {**basic, **said}


def question(id_: str, answer: list, kind: str = "String") -> dict:
    return {"@type": "AssessmentQuestion", "questionId": id_, "answer": answer, "answerType": kind}


def loaded(folder: Path, *documents: dict, name: str = "sent_2026-08-20.jsonld"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"@graph": list(documents)}), encoding="utf-8")
    return map_all(SOURCE, folder, FEED)


def test_the_sample_becomes_its_golden_file(golden):
    found = map_all(SOURCE, SAMPLE, FEED)
    assert not found.rejects and not found.faults and faults(found.resources()) == []
    golden(SAMPLE.with_name(SAMPLE.name + ".fhir.json"), written(found.resources()))


@pytest.mark.hazard("HZ-CARE-01")
def test_what_a_council_asks_beyond_the_statutory_questions_is_kept_nowhere():
    found = map_all(SOURCE, SAMPLE, FEED)
    kept = str([row.values for row in found.kept.values()]) + str(found.resources())
    assert "Private words" not in kept and "neighbour" not in kept and "needs help with hot meals" in kept


@pytest.mark.hazard("HZ-CARE-02")
@pytest.mark.parametrize(("consent", "security"), [(True, None), (False, ["R"]), (None, ["R"]), ("true", ["R"])])
def test_a_document_without_consent_to_share_is_restricted(tmp_path, consent, security):
    plan = {**assessment(consentToInformationSharing=consent), "@type": "CarePlan", "identifier": identifier("P1")}
    found = loaded(tmp_path, assessment(consentToInformationSharing=consent), plan)
    assert found.one("Task")["meta"].get("security") == security
    assert found.one("CarePlan")["meta"].get("security") == security


@pytest.mark.hazard("HZ-CARE-03")
def test_no_nhs_number_is_a_key_and_no_relative_is_kept():
    found = map_all(SOURCE, SAMPLE, FEED)
    for row in found.kept.values():
        assert not any(number in f"{row.key} {row.patient} {row.groups}" for number in ("9990000034", "9990000050"))
    assert "9990000042" not in str([row.values for row in found.kept.values()])


@pytest.mark.hazard("HZ-CARE-03")
@pytest.mark.parametrize(
    "written", ["9990000018", "AS-9990000018-1", "999 000 0018", "AS-999-000-0018", "X99900000181"]
)
def test_an_nhs_number_within_an_identifier_is_in_no_key(tmp_path, written):
    plan = {**assessment(assessmentId=identifier(written)), "@type": "CarePlan", "identifier": identifier("P1")}
    found = loaded(tmp_path, assessment(identifier=identifier(written), personId=identifier(written)), plan)
    for row in found.kept.values():
        assert "9990000018" not in re.sub(r"[ -]", "", f"{row.key} {row.patient} {row.groups}")


@pytest.mark.hazard("HZ-CARE-04")
def test_a_document_is_of_the_person_whose_identifier_it_names_whichever_it_is():
    found = map_all(SOURCE, SAMPLE, FEED)
    (person,) = [each for each in found.resources("Patient") if "name" in each]
    tasks = {each["identifier"][0]["value"]: each for each in found.resources("Task")}
    assert tasks["ASS-2026-001"]["for"] == found.one("CarePlan")["subject"] == {"reference": f"Patient/{person['id']}"}
    (bare,) = [each for each in found.resources("Patient") if "name" not in each]
    assert bare["identifier"] == [{"system": NHS, "value": "9990000050"}]
    assert tasks["ASS-2026-002"]["for"] == {"reference": f"Patient/{bare['id']}"}


@pytest.mark.hazard("HZ-CARE-05")
def test_eligibility_is_what_the_council_found_and_nothing_is_read_into_words(tmp_path):
    listed = question("CA-ELIGIBILITY-01", ["Non-eligible needs identified"], "Enum")
    odd = question("CA-ELIGIBILITY-01", ["Perhaps"], "Enum")
    alone = question("STAT-HOUSING-01", ["No"], "Boolean")
    said = question("CA-TOILET-01", ["No, at night"], "Boolean")
    outputs = loaded(tmp_path, assessment(assessmentQuestion=[listed, alone, said])).one("Task")["output"]
    assert outputs[0]["valueCodeableConcept"]["coding"][0]["code"] == "Non-eligible needs identified"
    assert outputs[1]["valueBoolean"] is False and outputs[2]["valueString"] == "No, at night"
    found = loaded(tmp_path, assessment(assessmentQuestion=[odd]))
    assert found.one("Task")["output"][0]["valueCodeableConcept"] == {"text": "Perhaps"}
    assert found.unlisted == ["CareNeedsAssessment eligibility"]


@pytest.mark.hazard("HZ-CARE-06")
@pytest.mark.parametrize(
    ("word", "task", "plan"),
    [
        ("draft", "draft", "draft"), ("active", "completed", "active"), ("on-hold", "on-hold", "on-hold"),
        ("entered-in-error", "entered-in-error", "entered-in-error"), ("ended", "completed", "completed"),
        ("completed", "completed", "completed"), ("revoked", "cancelled", "revoked"), ("unknown", "completed", "unknown"),
    ],
)  # fmt: skip
def test_a_status_is_that_of_the_standard_and_any_other_waits(tmp_path, word, task, plan):
    both = (assessment(status=word), {**assessment(status=word), "@type": "CarePlan", "identifier": identifier("P1")})
    found = loaded(tmp_path, *both)
    assert (found.one("Task")["status"], found.one("CarePlan")["status"]) == (task, plan)
    assert list(loaded(tmp_path, assessment(status="finished")).faults.values()) == ["status"]


@pytest.mark.hazard("HZ-CARE-08")
@pytest.mark.parametrize("word", ["active", "unknown", "ended", "completed"])
@pytest.mark.parametrize("day", [None, "", "2099-08-11T14:30:00Z", "2026-08-21"])
def test_an_assessment_is_completed_only_with_a_day_that_has_come(tmp_path, word, day):
    sent = assessment(status=word, dateCompleted=day)
    plan = {**sent, "@type": "CarePlan", "identifier": identifier("P1")}
    found = loaded(tmp_path, sent, plan)
    task = found.one("Task")
    assert task["status"] == "in-progress" and task["businessStatus"] == {"text": f"{word}, not said to be completed"}
    assert "authoredOn" not in task and "created" not in found.one("CarePlan")
    assert ("CareNeedsAssessment" in str(found.unlisted) or "dateCompleted" in str(found.unlisted)) == bool(day)
    assert faults(found.resources()) == []
    again = loaded(tmp_path, assessment(status=word, dateCompleted="2026-08-21"), name="sent_2026-08-21.jsonld")
    assert (again.one("Task")["status"], again.one("Task")["authoredOn"]) == ("completed", "2026-08-21")


def test_a_later_file_replaces_an_earlier_one_in_any_order(tmp_path):
    for first, second in (("a", "b"), ("b", "a")):
        folder = tmp_path / first
        loaded(folder, assessment(status="active"), name=f"{first}_2026-08-20.jsonld")
        found = loaded(folder, assessment(status="revoked"), name=f"{second}_2026-09-01.jsonld")
        assert found.one("Task")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("date", "accuracy", "born"),
    [
        ("1938-02-01", "AAA", "1938-02-01"), ("1938-02-01", "UAA", "1938-02"), ("1938-02-01", "EAA", "1938-02"),
        ("1938-02-01", "UUA", "1938"), ("1938-02-01", "UUU", ""), ("1938-02-01", "A", ""),
    ],
)  # fmt: skip
def test_a_birth_date_is_as_exact_as_it_is_said_to_be(tmp_path, date, accuracy, born):
    said = {
        "@type": "Person",
        "identifier": [identifier("LA-1")],
        "dateOfBirth": {"date": date, "accuracyIndicator": accuracy},
    }
    assert loaded(tmp_path, said).one("Patient").get("birthDate", "") == born


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"), (b"[1]", "not an object"), (b'{"@type":"Placement"}', "@type"), (b'{"@type":"CarePlan"}', "personId"),
        (b'{"@type":"Person","identifier":[]}', "identifier"), (b'{"@type":"CarePlan","personId":{"value":"1"}}', "identifier"),
        (b"\xff\xfe", "not JSON"), (b"[" * 5000, "not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_a_reject_by_its_place(tmp_path, content, reason):
    (tmp_path / "bad.json").write_bytes(content)
    assert [reject.reason for reject in map_all(SOURCE, tmp_path, FEED).rejects] == [reason]


def test_a_feed_has_to_say_which_council_sends():
    with pytest.raises(Refused, match="council"):
        SOURCE.check(SAMPLE, Feed())


ODD = (None, 1, "x", [], {}, [None], [{}], {"value": 1}, True, ["x"], [[]])


def places(value, path=()):
    """Every place within a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*path, name)
        yield from places(each, (*path, name))


def with_odd(document, path, odd):
    changed = json.loads(json.dumps(document))
    within = changed
    for name in path[:-1]:
        within = within[name]
    within[path[-1]] = odd
    return changed


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_property_of_another_shape_crashes_nothing(tmp_path, odd, number):
    document = json.loads(SAMPLE.read_text(encoding="utf-8"))["@graph"][number]
    for path in places(document):
        found = loaded(tmp_path, with_odd(document, path, odd))
        assert not set(found.faults.values()) - {"status", "dateCompleted", "date", "startDateTime", "endDateTime"}, (
            path
        )
        assert not {reject.reason for reject in found.rejects} - {"@type", "identifier", "personId", "dateCompleted"}
        assert faults(found.resources()) == [], path


def test_one_type_may_stand_in_a_list(tmp_path):
    """JSON-LD writes a value alone or in a list."""
    assert loaded(tmp_path, assessment(**{"@type": ["CareNeedsAssessment"]})).one("Task")
    assert loaded(tmp_path, assessment(**{"@type": ["CareNeedsAssessment", "Person"]})).rejects[0].reason == "@type"
