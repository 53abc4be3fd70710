"""Allergies that are added, updated and removed one by one (A60, IAM), beside those of AL1."""

import itertools

import pytest

from tests.mappings.harness_hl7v2 import PID, adt, map_sent

PENICILLIN, NUTS = "91936005^Allergy to penicillin^SCT", "N1^Nuts^L"
AL1 = f"AL1|1|DA|{PENICILLIN}|SV|Rash"


def iam(action: str, substance: str = PENICILLIN, number: str = "", **fields: str) -> str:
    """An IAM; further fields by number (``f17="C"``)."""
    values = {2: "DA", 3: substance, 6: action, 7: number} | {int(name[1:]): value for name, value in fields.items()}
    return "IAM|1|" + "|".join(values.get(n, "") for n in range(2, 21))


def a60(time: str, *segments: str) -> str:
    return adt("A60", time, PID, *segments)


def allergies(*messages: str, warnings: list | None = None) -> dict[str, tuple]:
    """Substance → (clinical, verification) of what messages make: the same in every order of arrival."""
    answers = [
        {each["code"]["text"]: states(each) for each in found(*arrived, warnings=warnings)}
        for arrived in itertools.permutations(messages)
    ]
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def found(*messages: str, warnings: list | None = None) -> list[dict]:
    return [each for each in map_sent(*messages, warnings=warnings) if each["resourceType"] == "AllergyIntolerance"]


def states(allergy: dict) -> tuple:
    return tuple(
        allergy.get(name, {}).get("coding", [{}])[0].get("code") for name in ("clinicalStatus", "verificationStatus")
    )


STATED = adt("A28", "20250601", AL1)
NAME = "Allergy to penicillin"


@pytest.mark.hazard("HZ-HL7V2-86")
def test_an_allergy_is_removed_by_what_deletes_it_and_by_nothing_else():
    assert allergies(STATED, adt("A08", "20250602")) == {NAME: ("active", None)}, "silence removes nothing"
    assert allergies(STATED, a60("20250602", iam("A", NUTS))) == {NAME: ("active", None), "Nuts": ("active", None)}
    assert allergies(STATED, a60("20250602", iam("D", f8="Wrong patient"))) == {NAME: (None, "entered-in-error")}
    (removed,) = found(STATED, a60("20250602", iam("D", f8="Wrong patient")))
    assert removed["note"] == [{"text": "Removed by its sender: Wrong patient"}]


@pytest.mark.hazard("HZ-HL7V2-86")
def test_what_is_stated_again_after_it_was_removed_is_an_allergy_again_and_says_so():
    sent = (STATED, a60("20250602", iam("D")), adt("A08", "20250603", AL1))
    assert allergies(*sent) == {NAME: ("active", None)}
    assert "stated again later" in found(*sent)[0]["note"][0]["text"]
    assert allergies(STATED, a60("20250602", iam("D")), a60("20250603", iam("X"))) == {NAME: ("active", None)}


@pytest.mark.hazard("HZ-HL7V2-86")
def test_a_removal_that_meets_nothing_is_counted_and_removes_nothing():
    warnings = []
    assert allergies(STATED, a60("20250602", iam("D", NUTS)), warnings=warnings) == {NAME: ("active", None)}
    assert ("IAM-6", "an allergy to be removed that nobody stated") in warnings
    assert allergies(STATED, a60("20250602", iam("D", "P9^Allergy to Penicillin^L"))) == {
        NAME: (None, "entered-in-error")
    }, "by its words"
    both = adt("A28", "20250601", AL1, "AL1|2|DA|P8^Allergy to penicillin^L")
    made = found(both, a60("20250602", iam("D", "P9^Allergy to penicillin^L")))
    assert {states(each) for each in made} == {("active", None)}, "of two nobody says which"


def test_an_update_takes_the_place_of_what_has_its_number_and_x_changes_nothing():
    sent = a60("20250601", iam("A", "P1^Penicilin^L", "7^EPR"))
    update = a60("20250602", iam("U", PENICILLIN, "7^EPR"))
    assert allergies(sent, update) == {NAME: ("active", None), "Penicilin": (None, "entered-in-error")}
    stated = adt("A28", "20250531", "AL1|1|DA|P1^Penicilin^L")
    assert allergies(stated, sent, update) == {NAME: ("active", None), "Penicilin": ("active", None)}, (
        "AL1 states it too"
    )
    assert allergies(a60("20250601", iam("A", f17="C")), a60("20250602", iam("X", f17="U"))) == {
        NAME: ("active", "confirmed")
    }


@pytest.mark.hazard("HZ-HL7V2-87")
@pytest.mark.parametrize(
    "said, expected",
    [("U", ("active", "unconfirmed")), ("P", ("active", "unconfirmed")), ("S", ("active", "unconfirmed")), ("C", ("active", "confirmed")),
     ("I", ("inactive", "confirmed")), ("E", (None, "entered-in-error")), ("D", ("active", "unconfirmed")), ("", ("active", None)), ("Q", ("active", None))],
)  # fmt: skip
def test_the_clinical_status_of_an_allergy(said, expected):
    assert allergies(a60("20250601", iam("A", f17=said))) == {NAME: expected}


def test_all_that_is_said_of_an_allergy_is_kept():
    (made,) = found(a60(
        "20250601", iam("A", f4="SV", f5="Rash~Wheeze", f7="7^EPR", f9="SE^Side effect", f11="201805", f13="20250531", f14="Doe^Ro", f15="SPO^Spouse"),
        "NTE|1||Seen in clinic", "IAR|1^Swelling^L|MO^Moderate|AL|Adrenaline",
    ))  # fmt: skip
    assert made["onsetDateTime"] == "2018-05" and made["recordedDate"] == "2025-05-31" and "type" not in made
    assert [(len(each["manifestation"]), each["severity"]) for each in made["reaction"]] == [
        (2, "severe"),
        (1, "moderate"),
    ]
    assert {note["text"] for note in made["note"]} == {
        "Kind of reaction: Side effect", "Reported by Ro Doe (Spouse)", "What was done: Adrenaline", "Seen in clinic"
    }  # fmt: skip
    assert made["identifier"][0]["value"] == "7"
    assert found(a60("20250601", iam("A", f9="IN", f12="as a child")))[0]["onsetString"] == "as a child"
