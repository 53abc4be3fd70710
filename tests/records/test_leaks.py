"""Nothing tells a caller of anybody who is not theirs: what is asked by id or by name is decided person by person."""

import json
from dataclasses import replace

import pytest

from gateway import records
from gateway.care import Statement, permit
from gateway.errors import Forbidden
from gateway.fhir.parse import parse
from gateway.nhs import roles, sandbox
from gateway.nhs.codesets import SNOMED, CodeSet, CodeSets
from gateway.records import open_door
from tests.toy import deliver, resource, row, says

GREEN = roles.caller_from_claims(sandbox.claims("dr-green"))
DESK = roles.caller_from_claims(sandbox.claims("receptionist"))
SETS = CodeSets((CodeSet("sharing", {(SNOMED, "objects"): "objection"}),))
NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
REGULAR = [{"coding": [{"code": "R"}]}]


def uid(number: int) -> str:
    return f"{number:08d}-0000-5000-8000-000000000000"


def patient(id_: int, number: str, family: str, given: str, born: str = "1980-02-29", **elements) -> dict:
    verified = [{"url": STATUS, "valueCodeableConcept": {"coding": [{"code": "01"}]}}]
    return resource(
        "Patient", uid(id_), identifier=[{"extension": verified, "system": NUMBER, "value": number}],
        name=[{"family": family, "given": [given]}], birthDate=born, **elements,
    )  # fmt: skip


def of(id_: int) -> dict:
    return {"reference": f"Patient/{uid(id_)}"}


def registered(id_: int, patient_: int) -> dict:
    return resource("EpisodeOfCare", uid(id_), status="active", type=REGULAR, patient=of(patient_))


def observation(id_: int, patient_: int, code: str = "x", **elements) -> dict:
    coding = {"system": SNOMED, "code": code}
    return resource(
        "Observation", uid(id_), status="final", code={"coding": [coding]}, subject=of(patient_), **elements
    )


A, B, C = "9990000018", "9990000026", "9990000034"


@pytest.fixture
def door(store):
    """Ann and Abe are registered here and known to the trust; Abe objects to sharing. Amy is another practice's. All
    are called Ames."""
    deliver(store, [
        says("P1", 1, ods=GREEN.organisation), says("P2", 1, ods="A99002"),
        row("ann", patient(1, A, "Ames", "Ann"), registered(2, 1), observation(3, 1)),
        row("abe", patient(11, B, "Ames", "Abe"), registered(12, 11), observation(13, 11, "objects", effectiveDateTime="2020-01-01")),
        row("amy", patient(21, C, "Ames", "Amy"), registered(22, 21), observation(23, 21), publisher="P2"),
    ], SETS)  # fmt: skip
    deliver(store, [
        says("T", 1, ods="RZZ"), row("ann", patient(31, A, "Ames", "Ann"), publisher="T"), row("abe", patient(32, B, "Ames", "Abe"), publisher="T"),
    ], SETS, name="trust", kind="hospital")  # fmt: skip
    opened = open_door(store, SETS)
    yield opened
    opened.audit.close()


def found(door, caller, type_: str, *pairs: tuple[str, str]) -> set[int]:
    page = records.search(door, caller, parse(type_, list(pairs)), "r")
    return {int(one.id[:8]) for one in page.matches}


BY_NAME = [("family", "ames"), ("birthdate", "1980-02-29")]


@pytest.mark.hazard("HZ-ACCESS-11")
def test_by_name_each_person_is_shown_by_their_own_limits(door):
    assert found(door, GREEN, "Patient", *BY_NAME) == {1, 11, 31}, (
        "Abe objects: the trust's record of him is not shown for Ann's sake"
    )
    assert found(door, DESK, "Patient", *BY_NAME) == {1, 11}


def test_the_audit_names_everyone_who_was_shown_by_name(door):
    found(door, GREEN, "Patient", *BY_NAME)
    (event,) = [event for event in door.audit.events() if event.get("type") == "Patient"]
    assert {uid(1), uid(11)} <= set(event["patients"]) and uid(21) not in event["patients"]


@pytest.mark.hazard("HZ-ACCESS-12")
def test_an_id_of_somebody_else_beside_ones_own_is_as_an_unknown_id(door):
    unknown = found(door, GREEN, "Observation", ("_id", f"{uid(3)},{uid(99)}"))
    assert found(door, GREEN, "Observation", ("_id", f"{uid(3)},{uid(23)}")) == unknown == {3}
    assert found(door, GREEN, "Observation", ("_id", f"{uid(3)},{uid(13)}")) == {3, 13}


def test_an_id_that_only_begins_like_another_finds_nothing(door):
    wrong = uid(3)[:-1] + "9"
    assert found(door, GREEN, "Observation", ("_id", wrong)) == set()
    assert found(door, GREEN, "Observation", ("_id", f"{uid(3)},{wrong}")) == {3}
    assert found(door, GREEN, "Observation", ("patient", uid(1)[:-1] + "9")) == set()


