"""What answers of GP Connect come to: the traps that could mislead a reader, each by itself."""

import json
from collections.abc import Iterator

import pytest

from gateway.errors import Refused
from gateway.fhir.codes import DMD
from gateway.intake import load
from gateway.nhs import identity
from gateway.store import resources
from gateway.terminology import sets
from mappings import Feed, Reject
from mappings.gp_connect import SOURCE
from tests.mappings.harness import faults, map_rows
from tests.mappings.harness_gp_connect import (
    ALLERGIES,
    CARE_CONNECT,
    EMPTY,
    ENDED,
    GPC,
    IMMUNISATIONS,
    MEDICINES,
    NOPAT,
    PATIENT,
    PRACTICE,
    PROBLEMS,
    READ,
    SAMPLES,
    UNCATEGORISED,
    WHOLE,
    allergy,
    answer,
    concept,
    extension,
    mapped,
    named,
    observation,
    patient,
    plan,
    problem,
    read,
    write,
)

EARLIER, LATER = "2024-03-12T10:00:00Z", "2024-04-02T09:00:00Z"


def loaded(store, folder, *answers: dict) -> object:
    return load.load(store, SOURCE, write(folder, *answers), WHOLE, sets.load(sandbox=True))


def held(store, type_: str) -> int:
    """How many resources of a type the store shows."""
    with store.read() as session:
        ids = [id_ for (id_,) in session.rows("SELECT id FROM head WHERE deleted = 0")]
        return sum(resources.head_of(session, type_, id_) is not None for id_ in ids)


def status_of(resource: dict, element: str = "clinicalStatus") -> str:
    return resource[element]["coding"][0]["code"]


# What is absent


@pytest.mark.hazard("HZ-GPC-01")
def test_a_whole_answer_without_an_item_takes_it_away_and_one_with_a_warning_does_not(store, tmp_path):
    both = answer(allergy("a1"), allergy("a2"), named(ALLERGIES, allergy("a1"), allergy("a2"), at=EARLIER))
    warned = answer(allergy("a1"), named(ALLERGIES, allergy("a1"), at=LATER, warnings=("data-in-transit",)))
    whole = answer(allergy("a1"), named(ALLERGIES, allergy("a1"), at="2024-04-03T09:00:00Z"))
    again = answer(
        allergy("a2"), named(ALLERGIES, allergy("a2"), at="2024-04-04T09:00:00Z", warnings=("confidential-items",))
    )
    for number, (sent, count) in enumerate(((both, 2), (warned, 2), (whole, 1), (both, 1), (again, 2))):
        assert loaded(store, tmp_path / str(number), sent).exit_code == 0
        assert held(store, "AllergyIntolerance") == count


@pytest.mark.hazard("HZ-GPC-01")
@pytest.mark.parametrize(
    "later",
    [
        answer(problem(), named(PROBLEMS, problem(), at=LATER)),  # another area
        answer(named(ALLERGIES, at="")),  # no time
        answer(named(ALLERGIES, at=LATER, status="retired")),
        answer(named(ALLERGIES, "AllergyIntolerance/not-sent", at=LATER)),
        answer({"resourceType": "Observation", "id": "o1"}, named(ALLERGIES, at=LATER)),  # a part cannot be read
        answer(named("problems-allergies-related-to-problems", at=LATER)),
        answer(
            named(ALLERGIES, at=LATER),
            named("problems-allergies-related-to-problems", warnings=("confidential-items",)),
        ),
        answer({"resourceType": "AllergyIntolerance", "id": "a 2"}, named(ALLERGIES, at=LATER)),
    ],
)
def test_an_answer_that_does_not_tell_of_an_area_wholly_takes_nothing_away(later):
    first = answer(allergy(), named(ALLERGIES, allergy(), at=EARLIER))
    rows = [item for sent in (first, later) for item in read(sent) if not isinstance(item, Reject)]
    assert len(map_rows(SOURCE, rows).resources("AllergyIntolerance")) == 1


def empty(*codes: str) -> dict:
    return {"coding": [{"code": code} for code in codes]}


@pytest.mark.hazard("HZ-GPC-13")
@pytest.mark.parametrize(
    ("elements", "count"),
    [
        ({"emptyReason": empty("no-content-recorded")}, 0),
        ({"emptyReason": empty("unavailable")}, 1),
        ({"emptyReason": empty("withheld")}, 1),
        ({"emptyReason": empty("notasked")}, 1),
        ({"emptyReason": empty("no-content-recorded", "withheld")}, 1),
        ({"emptyReason": {"text": "Not asked"}}, 1),
        ({"emptyReason": None}, 1),
        ({"entry": None, "emptyReason": None}, 1),
        ({"entry": 5}, 1),
        ({"entry": [None]}, 1),
    ],
)
def test_an_empty_list_takes_away_only_where_it_says_that_nothing_is_recorded(elements, count):
    first = answer(allergy(), named(ALLERGIES, allergy(), at=EARLIER))
    later = answer(named(ALLERGIES, at=LATER, **elements))
    assert len(mapped(first, later, feed=Feed()).resources("AllergyIntolerance")) == count


