"""Visits and accounts that move from one patient to another, beds that are swapped, numbers that change: the right
person for every visit, result and document, in any order of arrival."""

import itertools

import pytest

from gateway.errors import Invalid
from mappings import Feed
from mappings.hl7v2.reader import reread, rows
from tests.mappings.harness_hl7v2 import PID, adt, map_sent, oru, visit
from tests.mappings.test_hl7v2_letters import FILE, mdm

ANN = PID
BO = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
CY = "PID|1||H8^^^RXX^MR||Fell^Cy||19600101|1"
NUMBERS = {ANN: "H1", BO: "H9", CY: "H8"}


def account(pid: str, number: str) -> str:
    """The PID with an account number (PID-18)."""
    fields = pid.split("|") + [""] * 18
    fields[18] = f"{number}^^^RXX"
    return "|".join(fields[:19])


def move(event: str, time: str, to: str, out_of: str = "", visit_number: str = "V1", account_number: str = "") -> str:
    prior = f"{NUMBERS[out_of]}^^^RXX^MR" if out_of else ""
    place = [f"{account_number}^^^RXX" if account_number else "", "", f"{visit_number}^^^RXX" if visit_number else ""]
    pv1 = [visit(visit_number)] if visit_number else []
    return adt(event, time, to, f"MRG|{prior}||{'|'.join(place)}", *pv1)


def owners(*messages: str, warnings: list | None = None) -> set[tuple[str, str]]:
    """(type, hospital number) of whose everything is: the same in every order of arrival."""
    answers = []
    for arrived in itertools.permutations(messages):
        made = map_sent(*arrived, warnings=warnings)
        people = {each["id"]: number_of(each) for each in made if each["resourceType"] == "Patient"}
        about = {
            (each["resourceType"], people.get(each["subject"]["reference"][8:], "?"))
            for each in made
            if "subject" in each
        }
        answers.append(about)
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def number_of(patient: dict) -> str:
    return next(each["value"] for each in patient["identifier"] if each["value"].startswith("H"))


ADMITTED = adt("A01", "20250601090000", BO, visit("V1"))
KNOWN = adt("A28", "20250601080000", ANN)
RESULT = oru("20250601100000", visit("V1"), "OBX|1|NM|K^Potassium||5.1|mmol/L||||F", pid=BO)
LETTER = mdm("T02", "20250601110000", *FILE, pid=BO)
EVERYTHING = {"Encounter", "Observation", "DiagnosticReport", "DocumentReference"}


@pytest.mark.hazard("HZ-HL7V2-83")
def test_a_visit_that_moves_takes_its_results_and_letters_with_it():
    found = owners(ADMITTED, KNOWN, RESULT, LETTER, move("A45", "20250602", ANN, BO))
    assert found == {(type_, "H1") for type_ in EVERYTHING}


@pytest.mark.hazard("HZ-HL7V2-83")
def test_what_still_names_the_patient_that_a_visit_left_is_of_the_one_that_has_it():
    late = adt("A03", "20250603", BO, visit("V1", ended="20250603"))
    assert owners(ADMITTED, KNOWN, late, move("A45", "20250602", ANN, BO)) == {("Encounter", "H1")}


@pytest.mark.hazard("HZ-HL7V2-83")
def test_a_visit_that_moves_back_is_of_the_first_patient_again():
    there, back = move("A45", "20250602", ANN, BO), move("A45", "20250603", BO, ANN)
    assert owners(ADMITTED, KNOWN, there, back, RESULT) == {
        (type_, "H9") for type_ in EVERYTHING - {"DocumentReference"}
    }


@pytest.mark.hazard("HZ-HL7V2-83")
def test_a_visit_that_moves_twice_is_of_the_last_patient():
    third = adt("A28", "20250601080000", CY)
    steps = [move("A45", "20250602", ANN, BO), move("A45", "20250603", CY, ANN)]
    assert owners(ADMITTED, third, RESULT, *steps) == {(type_, "H8") for type_ in EVERYTHING - {"DocumentReference"}}


@pytest.mark.hazard("HZ-HL7V2-83")
def test_a_move_of_a_visit_that_is_somebody_elses_is_not_followed():
    warnings = []
    found = owners(ADMITTED, KNOWN, RESULT, move("A45", "20250602", ANN, CY), warnings=warnings)
    assert {number for _, number in found} == {"H9"}
    assert ("MRG-1", "a move of a visit that is another patient's, not followed") in warnings


@pytest.mark.hazard("HZ-HL7V2-83")
def test_an_account_that_moves_takes_its_visits_and_results_and_no_others():
    of_account = [
        adt("A01", "20250601090000", account(BO, "A1"), visit("V1")),
        oru("20250601100000", "OBX|1|NM|K^K||5|||||F", pid=account(BO, "A1")),
    ]
    other = [adt("A01", "20250601091000", account(BO, "A2"), visit("V2"))]
    found = owners(*of_account, *other, KNOWN, move("A44", "20250602", account(ANN, "A1"), BO, "", "A1"))
    assert found == {("Encounter", "H1"), ("Encounter", "H9"), ("Observation", "H1"), ("DiagnosticReport", "H1")}


def test_a_move_within_one_patient_changes_nothing():
    assert owners(ADMITTED, RESULT, move("A45", "20250602", BO, BO)) == {
        (type_, "H9") for type_ in EVERYTHING - {"DocumentReference"}
    }
    assert owners(ADMITTED, KNOWN, move("A45", "20250602", ANN)) == {("Encounter", "H9")}, "nobody says whose it was"


