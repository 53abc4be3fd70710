"""ADT by two clocks: snapshots follow the entry, the course of a visit its events; a cancellation takes back what it
names."""

import itertools
import random

import pytest

from tests.mappings.harness_hl7v2 import PID, adt, map_text, one, visit
from tests.mappings.test_hl7v2_encounter import places

HOME = PID + "|||{}^^Leeds"
ADMIT = adt("A01", "20250601100000", visit(admitted="20250601100000"), occurred="20250601100000")


def home(street: str) -> str:
    return PID + f"|||{street}^^Leeds"


def resources(*texts: str) -> list[dict]:
    """Return what the messages make, which must be the same in any order."""
    answer = map_text(*texts)
    orders = (
        list(itertools.permutations(texts))
        if len(texts) < 5
        else [random.Random(n).sample(texts, len(texts)) for n in range(12)]
    )
    assert all(map_text(*order) == answer for order in orders)
    return answer


def encounter(*texts: str) -> dict:
    return one(resources(*texts), "Encounter")


@pytest.mark.hazard("HZ-HL7V2-27")
@pytest.mark.parametrize(
    "first",
    [
        adt("A03", "20250602100000", home("Old Road"), visit(), "ZU8||||0", occurred="20260602100000"),
        adt("A05", "20250602100000", home("Old Road"), visit(kind="P"), "ZU8||||0", occurred="20251224100000"),
        adt("A08", "20260602100000", home("Old Road"), visit(), "ZU8||||0", sent="20250602100000"),
    ],
    ids=["mistyped event", "planned event", "mistyped entry"],
)
def test_a_mistyped_time_freezes_neither_address_nor_death_nor_shield(first):
    told = adt("A31", "20250701100000", home("New Road") + "|" * 18 + "20250630120000|Y")
    patient = one(resources(first, told), "Patient")
    assert patient["deceasedDateTime"] == "2025-06-30T12:00:00+01:00" and patient["address"][0]["line"] == ["New Road"]
    shielded = one(resources(first, adt("A31", "20250701100000", home("New Road"), "ZU8||||1")), "Patient")
    assert shielded["meta"]["security"] == ["R"] and "address" not in shielded


@pytest.mark.hazard("HZ-HL7V2-27")
def test_an_admission_entered_late_brings_its_new_address():
    late = adt("A01", "20250601160000", home("New Road"), visit(), occurred="20250601100000")
    assert one(resources(late, adt("A31", "20250601120000", home("Old Road"))), "Patient")["address"][0]["line"] == [
        "New Road"
    ]


@pytest.mark.hazard("HZ-HL7V2-27")
def test_of_two_messages_of_one_moment_the_one_that_shields_counts():
    shown, hidden = adt("A31", "20250601120000", "ZU8||||0"), adt("A08", "20250601120000", PID, "ZU8||||1")
    assert one(resources(shown, hidden), "Patient")["meta"]["security"] == ["R"]


@pytest.mark.hazard("HZ-HL7V2-27")
def test_a_mistyped_discharge_can_be_cancelled():
    gone = adt("A03", "20250602100000", visit(), occurred="20260602100000")
    back = adt("A13", "20250602110000", visit(), occurred="20260602100000")
    assert encounter(ADMIT, gone, back)["status"] == "in-progress"


@pytest.mark.hazard("HZ-HL7V2-28")
def test_a_move_after_the_discharge_readmits_nobody():
    gone = adt("A03", "20250602100000", visit(ended="20250602100000"), occurred="20250602100000")
    moved = adt("A02", "20250602100200", visit(ward="DL", ended="20250602100000"), occurred="20250602100200")
    found = encounter(ADMIT, gone, moved)
    assert (found["status"], found["period"]["end"]) == ("finished", "2025-06-02T10:00:00+01:00")
    assert [each[0] for each in places(found)] == ["W1, B1, 1"]