@pytest.mark.hazard("HZ-GPC-13")
def test_a_list_with_items_and_a_reason_to_be_empty_takes_nothing_away():
    both = answer(allergy("a1"), allergy("a2"), named(ALLERGIES, allergy("a1"), allergy("a2"), at=EARLIER))
    later = answer(allergy("a1"), named(ALLERGIES, allergy("a1"), at=LATER, emptyReason=empty("withheld")))
    assert len(mapped(both, later).resources("AllergyIntolerance")) == 2


@pytest.mark.hazard("HZ-GPC-13")
@pytest.mark.parametrize(
    "other",
    [
        named(ALLERGIES, "AllergyIntolerance/not-sent", at=LATER),
        named(ALLERGIES, at=LATER, status="retired"),
        named(ALLERGIES, at=LATER, emptyReason=empty("withheld")),
        named(ALLERGIES, at=LATER, subject=None, emptyReason=empty("withheld")),
        named(ALLERGIES, at=LATER, warnings=("confidential-items",)),
        named(ALLERGIES, at=LATER, subject=None, warnings=("confidential-items",)),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_lists_of_an_area_one_that_is_not_whole_makes_the_area_so(other, is_first):
    lists = [named(ALLERGIES, at=LATER, id="one"), {**other, "id": "two"}]
    first = answer(allergy(), named(ALLERGIES, allergy(), at=EARLIER))
    found = mapped(first, answer(*(lists if is_first else reversed(lists))))
    assert len(found.resources("AllergyIntolerance")) == 1
    words = str(found.resources("Flag"))
    assert ("confidentiality" in words) == bool(other["extension"])
    assert ("Nothing is recorded" in words) == (not other["entry"])
    assert ("Nothing was sent" in words) == (other.get("emptyReason") == empty("withheld"))


@pytest.mark.hazard("HZ-GPC-13")
def test_a_list_of_another_patient_than_the_answers_takes_nothing_away():
    whose = {"subject": {"reference": "Patient/p2"}}
    other = {"resourceType": "Bundle", "entry": [{"resource": patient(id="p2")}, {"resource": PRACTICE}, {"resource": allergy(patient=whose["subject"])}], "meta": {"lastUpdated": EARLIER}}  # fmt: skip
    found = mapped(other, answer(named(ALLERGIES, at=LATER, **whose)))
    assert len(found.resources("AllergyIntolerance")) == 1


@pytest.mark.hazard("HZ-GPC-01")
def test_a_feed_that_asks_for_a_part_of_an_area_loses_nothing_by_it():
    first, later = answer(plan(), named(MEDICINES, plan(), at=EARLIER)), answer(named(MEDICINES, at=LATER))
    assert mapped(first, later).resources("MedicationRequest") == []
    for feed in (Feed(), Feed("part", settings={"whole": ["allergies"]})):
        assert len(mapped(first, later, feed=feed).resources("MedicationRequest")) == 1
    with pytest.raises(Refused, match="GATEWAY_FEEDS: part: whole"):
        SOURCE.check(None, Feed("part", settings={"whole": ["pills"]}))


@pytest.mark.hazard("HZ-GPC-01")
def test_an_allergy_that_is_gone_is_gone_for_every_feed_since_no_request_asks_for_a_part():
    first, later = answer(allergy(), named(ALLERGIES, allergy(), at=EARLIER)), answer(named(ALLERGIES, at=LATER))
    assert mapped(first, later, feed=Feed()).resources("AllergyIntolerance") == []


@pytest.mark.hazard("HZ-GPC-01")
def test_an_answer_without_issues_takes_no_issue_away():
    issue = plan("m2", intent="order", basedOn=[{"reference": "MedicationRequest/m1"}])
    first = answer(plan(), issue, named(MEDICINES, plan(), at=EARLIER))
    later = answer(plan(), named(MEDICINES, plan(), at=LATER))
    assert len(mapped(first, later).resources("MedicationRequest")) == 2


@pytest.mark.hazard("HZ-GPC-02")
def test_an_empty_list_of_allergies_says_that_nothing_is_recorded_and_not_that_there_is_none():
    found = mapped(answer(named(ALLERGIES, emptyReason=EMPTY)))
    assert found.resources("AllergyIntolerance") == []
    assert "Nothing is recorded, which does not say that there is none" in found.one("Flag")["code"]["text"]


@pytest.mark.hazard("HZ-GPC-02")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("confidential-items", "excluded because of confidentiality"),
        ("data-in-transit", "has not been transferred"),
        ("data-awaiting-filing", "waits for the practice's review"),
        ("of-next-year", "warns that data may be missing"),
    ],
)
def test_what_a_list_warns_of_is_told_with_its_area(code, words):
    found = mapped(answer(problem(), named(PROBLEMS, problem(), warnings=(code,))))
    flag = found.one("Flag")
    assert words in flag["code"]["text"] and flag["code"]["text"].endswith("(Problems)")
    assert ("List ListWarningCode" in found.unlisted) == (code == "of-next-year")


# What is hidden