def test_ones_own_are_found_however_many_others_have_the_name(door):
    many = [
        row(f"m{n}", patient(1000 + n, C, "Ames", "Ann", address=[{"postalCode": "ZZ99"}]), publisher="P2")
        for n in range(60)
    ]
    deliver(door.store, many, SETS)
    assert found(door, DESK, "Patient", *BY_NAME) == {1, 11}
    assert json.loads(
        records.search(door, DESK, parse("Patient", [*BY_NAME, ("_total", "accurate")]), "r").matches[0].body
    )["id"]


def ids(found) -> set[int]:
    return {int(one.id[:8]) for one in found}


def test_an_include_follows_only_what_the_caller_is_shown(door):
    reason = {
        "reasonReference": [{"reference": f"Condition/{uid(6)}"}],
        "encounter": {"reference": f"Encounter/{uid(5)}"},
    }
    medicine = {
        "medicationCodeableConcept": {"text": "m"},
        "intent": "order",
        "status": "active",
        "subject": of(31),
        **reason,
    }
    active = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    coded = {"coding": [{"system": SNOMED, "code": "secret"}]}
    deliver(door.store, [
        row("e", resource("Encounter", uid(5), status="finished", class_={"code": "AMB"}, subject=of(31)), publisher="T"),
        row("c", resource("Condition", uid(6), clinicalStatus=active, code=coded, subject=of(31), security=["R"]), publisher="T"),
        row("m", resource("MedicationRequest", uid(7), **medicine), publisher="T"),
    ], SETS, name="trust", kind="hospital")  # fmt: skip
    asked = [("patient.identifier", f"{NUMBER}|{A}"), ("_include", "MedicationRequest:encounter")]
    page = records.search(door, GREEN, parse("MedicationRequest", asked), "r")
    assert ids(page.matches) == {7} and b"Encounter" not in page.matches[0].body and not page.included
    assert found(door, GREEN, "Encounter", ("patient.identifier", f"{NUMBER}|{A}")) == {5}, (
        "the encounter itself is no secret"
    )


def test_an_include_brings_no_type_that_the_scopes_do_not(door):
    doctor = {"performer": [{"reference": f"Practitioner/{uid(40)}"}]}
    deliver(
        door.store,
        [row("d", resource("Practitioner", uid(40), active=True)), row("s", observation(41, 1, **doctor))],
        SETS,
    )
    asked = parse("Observation", [("_id", uid(41)), ("_include", "Observation:performer")])
    assert ids(records.search(door, GREEN, asked, "r").included) == {40}
    narrow = replace(GREEN, scopes=frozenset({"user/Observation.rs"}))
    page = records.search(door, narrow, asked, "r")
    assert ids(page.matches) == {41} and not page.included


def test_a_code_of_a_publisher_is_never_more_than_a_code(door):
    code = 'x","versionId":"9'
    deliver(door.store, [row("o", observation(51, 1), publisher=code), says(code, 1, state="active")], SETS)
    with door.store.write() as session:
        session.run("UPDATE head SET publisher = (SELECT key FROM publisher WHERE code = ?) WHERE id = ?", code, uid(3))
        session.run("UPDATE publisher SET ods = ? WHERE code = ?", code, code)
    body = json.loads(records.read(door, GREEN, "Observation", uid(3), "r").open()[0].body)
    assert body["meta"]["versionId"] == "1" and body["meta"]["source"].startswith("urn:toy:x%22")


def test_permission_by_one_person_opens_nobody_else_who_claims_their_number(door):
    nurse = roles.caller_from_claims(sandbox.claims("nurse-ward"))
    claims = patient(31, A, "Ames", "Ann")
    claims["identifier"].append({"system": NUMBER, "value": C})
    open_encounter = resource("Encounter", uid(61), status="in-progress", class_={"code": "IMP"}, subject=of(31))
    rows = [row("ann", claims, publisher="T", order=2), row("e", open_encounter, publisher="T")]
    deliver(door.store, rows, SETS, name="trust", kind="hospital")
    asked = [("patient.identifier", f"{NUMBER}|{A}")]
    permit(door, nurse, Statement(C, "permission"), "r")
    assert found(door, nurse, "Observation", *asked) == set()
    permit(door, nurse, Statement(A, "permission"), "r")
    assert found(door, nurse, "Observation", *asked) == {3}


def test_the_longest_permission_holds_when_the_others_have_ended(door):
    nurse = roles.caller_from_claims(sandbox.claims("nurse-ward"))
    open_encounter = resource("Encounter", uid(61), status="in-progress", class_={"code": "IMP"}, subject=of(31))
    deliver(door.store, [row("e", open_encounter, publisher="T")], SETS, name="trust", kind="hospital")
    asked = [("patient.identifier", f"{NUMBER}|{A}")]
    with pytest.raises(Forbidden):
        found(door, nurse, "Condition", *asked) or records.person(door, nurse, "r", number=A)
    permit(door, nurse, Statement(A, "permission-extended", "seen every week"), "r")
    permit(door, nurse, Statement(A, "permission"), "r")
    assert found(door, nurse, "Observation", *asked) == {3}
    later = door.store.clock() + 25 * 3_600_000_000
    door.store.clock = lambda: later
    assert found(door, nurse, "Observation", *asked) == {3}
    ended = later + 91 * 24 * 3_600_000_000
    door.store.clock = lambda: ended
    assert found(door, nurse, "Observation", *asked) == set()
