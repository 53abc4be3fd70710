"""What tells of a closed section in a resource of an open one: nobody reads it, searches it or is shown it who may not
see that section (``nhs/reasons.py``)."""

import json

import pytest

from gateway.fhir import params
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.r4 import table
from gateway.nhs import decision, kinds, reasons, roles
from tests.api.conftest import Api
from tests.api.people import ANN, SETS, coded, patient, to, uid
from tests.toy import deliver, resource, row, says

SECRET, SUPPORT = "overdose-of-paracetamol", "support-with-memory"
CONCEPT, PROBLEM = {**coded(SECRET), "text": SECRET}, 209
TOLD = {"reasonCode": [CONCEPT], "reasonReference": [{**to("Condition", PROBLEM), "display": SECRET}]}
NARRATIVE = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{SECRET}</div>'}
SUMMARY = {"identifier": f"{NHS_NUMBER}|{ANN}"}
HELD = {
    "Encounter": resource(
        "Encounter", uid(201), status="finished", class_={"code": "EMER"}, subject=to("Patient", 1), **TOLD,
        diagnosis=[{"condition": to("Condition", PROBLEM)}], text=NARRATIVE,
    ),
    "MedicationRequest": resource(
        "MedicationRequest", uid(202), status="active", intent="order", medicationCodeableConcept=coded("m"), subject=to("Patient", 1),
        authoredOn="2024-05-01", **TOLD,
    ),
    "MedicationStatement": resource(
        "MedicationStatement", uid(203), status="active", medicationCodeableConcept=coded("s"), subject=to("Patient", 1), **TOLD,
    ),
    "Immunization": resource(
        "Immunization", uid(204), status="completed", vaccineCode=coded("v"), patient=to("Patient", 1), occurrenceDateTime="2024-05-01", **TOLD,
    ),
    "EpisodeOfCare": resource(
        "EpisodeOfCare", uid(205), status="finished", patient=to("Patient", 1), diagnosis=[{"condition": {"display": SECRET}}],
    ),
}  # fmt: skip


@pytest.fixture
def told(clinic: Api) -> Api:
    """Ann's practice tells reasons in each type that a social worker may see; the council cares for her, for a reason
    of its own."""
    problem = resource("Condition", uid(PROBLEM), code=CONCEPT, subject=to("Patient", 1))
    deliver(clinic.store, [row("reasons", problem, *HELD.values())], SETS)
    care = resource("EpisodeOfCare", uid(252), status="active", patient=to("Patient", 251))
    review = resource(
        "Task",
        uid(253),
        status="requested",
        intent="order",
        code=coded("r"),
        for_=to("Patient", 251),
        reasonCode={"text": SUPPORT},
        authoredOn="2024-05-01",
    )
    council = row("ann", patient(251, ANN, "Ames", "Ann"), care, review, publisher="C")
    deliver(clinic.store, [says("C", 1, ods="990"), council], SETS, name="council", kind="social-care")
    for user in ("dr-ward", "social-worker"):
        assert clinic.permit(ANN, user).status_code == 201
    return clinic


@pytest.mark.hazard("HZ-SUMMARY-39")
def test_the_reason_of_an_open_section_follows_the_right_to_problems(told):
    for type_, held in HELD.items():
        for path, of in ((f"/fhir/{type_}/{held['id']}", {}), (f"/fhir/{type_}", {"patient": f"Patient/{uid(1)}"})):
            seen, shown = (told.get(path, user, **of) for user in ("dr-ward", "social-worker"))
            assert seen.status_code == shown.status_code == 200, (type_, shown.text)
            assert SECRET in seen.text and held["id"] in shown.text, path
            assert SECRET not in shown.text and uid(PROBLEM) not in shown.text, path
    assert told.get(f"/fhir/Condition/{uid(PROBLEM)}", "social-worker").status_code == 404