@pytest.mark.hazard("HZ-GPC-03")
@pytest.mark.parametrize(
    ("security", "flags"),
    [
        (NOPAT["security"], ["NOPAT"]),
        ([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}], ["NOPAT"]),
        (NOPAT["security"][0], ["NOPAT"]),
        ([{"system": "http://hl7.org/fhir/v3/Confidentiality", "code": "R"}], ["R"]),
        ([{"system": "urn:of-the-practice", "code": "look-away"}], ["R"]),
        ("NOPAT", ["R"]),
    ],
)
def test_a_label_hides_whatever_its_name_in_stu3(security, flags):
    sent = observation(meta={"security": security})
    assert mapped(answer(sent)).one("Observation")["meta"]["security"] == flags


@pytest.mark.hazard("HZ-GPC-03")
def test_an_item_of_a_hidden_consultation_or_problem_refers_to_it_so_that_it_is_hidden_too():
    consultation = {"resourceType": "Encounter", "id": "e1", "status": "finished", "subject": PATIENT, "meta": NOPAT}
    heading = named("24781000000107", observation(), id="h", title="History")
    outer = named("325851000000107", "List/h", id="l", encounter={"reference": "Encounter/e1"})
    about = extension("RelatedClinicalContent", CARE_CONNECT, valueReference={"reference": "Observation/o1"})
    found = mapped(answer(observation(), consultation, heading, outer, problem(extension=[about])))
    item, encounter, filed = (found.one(type_) for type_ in ("Observation", "Encounter", "Condition"))
    assert item["encounter"] == {"reference": f"Encounter/{encounter['id']}"}
    assert item["extension"][0]["valueReference"] == {"reference": f"Condition/{filed['id']}"}
    assert item["category"] == [{"text": "History"}]


@pytest.mark.hazard("HZ-GPC-03")
def test_an_item_under_the_topic_of_a_problem_refers_to_the_problem_so_that_it_is_hidden_with_it():
    about = {"url": f"{CARE_CONNECT}RelatedProblemHeader-1", "extension": [{"url": "target", "valueReference": {"reference": "Condition/c1"}}]}  # fmt: skip
    topic = {**named("25851000000105", observation(), id="t"), "extension": [about]}
    outer = named("325851000000107", "List/t", id="l", encounter={"reference": "Encounter/e1"})
    found = mapped(answer(observation(), problem(), topic, outer))
    filed = [node["valueReference"]["reference"] for node in found.one("Observation")["extension"]]
    assert filed == [f"Condition/{found.one('Condition')['id']}"]


@pytest.mark.hazard("HZ-GPC-03")
def test_a_consultation_never_tells_the_title_of_a_topic():
    consultation = {"resourceType": "Encounter", "id": "e1", "status": "finished", "subject": PATIENT}
    topic = named("25851000000105", observation(), id="t", title="A secret problem")
    outer = named("325851000000107", "List/t", id="l", encounter={"reference": "Encounter/e1"})
    assert "secret" not in str(mapped(answer(observation(), consultation, topic, outer)).resources())


# Allergies


@pytest.mark.hazard("HZ-GPC-04")
@pytest.mark.parametrize("status", ["resolved", None])
def test_an_ended_allergy_is_resolved_with_its_reason_and_one_resource_with_what_it_was(status):
    key = "0a1b2c3d-0000-0000-0001"
    over = {"url": f"{GPC}AllergyIntoleranceEnd-1", "extension": [{"url": "endDate", "valueDateTime": "2019-02-03"}, {"url": "reasonEnded", "valueString": "Tolerated since"}]}  # fmt: skip
    first = answer(allergy(key), named(ALLERGIES, allergy(key), at=EARLIER))
    gone = named(ENDED, f"#{key}", at=LATER, contained=[allergy(key, clinicalStatus=status, extension=[over])])
    found = mapped(first, answer(named(ALLERGIES, at=LATER), gone)).one("AllergyIntolerance")
    assert found["id"] == mapped(first).one("AllergyIntolerance")["id"] and status_of(found) == "resolved"
    assert found["clinicalStatus"]["extension"][0]["extension"][1]["valueString"] == "Tolerated since"


@pytest.mark.hazard("HZ-GPC-05")
@pytest.mark.parametrize(
    ("code", "category", "degraded"),
    [
        (concept(text="Sulphur tablets"), "medication", "196461000000101"),
        (concept("14L6.00", "H/O: penicillin allergy", READ), "medication", "196461000000101"),
        (concept("196461000000101", "Transfer-degraded drug allergy") | {"text": "Old drops"}, "medication", "196461000000101"),
        (concept("1777541000006100", "Washing powder"), "environment", "196471000000108"),
        ({}, "environment", "196471000000108"),
    ],
)  # fmt: skip
def test_an_allergy_that_decision_support_does_not_know_says_so_before_its_own_words(code, category, degraded):
    found = mapped(answer(allergy(code=code, category=[category]))).one("AllergyIntolerance")["code"]
    assert [coding["code"] for coding in found["coding"]].count(degraded) == 1
    assert found["coding"][0]["code"] == degraded and "degraded" not in found["text"]