@pytest.mark.hazard("HZ-HL7V2-84")
def test_two_patients_who_swap_beds_change_their_places_alone():
    beds = {ANN: ("V1", "W1^B1^1"), BO: ("V2", "W1^B1^2")}
    admitted = [adt("A01", "20250601090000", pid, visit(number, ward=bed)) for pid, (number, bed) in beds.items()]
    swap = adt("A17", "20250602", ANN, visit("V1", ward="W1^B1^2"), BO, visit("V2", ward="W1^B1^1"))
    answers = []
    for arrived in itertools.permutations([*admitted, swap]):
        made = [each for each in map_sent(*arrived) if each["resourceType"] == "Encounter"]
        places = {
            each["identifier"][0]["value"]: [stay["location"]["identifier"]["value"][-1] for stay in each["location"]]
            for each in made
        }
        answers.append((places, {each["subject"]["reference"] for each in made}))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == {"V1": ["1", "2"], "V2": ["2", "1"]} and len(answers[0][1]) == 2


@pytest.mark.hazard("HZ-HL7V2-84")
def test_a_swap_that_has_the_patients_of_the_visits_wrong_is_not_followed():
    warnings = []
    admitted = [
        adt("A01", "20250601090000", ANN, visit("V1")),
        adt("A01", "20250601090000", BO, visit("V2", ward="W1^B1^2")),
    ]
    swap = adt("A17", "20250602", ANN, visit("V2", ward="W1^B1^1"), BO, visit("V1", ward="W1^B1^2"))
    assert owners(*admitted, swap, warnings=warnings) == {("Encounter", "H1"), ("Encounter", "H9")}
    made = [each for each in map_sent(*admitted, swap) if each["resourceType"] == "Encounter"]
    assert (
        all(len(each["location"]) == 1 for each in made)
        and ("PID-3", "a swap of beds with the visit of another patient, not followed") in warnings
    )


@pytest.mark.hazard("HZ-HL7V2-84")
@pytest.mark.parametrize("message, reason", [
    (adt("A17", "20250602", ANN, visit("V1")), "not two patients"),
    (adt("A17", "20250602", ANN, visit("V1"), ANN, visit("V2", ward="W2")), "not two patients"),
    (adt("A17", "20250602", ANN, visit("V1"), BO, visit("V1", ward="W2")), "not two patients"),
    (adt("A17", "20250602", ANN, visit("V1"), BO, visit("V2")), "not two patients"),
    (adt("A17", "20250602", ANN, visit("V1"), BO, visit("V2", ward="W2"), CY, visit("V3", ward="W3")), "not two patients"),
    (adt("A44", "20250602", ANN, "MRG|||A1"), "MRG-1"),
    (adt("A45", "20250602", ANN, "MRG|H9^^^RXX^MR"), "MRG-3 and MRG-5"),
    (adt("A41", "20250602", ANN, "MRG|H9^^^RXX^MR||A1"), "accounts of two patients"),
    (adt("A47", "20250602", ANN, "MRG|H1^^^RXX^MR"), "MRG-1"),
    (adt("A43", "20250602", ANN, "MRG|H9^^^RXX^MR"), "not read"),
    (adt("A42", "20250602", ANN, "MRG|H9^^^RXX^MR||||V2"), "not read"),
])  # fmt: skip
def test_where_the_sides_do_not_agree_nothing_is_guessed(message, reason):
    with pytest.raises(Invalid, match=reason):
        list(rows(message.encode(), Feed()))


@pytest.mark.hazard("HZ-HL7V2-83")
def test_a_number_that_changes_is_retired_and_what_came_under_it_is_found_by_the_link():
    made = map_sent(
        adt("A28", "20250601", BO), RESULT, adt("A47", "20250602", BO.replace("H9", "H7"), "MRG|H9^^^RXX^MR")
    )
    patients = {number_of(each): each for each in made if each["resourceType"] == "Patient"}
    assert patients["H9"]["active"] is False and patients["H9"]["link"][0]["type"] == "replaced-by"
    assert patients["H7"]["active"] is True and patients["H7"]["link"][0]["other"]["reference"].endswith(
        patients["H9"]["id"]
    )


def test_a_move_that_todays_settings_read_otherwise_is_looked_up_no_more():
    text = adt("A45", "20250602", "PID|1||H1^^^^MR||Marsh^Ann||19700203|2", "MRG|H9^^^^MR||||V1^^^RXX", visit("V1"))
    kept, moved = rows(text.encode(), Feed())
    again = reread(kept, Feed(settings={"authority": "RXX"}))
    assert moved.key == "visit:RXX|V1|from||H9"
    looked_up = {(each.key, each.deleted) for each in again if each.table == "MOVED"}
    assert looked_up == {(moved.key, True), ("visit:RXX|V1|from|RXX|H9", False)}


@pytest.mark.parametrize("number", ["UNKNOWN", "N/A", "0000", "none"])
@pytest.mark.hazard("HZ-HL7V2-85")
def test_a_word_for_no_visit_number_joins_nobodys_visits(number):
    made = map_sent(adt("A01", "20250601", ANN, visit(number)), adt("A01", "20250602", BO, visit(number)))
    assert not [each for each in made if each["resourceType"] == "Encounter"]