@pytest.mark.hazard("HZ-SUMMARY-39")
@pytest.mark.parametrize(
    "type_, asked",
    [
        ("Encounter", {"reason-code": SECRET}),
        ("Encounter", {"reason-code:missing": "false"}),
        ("Encounter", {"diagnosis": f"Condition/{uid(PROBLEM)}"}),
        ("Encounter", {"diagnosis.code": SECRET}),
        ("Immunization", {"reason-reference": f"Condition/{uid(PROBLEM)}"}),
        ("EpisodeOfCare", {"condition:missing": "false"}),
        ("Patient", {"_has:Encounter:patient:reason-code": SECRET}),
    ],
)
def test_no_filter_finds_by_the_reason_of_an_open_section(told, type_, asked):
    who = {"_id": uid(1)} if type_ == "Patient" else {"patient": uid(1)}
    assert told.found(f"/fhir/{type_}", "dr-ward", **who, **asked)
    assert told.found(f"/fhir/{type_}", "social-worker", **who, **asked) == []


@pytest.mark.hazard("HZ-SUMMARY-39")
@pytest.mark.parametrize("accept", ["application/fhir+json", "text/html"])
@pytest.mark.parametrize("view", ["shared", "summary"])
def test_no_page_and_no_entry_of_the_document_tells_the_reason(told, accept, view):
    seen, shown = (
        told.get("/fhir/Patient/$summary", user, {"Accept": accept}, **SUMMARY, view=view)
        for user in ("dr-ward", "social-worker")
    )
    assert seen.status_code == shown.status_code == 200, shown.text
    assert SECRET in seen.text and SECRET not in shown.text and uid(PROBLEM) not in shown.text
    if accept != "text/html":
        types = {entry["resource"]["resourceType"] for entry in json.loads(shown.text)["entry"]}
        assert types >= {"Encounter", "MedicationRequest", "Immunization"}


def test_a_councils_own_reason_is_told_to_who_may_see_social_care(told):
    assert SUPPORT in told.get(f"/fhir/Task/{uid(253)}", "social-worker").text
    assert SUPPORT in told.get("/fhir/Patient/$summary", "social-worker", **SUMMARY).text


def test_a_practice_of_which_the_core_only_is_shown_tells_no_reason():
    decided = decision.Decision(None, sections=roles.ALL, core_only=frozenset({1}))
    assert "reasonCode" in decided.closed("MedicationRequest", 1, "gp")
    assert decided.closed("MedicationRequest", 2, "gp") == frozenset()


def test_what_holds_a_closed_element_loses_its_narrative_and_the_problems_in_it():
    told = {
        **HELD["Encounter"],
        "contained": [{"resourceType": "Condition", "id": "c"}, {"resourceType": "Location", "id": "l"}],
    }
    left = reasons.without(told, reasons.closed("Encounter", "gp", roles.CORE))
    assert "text" not in left and left["contained"] == [{"resourceType": "Location", "id": "l"}]
    within = {"resourceType": "Encounter", "id": "e", "text": NARRATIVE, "contained": told["contained"]}
    left = reasons.without(within, reasons.closed("Encounter", "gp", roles.CORE))
    assert left == {"resourceType": "Encounter", "id": "e", "contained": [{"resourceType": "Location", "id": "l"}]}
    plain = {**within, "contained": within["contained"][1:]}
    assert reasons.without(plain, reasons.closed("Encounter", "gp", roles.CORE)) == plain


def test_each_reason_of_a_type_that_some_right_opens_is_in_the_table():
    named = {"reasonCode", "reasonReference", "diagnosis", "addresses", "complication", "complicationDetail"}
    opened = roles.types_of(roles.ALL - {"problems"}) | kinds.SOCIAL_CARE_TYPES
    types = table.types()
    expected = {
        type_: {name for element in types[type_].elements for name in element.names} & named
        for type_ in opened & types.keys()
    }
    assert {type_: set(elements) for type_, elements in reasons.ROWS.items()} == {
        t: held for t, held in expected.items() if held
    }


def test_no_index_reads_an_element_of_the_table():
    for type_, elements in reasons.ROWS.items():
        read = {param.paths[type_].split(".")[0] for param in params.indexed(type_).values()}
        assert read.isdisjoint(elements), type_