@pytest.mark.hazard("HZ-GPC-06")
@pytest.mark.parametrize(
    "sent",
    [
        observation(code=concept("293963004", "Cephalosporin allergy")),
        problem(code=concept("294499007", "Allergy to sulphonamide")),
        problem(code=concept(text="Penicillin allergy")),
    ],
)
def test_an_allergy_that_was_sent_as_something_else_is_an_allergy_too(sent):
    found = mapped(answer(sent))
    assert status_of(found.one("AllergyIntolerance")) == "active"
    assert len(found.resources(sent["resourceType"])) == 1 and faults(found.resources()) == []


CEPHALOSPORIN = concept("293963004", "Cephalosporin allergy")


@pytest.mark.hazard("HZ-GPC-14")
@pytest.mark.parametrize("is_concept", [True, False])
@pytest.mark.parametrize(
    ("make", "elements", "verification"),
    [
        (problem, {"verificationStatus": "entered-in-error"}, "entered-in-error"),
        (problem, {"verificationStatus": "refuted"}, "refuted"),
        (problem, {"verificationStatus": "confirmed"}, "unconfirmed"),
        (observation, {"status": "entered-in-error"}, "entered-in-error"),
        (observation, {"status": "cancelled"}, ""),
    ],
)
def test_an_allergy_of_an_item_in_error_or_refuted_is_never_active(make, elements, verification, is_concept):
    if is_concept and make is problem:
        elements = {name: {"coding": [{"code": code}]} for name, code in elements.items()}
    found = mapped(answer(make(code=CEPHALOSPORIN, **elements)))
    assert faults(found.resources()) == []
    allergies = found.resources("AllergyIntolerance")
    assert [status_of(item, "verificationStatus") for item in allergies] == ([verification] if verification else [])
    active = [item for item in allergies if "clinicalStatus" in item and status_of(item) == "active"]
    assert len(active) == (verification == "unconfirmed")


@pytest.mark.hazard("HZ-GPC-14")
@pytest.mark.parametrize("make", [problem, observation])
def test_an_allergy_of_an_item_in_error_is_withdrawn_as_one_in_error(store, tmp_path, make):
    element = "verificationStatus" if make is problem else "status"
    wrong = make(code=CEPHALOSPORIN, **{element: "entered-in-error"}, bodySite=[{"coding": [{"code": 7}]}])
    assert loaded(store, tmp_path / "1", answer(make(code=CEPHALOSPORIN), meta={"lastUpdated": EARLIER})).exit_code == 0
    assert loaded(store, tmp_path / "2", answer(wrong, meta={"lastUpdated": LATER})).state == "done"
    with store.read() as session:
        ids = [id_ for (id_,) in session.rows("SELECT id FROM head WHERE deleted = 0")]
        bodies = [json.loads(head.body) for id_ in ids if (head := resources.head_of(session, "AllergyIntolerance", id_))]  # fmt: skip
    assert [status_of(body, "verificationStatus") for body in bodies] == ["entered-in-error"]
    assert "clinicalStatus" not in bodies[0]


@pytest.mark.hazard("HZ-GPC-14")
@pytest.mark.parametrize(
    ("status", "verifications"), [("final", ["unconfirmed"]), ("cancelled", ["unconfirmed"]), ("entered-in-error", ["entered-in-error"])]
)  # fmt: skip
def test_a_problem_makes_the_allergy_that_its_cancelled_item_does_not(status, verifications):
    actual = extension("ActualProblem", CARE_CONNECT, valueReference={"reference": "Observation/o1"})
    sent = problem(code=CEPHALOSPORIN, extension=[actual])
    found = mapped(answer(observation(code=CEPHALOSPORIN, status=status), sent))
    allergies = found.resources("AllergyIntolerance")
    assert [status_of(item, "verificationStatus") for item in allergies] == verifications


@pytest.mark.hazard("HZ-GPC-14")
def test_a_cancelled_entry_of_the_family_is_no_history():
    code = concept("12C..00", "FH: Cardiovascular disease", READ)
    found = mapped(answer(observation(code=code, status="cancelled")))
    assert found.resources("FamilyMemberHistory") == []
    assert "Observation.status (cancelled: makes no history or allergy)" in found.unlisted


def test_a_problem_that_is_an_allergy_of_the_record_makes_no_second_one():
    actual = extension("ActualProblem", CARE_CONNECT, valueReference={"reference": "AllergyIntolerance/a1"})
    sent = problem(code=concept("91936005", "Allergy to penicillin"), extension=[actual], clinicalStatus="inactive")
    found = mapped(answer(allergy(), sent)).one("AllergyIntolerance")
    assert status_of(found) == "active"


# Whose it is, and whether it is so


@pytest.mark.hazard("HZ-GPC-07")
@pytest.mark.parametrize("title", ["Family History", "family history:", ""])
def test_what_is_said_of_the_family_is_never_the_patients(title):
    code = concept("194828000", "Angina") if title else concept("12C..00", "FH: Cardiovascular disease", READ)
    heading = named("24781000000107", observation(), id="h", title=title or "History")
    outer = named("325851000000107", "List/h", id="l", encounter={"reference": "Encounter/e1"})
    found = mapped(answer(observation(code=code), heading, outer))
    assert found.resources("Observation") == [] and found.one("FamilyMemberHistory")["condition"][0]["code"]["text"]