@pytest.mark.hazard("HZ-HL7V2-09")
def test_a_cancelled_transfer_is_the_one_that_the_message_names():
    second = adt("A02", "20250602100000", visit(ward="W2"), occurred="20250602100000")
    third = adt("A02", "20250603100000", visit(ward="W3"), occurred="20250603100000")
    cancel = adt("A12", "20250603120000", visit(ward="W3"), occurred="20250602100000")
    assert places(encounter(ADMIT, second, third, cancel)) == [
        ("W1, B1, 1", "completed", "2025-06-03T10:00:00+01:00"),
        ("W3", "active", None),
    ]
    unknown = adt("A12", "20250603120000", visit(ward="W2"), occurred="20250602180000")
    assert places(encounter(ADMIT, second, unknown))[-1] == ("W2", "active", None)


@pytest.mark.hazard("HZ-HL7V2-29")
def test_a_place_that_changes_without_a_transfer_erases_no_ward():
    moved = adt("A02", "20250602100000", visit(ward="W2"), occurred="20250602100000")
    gone = adt("A03", "20250605100000", visit(ward="DL", ended="20250605090000"), occurred="20250605090000")
    found = encounter(ADMIT, moved, gone)
    assert [each[0] for each in places(found)] == ["W1, B1, 1", "W2", "DL"]
    assert "end" not in found["location"][1]["period"] and found["location"][2]["period"] == {
        "end": "2025-06-05T09:00:00+01:00"
    }
    stale = adt("A08", "20250602110000", visit(ward="W1^B1^1"))
    late = adt("A02", "20250602120000", visit(ward="W2"), occurred="20250602100000")
    assert [each[0] for each in places(encounter(ADMIT, stale, late))] == ["W1, B1, 1", "W2"]
    assert [each[0] for each in places(encounter(ADMIT, moved, adt("A08", "20250603", visit(ward="W2^B9"))))] == [
        "W1, B1, 1",
        "W2, B9",
    ]


@pytest.mark.hazard("HZ-HL7V2-10")
def test_the_stay_of_a_cancelled_admission_does_not_begin_the_next():
    cancel = adt("A11", "20250601113000", visit(), occurred="20250601100000")
    again = adt("A01", "20250601150000", visit(admitted=""), occurred="20250601150000")
    found = encounter(ADMIT, cancel, again)
    assert found["status"] == "in-progress" and "start" not in found.get("period", {})
    assert [stay["period"]["start"] for stay in found["location"]] == ["2025-06-01T15:00:00+01:00"]


@pytest.mark.hazard("HZ-HL7V2-10")
def test_a_cancellation_of_an_earlier_admission_leaves_the_later_one():
    again = adt("A01", "20250601150000", visit(admitted="20250601150000"), occurred="20250601150000")
    cancel = adt("A11", "20250601160000", visit(admitted=""), occurred="20250601100000")
    assert encounter(ADMIT, again, cancel)["status"] == "in-progress"
    first = adt("A03", "20250602100000", visit(), occurred="20250602100000")
    second = adt("A03", "20250603100000", visit(ended="20250603100000"), occurred="20250603100000")
    undo = adt("A13", "20250603120000", visit(), occurred="20250602100000")
    assert encounter(ADMIT, first, second, undo)["status"] == "finished"


@pytest.mark.hazard("HZ-HL7V2-30")
@pytest.mark.parametrize(
    ("sent", "date"),
    [
        ("19691231000000+0800", "1969-12-31"),
        ("19691231233000-0500", "1969-12-31"),
        ("20230603+0800", "2023-06-03"),
        ("198501150000+1300", "1985-01-15"),
        ("1985", "1985"),
        ("0000", None),
        ("2400", None),
    ],
)
def test_a_birth_date_is_never_moved_by_an_offset(sent, date):
    from mappings.hl7v2 import times

    assert times.date(sent) == (date or "")
    if date:
        assert one(map_text(adt("A28", "20250101", PID.replace("19700203", sent))), "Patient")["birthDate"] == date


@pytest.mark.parametrize(
    ("sent", "status"),
    [("NSTS1", "01"), ("PDS01", "01"), ("PDS2", "02"), ("NSTS08", "08"), ("1", None), ("PDS09", None)],
)
def test_the_verification_status_is_read_in_each_spelling(sent, status):
    found = one(map_text(adt("A28", "20250101", PID + "|" * 24 + sent)), "Patient")["identifier"][0].get("extension")
    assert (found and found[0]["valueCodeableConcept"]["coding"][0]["code"]) == status