@pytest.mark.hazard("HZ-GPC-08")
@pytest.mark.parametrize(
    ("elements", "status"),
    [
        ({"notGiven": False}, "completed"),
        ({"notGiven": True}, "not-done"),
        ({"notGiven": False, "code": "Influenza vaccination declined"}, "not-done"),
        ({"notGiven": False, "status": "not-done"}, "not-done"),
        ({"notGiven": True, "status": "entered-in-error"}, "entered-in-error"),
    ],
)
def test_a_vaccination_that_was_not_given_is_never_shown_as_given(elements, status):
    words = elements.pop("code", "Influenza vaccination")
    procedure = extension("VaccinationProcedure", CARE_CONNECT, valueCodeableConcept=concept(text=words))
    nurse = {"role": concept("AP", system="http://hl7.org/fhir/v2/0443"), "actor": {"reference": "Practitioner/n1"}}
    clerk = {"role": concept("EP", system="http://hl7.org/fhir/v2/0443"), "actor": {"reference": "Practitioner/n2"}}
    sent = {"resourceType": "Immunization", "id": "i1", "status": "completed", "patient": PATIENT, "extension": [procedure], "practitioner": [nurse, clerk], "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/v3/NullFlavor", "code": "UNK"}]}} | elements  # fmt: skip
    found = mapped(answer(sent))
    given = found.one("Immunization")
    assert given["status"] == status and faults(found.resources()) == [] and given["vaccineCode"]["text"] == words
    assert len(given.get("performer", [])) == (status != "not-done")  # who entered it gave nothing
    assert ("statusReason" in given) == (status == "not-done")


def vaccination(**elements: object) -> dict:
    basic = {"resourceType": "Immunization", "id": "i1", "status": "completed", "notGiven": False, "patient": PATIENT}
    return {**basic, "vaccineCode": concept(text="Influenza vaccination"), "date": "2024-03-01", **elements}


@pytest.mark.hazard("HZ-GPC-15")
@pytest.mark.parametrize(
    ("elements", "status", "reason"),
    [
        ({}, "completed", ""),
        ({"status": None}, "completed", ""),
        ({"date": None}, "completed", ""),
        ({"date": "2024-03-12"}, "completed", ""),
        ({"date": "2024-03-12T18:00:00Z"}, "completed", ""),
        ({"date": "2024-03"}, "completed", ""),
        ({"date": "2024-03-13"}, "not-done", "Dated after the answer that tells of it"),
        ({"date": "2099-01-01"}, "not-done", "Dated after the answer that tells of it"),
        ({"date": "2099"}, "not-done", "Dated after the answer that tells of it"),
        ({"status": "in-progress"}, "not-done", "Not completed: in-progress"),
        ({"status": "on-hold"}, "not-done", "Not completed: on-hold"),
        ({"status": "stopped"}, "not-done", "Not completed: stopped"),
        ({"date": "2099-01-01", "status": "entered-in-error"}, "entered-in-error", ""),
    ],
)
def test_only_a_vaccination_that_was_completed_before_its_answer_is_shown_as_given(elements, status, reason):
    found = mapped(answer(vaccination(**elements), named(IMMUNISATIONS, vaccination())))
    shown = found.one("Immunization")
    assert (shown["status"], shown.get("statusReason", {}).get("text", "")) == (status, reason)
    assert faults(found.resources()) == []


@pytest.mark.hazard("HZ-GPC-15")
@pytest.mark.parametrize("status", ["unheard-of", 7])
def test_a_vaccination_of_a_status_that_is_not_known_waits_in_quarantine(status):
    found = map_rows(SOURCE, read(answer(vaccination(status=status))))
    assert found.resources("Immunization") == [] and "Immunization.status" in str(found.faults)


@pytest.mark.hazard("HZ-GPC-15")
def test_a_vaccination_that_was_planned_is_given_once_a_later_answer_tells_the_same_of_it(store, tmp_path):
    sent = vaccination(date="2024-03-20")
    for number, (at, status) in enumerate(((EARLIER, "not-done"), (LATER, "completed"), (EARLIER, "completed"))):
        loaded(store, tmp_path / str(number), answer(sent, named(IMMUNISATIONS, sent, at=at)))
        with store.read() as session:
            ids = [id_ for (id_,) in session.rows("SELECT id FROM head WHERE deleted = 0")]
            heads = [head for id_ in ids if (head := resources.head_of(session, "Immunization", id_))]
        assert [json.loads(head.body)["status"] for head in heads] == [status]


@pytest.mark.hazard("HZ-GPC-09")
def test_a_medicine_that_is_not_taken_says_so():
    sent = {"resourceType": "MedicationStatement", "id": "s1", "status": "active", "taken": "n", "subject": PATIENT, "medicationCodeableConcept": concept("322236009", "Paracetamol")}  # fmt: skip
    assert mapped(answer(sent)).one("MedicationStatement")["status"] == "not-taken"


@pytest.mark.hazard("HZ-GPC-09")
@pytest.mark.parametrize("sent", [{}, {"doNotPerform": True}])
def test_a_request_not_to_do_something_is_no_request_to_do_it(sent):
    ask = {"resourceType": "ProcedureRequest", "id": "p1", "status": "active", "intent": "plan", "subject": PATIENT, "code": concept(text="Cervical smear"), **sent}  # fmt: skip
    assert mapped(answer(ask)).one("ServiceRequest").get("doNotPerform", False) == bool(sent)


@pytest.mark.hazard("HZ-GPC-10")
def test_a_medicine_is_named_by_its_medication_in_dmd_and_one_without_a_name_is_still_shown():
    medicine = {"resourceType": "Medication", "id": "m", "code": concept("322236009", "Paracetamol 500mg tablets")}
    sent = plan(medicationReference={"reference": "Medication/m"})
    del sent["medicationCodeableConcept"]
    codings = mapped(answer(medicine, sent)).one("MedicationRequest")["medicationCodeableConcept"]["coding"]
    assert codings[0]["system"] == DMD
    nameless = mapped(answer(sent)).one("MedicationRequest")["medicationCodeableConcept"]
    assert nameless["coding"][0]["code"] == "196421000000109" and "not named" in nameless["text"]


@pytest.mark.hazard("HZ-GPC-10")
@pytest.mark.parametrize(
    ("kind", "course"),
    [("repeat", "continuous"), ("acute", "acute"), ("repeat-dispensing", "continuous-repeating-dispensing"), ("delayed-prescribing", "acute"), ("of-next-year", "of-next-year")],
)  # fmt: skip
def test_the_type_of_a_prescription_is_the_course_that_the_summary_reads(kind, course):
    told = extension("PrescriptionType", valueCodeableConcept=concept(kind, kind, "urn:types"))
    found = mapped(answer(plan(extension=[told])))
    assert found.one("MedicationRequest")["courseOfTherapyType"]["coding"][0]["code"] == course
    assert ("MedicationRequest PrescriptionType" in found.unlisted) == (kind == course == "of-next-year")


@pytest.mark.hazard("HZ-GPC-11")
def test_an_item_of_another_patient_or_of_nobody_is_a_reject_and_its_answer_takes_nothing_away():
    others = (
        observation("o2", subject={"reference": "Patient/p2"}),
        {**observation("o3"), "subject": {"display": "Ines"}},
    )
    items = read(answer(observation(), *others, named(UNCATEGORISED, observation())))
    reasons = [item.reason for item in items if isinstance(item, Reject)]
    assert reasons == ["Observation.subject: not the patient of the answer"] * 2
    assert not [item for item in items if getattr(item, "table", "") == "Whole"]


@pytest.mark.hazard("HZ-GPC-11")
@pytest.mark.parametrize(
    ("status", "grade"), [("01", identity.VERIFIED), ("02", identity.CLAIMED), ("", identity.CLAIMED)]
)
def test_a_number_is_as_sure_as_the_practice_says(status, grade):
    said = extension("NHSNumberVerificationStatus", valueCodeableConcept={"coding": [{"system": "https://fhir.nhs.uk/STU3/CodeSystem/CareConnect-NHSNumberVerificationStatus-1", "code": status}]})  # fmt: skip
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "999 000 0018", "extension": [said] if status else []}  # fmt: skip
    wrong = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000019"}
    sent = {"resourceType": "Bundle", "entry": [{"resource": patient(identifier=[number, wrong])}, {"resource": PRACTICE}]}  # fmt: skip
    found = mapped(sent)
    evidence = identity.evidence(found.resources(), "gp")[0]
    assert evidence.grades == (("9990000018", grade),)
    systems = [item.get("system", "") for item in found.one("Patient")["identifier"]]
    assert systems == ["https://fhir.nhs.uk/Id/nhs-number", ""]


@pytest.mark.hazard("HZ-GPC-11")
@pytest.mark.parametrize(("kind", "end", "grade"), [("R", "", "registered"), ("T", "", "claimed"), ("R", "2024-01-01", "claimed")])  # fmt: skip
def test_only_a_regular_registration_that_goes_on_is_one(kind, end, grade):
    coded = {"coding": [{"system": "https://fhir.nhs.uk/STU3/CodeSystem/CareConnect-RegistrationType-1", "code": kind}]}
    details = {
        "url": f"{GPC}RegistrationDetails-1",
        "extension": [
            {"url": "registrationType", "valueCodeableConcept": coded},
            {"url": "registrationPeriod", "valuePeriod": {"start": "2015", **({"end": end} if end else {})}},
        ],
    }
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}
    whole = patient(identifier=[number], extension=[details])
    found = mapped({"resourceType": "Bundle", "entry": [{"resource": whole}, {"resource": PRACTICE}]})
    assert identity.evidence(found.resources(), "gp")[0].grades == (("9990000018", grade),)


# Repairs


@pytest.mark.hazard("HZ-GPC-12")
@pytest.mark.parametrize(
    ("elements", "place", "kept"),
    [
        ({"effectiveDateTime": "2019-07-28T10:30:00"}, "effectiveDateTime (a time without its offset: taken as local time in England)", "2019-07-28T10:30:00+01:00"),
        ({"effectiveDateTime": "2019-04-93"}, "effectiveDateTime (no date: left out)", None),
        ({"effectiveDateTime": "19"}, "effectiveDateTime (no date: left out)", None),
        ({"effectiveDateTime": "2019-04-01T10:30Z"}, "effectiveDateTime (a time without seconds)", "2019-04-01T10:30:00Z"),
        ({"effectiveDateTime": ""}, "effectiveDateTime (an empty value: left out)", None),
        ({"effectivePeriod": {"start": "2019-04-02", "end": "2019-04-01"}}, "effectivePeriod.end (before the start: left out)", None),
    ],
)  # fmt: skip
def test_a_repair_is_counted_by_its_place_and_invents_nothing(elements, place, kept):
    found = mapped(answer(observation(**elements)))
    assert f"Observation.{place}" in found.unlisted
    assert found.one("Observation").get("effectiveDateTime") == kept and faults(found.resources()) == []


@pytest.mark.hazard("HZ-GPC-12")
def test_a_repair_never_tells_what_was_sent():
    found = mapped(
        answer(
            observation(**{"Ines Sampleton": "", "code": {"text": "Wheeze", "Ines": {"Sampleton": []}}, "secret": 7})
        )
    )
    assert not [place for place in found.unlisted if "Ines" in place or "Sampleton" in place or "secret" in place]
    assert "Observation.element (not known, and not taken)" in found.unlisted


@pytest.mark.hazard("HZ-GPC-12")
@pytest.mark.parametrize("elements", [{"modifierExtension": [{"url": "urn:x"}]}, {"implicitRules": "urn:x"}, {"related": [{"type": "replaces", "target": {"reference": "Observation/o0"}}]}])  # fmt: skip
def test_what_may_turn_the_meaning_waits_in_quarantine(elements):
    rows = read(answer(observation(**elements)))
    found = map_rows(SOURCE, rows)
    assert found.resources("Observation") == [] and len(found.faults) == 1


@pytest.mark.hazard("HZ-GPC-12")
def test_an_item_entered_in_error_is_withdrawn_though_the_rest_of_it_is_at_fault(store, tmp_path):
    loaded(store, tmp_path / "1", answer(allergy(), named(ALLERGIES, allergy(), at=EARLIER)))
    wrong = allergy(verificationStatus="entered-in-error", category=["sorcery"])
    report = loaded(store, tmp_path / "2", answer(wrong, named(ALLERGIES, wrong, at=LATER)))
    assert report.state == "done"
    with store.read() as session:
        ids = [id_ for (id_,) in session.rows("SELECT id FROM head WHERE deleted = 0")]
        heads = [head for id_ in ids if (head := resources.head_of(session, "AllergyIntolerance", id_))]
    assert [json.loads(head.body)["verificationStatus"]["coding"][0]["code"] for head in heads] == ["entered-in-error"]


# Deliveries


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"{", "no Bundle of an answer"),
        (b"[]", "no Bundle of an answer"),
        ({"resourceType": "Patient", "id": "p1"}, "no Bundle of an answer"),
        ({"resourceType": "Bundle", "entry": [{"resource": patient()}]}, "the practice: no Organization with an ODS code says which (or set publisher for the feed)"),
        ({"resourceType": "Parameters", "parameter": [{"name": "x"}]}, "no Bundle of an answer"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_reject_that_can_be_replayed(sent, reason):
    (item,) = read(sent)
    assert (item.place, item.reason) == ("line 1", reason) and item.payload


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"resourceType": "Ines", "id": "x"}, "resourceType"),
        (allergy("9990000018"), "id: an NHS number is no id"),
        (allergy("a b"), "AllergyIntolerance.id"),
        (allergy(""), "AllergyIntolerance.id"),
    ],
)
def test_one_bad_entry_costs_no_other(sent, reason):
    items = read(answer(sent, observation()))
    assert [item.reason for item in items if isinstance(item, Reject)] == [reason]
    assert {"Patient", "Observation", "Organization"} <= {getattr(item, "table", "") for item in items}


def test_an_entry_that_is_no_text_costs_no_other():
    items = read(json.dumps(answer(allergy(), observation(comment="mark"))).encode().replace(b"mark", b"\xff"))
    assert [item.reason for item in items if isinstance(item, Reject)] == ["an entry without a resource"]
    assert {"Patient", "AllergyIntolerance", "Organization"} <= {getattr(item, "table", "") for item in items}


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place within a value, as the names and numbers that lead there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield (*path, step)
        yield from places(item, (*path, step))


def replaced(value: object, path: tuple[str | int, ...], other: object) -> object:
    if not path:
        return other
    step, *rest = path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    kept = {name: replaced(item, tuple(rest), other) if name == step else item for name, item in items}
    return kept if isinstance(value, dict) else list(kept.values())


SAMPLE = [entry["resource"] for entry in json.loads((SAMPLES / "record.json").read_text(encoding="utf-8"))["entry"]]
CONTAINED = named(ENDED, "#1", contained=[{**allergy("1"), "identifier": [{"system": "urn:x", "value": "1"}]}])


@pytest.mark.parametrize("type_", sorted({resource["resourceType"] for resource in SAMPLE}))
def test_a_value_of_a_wrong_type_never_ends_the_load(type_):
    sent = [resource for resource in (*SAMPLE, CONTAINED) if resource["resourceType"] == type_]
    names = [(item, path) for item in sent for path in places(item)]
    paths = {tuple(step for step in path if isinstance(step, str)): (item, path) for item, path in names}
    feed = Feed(settings={"publisher": "A99001"})
    for resource, path in paths.values():
        for wrong in (None, 5, [None], [5], [[]], {"a": 5}):
            items = read(answer(replaced(resource, path, wrong), observation("beside")), feed=feed)
            assert "beside" in {getattr(item, "key", "") for item in items}, path
            for row in items:
                assert isinstance(row, Reject) or SOURCE.publisher(row).code == "A99001"


@pytest.mark.parametrize("element", ["entry", "meta", "type", "parameter", "resourceType", "identifier"])
@pytest.mark.parametrize("wrong", [None, 5, [None], [5], [[]], {"a": 5}])
def test_a_bundle_with_a_value_of_a_wrong_type_never_ends_the_load(element, wrong):
    assert read({**answer(), element: wrong})
    assert read({"resourceType": "Parameters", "parameter": [{"resource": {**answer(), element: wrong}}]})


@pytest.mark.hazard("HZ-GPC-13")
@pytest.mark.parametrize(
    "nodes",
    [
        [extension("ListWarningCode")],
        [extension("ListWarningCode", valueCode=" ")],
        [extension("ListWarningCode", valueCode=7)],
        [extension("ListWarningCode", valueCodeableConcept={"coding": [{"code": "confidential-items"}]})],
        ["confidential-items"],
        "confidential-items",
        7,
    ],
)
def test_a_list_with_a_warning_that_cannot_be_read_takes_nothing_away_and_tells_so(nodes):
    first = answer(allergy(), named(ALLERGIES, allergy(), at=EARLIER))
    found = mapped(first, answer(named(ALLERGIES, at=LATER, extension=nodes)))
    assert len(found.resources("AllergyIntolerance")) == 1
    assert "warns that data may be missing" in str(found.resources("Flag"))


def test_what_a_server_says_of_its_answer_and_a_narrative_are_no_part_of_the_record():
    said = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-supported"}]}
    told = observation(text={"status": "additional", "div": "<div>more</div>"}, language="en")
    found = mapped(answer(said, told))
    assert found.unlisted == ["Observation.text (the narrative says more than the elements, and is not taken)"]
    assert "more" not in str(found.resources())


def test_an_id_that_stands_twice_and_says_two_things_is_a_reject_and_the_same_twice_is_one():
    twice = read(answer(observation(), observation(status="unknown")))
    assert [item.reason for item in twice if isinstance(item, Reject)] == [
        "id: stands twice in the Bundle and says two things"
    ]
    assert len(mapped(answer(observation(), observation())).resources("Observation")) == 1


def test_a_live_store_knows_the_practice_by_the_patients_own_organisation():
    other = {**PRACTICE, "id": "org-2", "identifier": [{**PRACTICE["identifier"][0], "value": "RYJ"}]}
    assert {row.publisher for row in read(answer(other))} == {"A99001"}
    assert {row.publisher for row in read(answer(other), feed=Feed(settings={"publisher": "B99009"}))} == {"B99009"}
    said = [SOURCE.publisher(row) for row in read(answer(other)) if row.table == "Organization"]
    assert [publisher.name for publisher in said] == ["Invented Surgery", ""]


@pytest.mark.parametrize(
    ("sent", "name", "time"),
    [
        (answer(named(ALLERGIES, at=EARLIER), meta={"lastUpdated": LATER}), "a.json", LATER),
        (answer(named(ALLERGIES, at=EARLIER), named(PROBLEMS, at=LATER)), "a_20250101.json", LATER),
        (answer(named(ALLERGIES, at="2024-07-01T10:00:00")), "a.json", "2024-07-01T10:00:00+01:00"),
        (answer(named(ALLERGIES, at="")), "A99001_20250702T080910.json", "2025-07-02T08:09:10+01:00"),
        (answer(named(ALLERGIES, at="")), "9990000018.json", ""),
    ],
)
def test_the_time_of_an_answer(sent, name, time):
    rows = read(sent, name)
    assert {row.values["time"] for row in rows if row.table == "Seen"} == {time}
    assert all(bool(row.order) == bool(time) and row.by_content == (not time) for row in rows)


def test_the_same_answer_twice_changes_nothing(store, tmp_path):
    sent = answer(allergy(), problem(), plan(), named(ALLERGIES, allergy()), named(PROBLEMS, problem()))
    first, again = loaded(store, tmp_path / "1", sent), loaded(store, tmp_path / "2", sent)
    assert first.exit_code == again.exit_code == 0
    assert {outcome for _, outcome in again.resources} <= {"unchanged"} and set(again.rows) <= {"read", "unchanged"}
