"""A date that cannot be is left out and counted by its field; it makes nobody dead, ends no stay, loses no result and
freezes no order."""

import itertools
import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import Feed
from mappings.hl7v2 import times
from mappings.hl7v2.message import parse
from mappings.hl7v2.possible import KINDS, doubt
from mappings.hl7v2.reader import rows
from mappings.hl7v2.sidefields import TIMES
from mappings.vocabulary import CANNOT_BE
from tests.mappings.harness_hl7v2 import DEAD, PID, adt, map_rows, map_text, one, oru, visit

FEED = Feed()
K = "OBX|1|NM|K^Potassium^LIMS||{}|mmol/L|||||{}|||{}"
DEATH = PID + "|" * 21


def mapped(*texts: str) -> tuple[list[dict], list[str]]:
    """Return (resources, fields that were counted as dates that cannot be), which no order of arrival changes."""
    outcomes = []
    for arrived in itertools.permutations(texts):
        kept = [row for text in arrived for row in rows(text.strip().encode(), FEED)]
        warnings = [warning for row in kept for warning in row.warnings]
        resources = map_rows(kept, FEED, warnings)
        outcomes.append((resources, sorted(place for place, reason in warnings if reason == CANNOT_BE)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


def changed(text: str, segment: str, field: int, to: str) -> str:
    """Return a message with another value in a field of its first such segment."""
    lines = text.split("\r")
    place = next(number for number, line in enumerate(lines) if line.startswith(segment))
    fields = lines[place].split("|")
    fields += [""] * (field + 1 - len(fields))
    fields[field] = to
    lines[place] = "|".join(fields)
    return "\r".join(lines)


STAY = adt("A01", "20250610090000", visit(), "DG1|1||I10^Hypertension|||F", "PR1|1||X40^Dialysis", "AL1|1|DA|P^Pen")
GONE = adt("A03", "20250610090000", visit())
PLAN = adt("A05", "20250610090000", visit(kind="P", admitted=""), "PV2|1")
LAB = oru("20250610090000", K.format("7.9", "F", ""), "SPM|1|^S1&LIMS||BLD")


@pytest.mark.hazard("HZ-HL7V2-48")
@pytest.mark.parametrize(
    ("message", "segment", "field", "years", "kind"),
    [
        (adt("A31", "20250610090000", DEATH), "PID", 29, ("2099", "1901", "1965"), "Patient"),
        (adt("A31", "20250610090000"), "PID", 7, ("2099", "2026"), "Patient"),
        (STAY, "AL1", 6, ("2099", "1965"), "AllergyIntolerance"),
        (STAY, "DG1", 5, ("2099", "1965"), "Condition"),
        (STAY, "PR1", 5, ("2099", "1965"), "Procedure"),
        (STAY, "PV1", 44, ("2099", "2026", "1965"), "Encounter"),
        (GONE, "PV1", 45, ("2099", "2026"), "Encounter"),
        (GONE, "EVN", 6, ("2099", "2026"), "Encounter"),
        (PLAN, "PV1", 44, ("2099",), "Encounter"),
        (PLAN, "PV2", 8, ("2099",), "Encounter"),
        (PLAN, "PV2", 9, ("2099",), "Encounter"),
        (LAB, "OBR", 7, ("2099", "1965"), "Observation"),
        (LAB, "OBR", 8, ("2099", "1965"), "DiagnosticReport"),
        (LAB, "OBR", 14, ("2099", "1965"), "DiagnosticReport"),
        (LAB, "OBR", 22, ("2099", "1965"), "DiagnosticReport"),
        (LAB, "OBX", 14, ("2099", "1965"), "Observation"),
        (LAB, "SPM", 17, ("2099", "1965"), "Specimen"),
        (LAB, "SPM", 18, ("2099", "1965"), "Specimen"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else None,
)
def test_a_date_that_cannot_be_is_left_out_and_counted_by_its_field(message, segment, field, years, kind):
    for year in years:
        resources, places = mapped(changed(message, segment, field, f"{year}0604100000"))
        assert places == [f"{segment}-{field}"]
        assert f"{year}-" not in json.dumps(resources, default=str)
        assert kind in {resource["resourceType"] for resource in resources}


def test_each_time_that_is_shown_or_orders_is_judged():
    """A field of a time that the reader mends is either judged or known to be shown nowhere."""
    shown_nowhere = {("MSH", 7), ("PID", 33), ("OBX", 19), ("RXA", 4)}
    judged = {(segment, field) for segment, field, _ in KINDS}
    assert judged | shown_nowhere == {(segment, field) for segment, fields in TIMES.items() for field in fields}


@pytest.mark.hazard("HZ-HL7V2-48")
def test_a_death_that_cannot_be_makes_nobody_dead_and_undoes_no_death():
    days = itertools.product(("20990101", "19650101"), ("", "|N"))
    wrong = [adt("A31", "20250620090000", DEATH + day + flag) for day, flag in days]
    for message in wrong:
        patient = one(mapped(message)[0], "Patient")
        assert "deceasedDateTime" not in patient and not patient.get("deceasedBoolean")
    told = adt("A31", "20250610090000", DEATH + "20250609|Y")
    for message in (text for text in wrong if not text.endswith("|N")):
        assert one(mapped(told, message)[0], "Patient")["deceasedDateTime"] == "2025-06-09"
    flagged, places = mapped(adt("A31", "20250610090000", DEATH + "20990101|Y"))
    assert one(flagged, "Patient")["deceasedBoolean"] is True and places == ["PID-29"]


@pytest.mark.hazard("HZ-HL7V2-48")
def test_a_death_is_held_against_a_birth_date_that_another_message_gives():
    died = adt("A31", "20250610090000", changed(DEATH + "19650101", "PID", 7, ""))
    resources, places = mapped(died, adt("A28", "20250601090000"))
    assert places == ["PID-29"] and not [name for name in one(resources, "Patient") if name.startswith("deceased")]


@pytest.mark.hazard("HZ-HL7V2-48")
def test_a_birth_date_that_cannot_be_leaves_the_one_before_and_changes_nobodys_key():
    wrong = changed(PID, "PID", 7, "20990203")
    resources, places = mapped(adt("A28", "20250601090000"), adt("A31", "20250610090000", wrong))
    assert one(resources, "Patient")["birthDate"] == "1970-02-03" and places == ["PID-7"]
    alone = changed(wrong, "PID", 3, "9990001006^^^NHS")
    lab, places = mapped(oru("20250610090000", K.format("7.9", "F", ""), pid=alone))
    assert one(lab, "Observation")["valueQuantity"] and "birthDate" not in one(lab, "Patient") and places == ["PID-7"]


@pytest.mark.hazard("HZ-HL7V2-49")
def test_a_stay_neither_begins_nor_ends_at_a_time_that_cannot_be():
    admitted = adt("A01", "20250601090000", visit())
    gone = adt("A03", "20250604090000", visit(ended="20990604090000"), occurred="20990604090000")
    resources, places = mapped(admitted, gone)
    encounter = one(resources, "Encounter")
    assert encounter["status"] == "finished" and encounter["period"] == {"start": "2025-06-01T08:00:00+01:00"}
    assert "end" not in encounter["location"][-1]["period"] and places == ["EVN-6", "PV1-45"]
    resources, places = mapped(adt("A01", "20250601090000", visit(admitted="20990601080000")))
    assert one(resources, "Encounter")["status"] == "in-progress" and places == ["PV1-44"]
    assert "period" not in one(resources, "Encounter")


@pytest.mark.hazard("HZ-HL7V2-49")
def test_one_good_time_of_a_discharge_stands_beside_one_that_cannot_be():
    for ended, occurred in (("20250604080000", "20990604080000"), ("20990604080000", "20250604080000")):
        gone = adt("A03", "20250604090000", visit(ended=ended), occurred=occurred)
        assert one(mapped(gone)[0], "Encounter")["period"]["end"] == "2025-06-04T08:00:00+01:00"


@pytest.mark.hazard("HZ-HL7V2-49")
def test_what_is_planned_may_lie_ahead_until_the_stay_has_begun():
    plan = adt("A05", "20250610090000", visit(kind="P", admitted="20260110090000"), "PV2|1|||||||20260110|20260112")
    resources, places = mapped(plan)
    assert one(resources, "Encounter")["period"] == {"start": "2026-01-10T09:00:00+00:00", "end": "2026-01-12"}
    come = adt("A01", "20260110120000", visit(admitted=""))
    assert one(mapped(plan, come)[0], "Encounter")["period"] == {"start": "2026-01-10T09:00:00+00:00"} and not places
    early = adt("A01", "20250610120000", visit(admitted=""))
    resources, places = mapped(plan, early)
    assert "period" not in one(resources, "Encounter") and places == ["PV1-44"]
    (stay,) = one(resources, "Encounter")["location"]
    assert stay["location"]["display"] == "W1, B1, 1" and "period" not in stay


@pytest.mark.hazard("HZ-HL7V2-49")
def test_a_time_that_cannot_be_takes_the_place_of_none_that_can():
    admitted, moved = (
        adt("A01", "20250601090000", visit()),
        adt("A02", "20250602090000", visit(admitted="20260601080000")),
    )
    assert one(mapped(admitted, moved)[0], "Encounter")["period"] == {"start": "2025-06-01T08:00:00+01:00"}
    expected = adt("A08", "20250603090000", visit(ended="20250901080000"))
    gone = adt("A03", "20250604090000", visit(), occurred="20250604080000")
    assert one(mapped(admitted, expected, gone)[0], "Encounter")["period"]["end"] == "2025-06-04T08:00:00+01:00"


@pytest.mark.hazard("HZ-HL7V2-49")
@pytest.mark.parametrize("field", ["admitted", "ended"])
def test_an_update_alone_with_a_time_ahead_says_neither_that_a_stay_began_nor_that_it_ended(field):
    update = adt("A08", "20250610090000", visit(**{"admitted": "", field: "20260610090000"}))
    resources, places = mapped(update)
    encounter = one(resources, "Encounter")
    assert encounter["status"] == "unknown" and "period" not in encounter and len(places) == 1


@pytest.mark.hazard("HZ-HL7V2-49")
@pytest.mark.parametrize(
    ("event", "day", "status", "performed"),
    [
        ("A01", "20250610", "completed", "2025-06-10"),
        ("A01", "20260110", "unknown", None),
        ("A05", "20260110", "preparation", "2026-01-10"),
        ("A04", "20260110", "unknown", None),
    ],
)
def test_a_procedure_that_lies_ahead_is_not_told_as_done(event, day, status, performed):
    resources, places = mapped(adt(event, "20250610090000", visit(), f"PR1|1||X40^Dialysis||{day}"))
    procedure = one(resources, "Procedure")
    assert (procedure["status"], procedure.get("performedDateTime")) == (status, performed)
    assert places == ([] if performed else ["PR1-5"])


@pytest.mark.hazard("HZ-HL7V2-50")
def test_a_result_keeps_its_value_and_place_though_its_time_cannot_be():
    first, second = (oru(f"2025061009{n}000", K.format(value, "F", f"209906040{n}0000"))
                     for n, value in ((1, "5.1"), (2, "7.9")))  # fmt: skip
    resources, places = mapped(first, second)
    results = [resource for resource in resources if resource["resourceType"] == "Observation"]
    assert sorted((str(each["valueQuantity"]["value"]), each["status"]) for each in results) == [
        ("5.1", "final"), ("7.9", "final"),
    ]  # fmt: skip
    assert {each["effectiveDateTime"] for each in results} == {"2025-06-01T08:00:00+01:00"}
    assert places == ["OBX-14", "OBX-14"]


@pytest.mark.hazard("HZ-HL7V2-50")
def test_an_order_without_a_number_is_the_same_though_its_time_cannot_be():
    def sent(issued: str, value: str, status: str) -> str:
        message = oru(issued, K.format(value, status, ""), order="|", status=status)
        return changed(message, "OBR", 7, "20990604080000")

    resources, _ = mapped(sent("20250610090000", "7.9", "F"), sent("20250610100000", "4.9", "C"))
    observation = one(resources, "Observation")
    assert str(observation["valueQuantity"]["value"]) == "4.9" and observation["status"] == "corrected"


@pytest.mark.hazard("HZ-HL7V2-51")
def test_a_mistyped_year_orders_nothing_last():
    wrong = changed(oru("20250610090000", K.format("7.9", "F", "")), "OBR", 22, "20990610090000")
    right = oru("20250610100000", K.format("4.9", "C", ""), status="C")
    resources, places = mapped(wrong, right)
    assert str(one(resources, "Observation")["valueQuantity"]["value"]) == "4.9" and places == ["OBR-22"]
    gone = adt("A03", "20250604090000", visit(), occurred="20990604090000")
    back = adt("A13", "20250604100000", visit())
    assert one(mapped(adt("A01", "20250601090000", visit()), gone, back)[0], "Encounter")["status"] == "in-progress"
    planned = adt("A05", "20250604090000", visit(kind="P"), occurred="20260104090000")
    for message in (wrong, gone, planned, adt("A40", "20250604090000", "MRG|H2^^^RXX^MR", occurred="20990604090000")):
        assert {str(row.order)[:6] for row in rows(message.encode(), FEED)} == {"202506"}


@pytest.mark.hazard("HZ-HL7V2-51")
def test_a_later_merge_is_not_held_up_by_one_whose_year_is_mistyped():
    third = DEAD.replace("H2", "H3")
    wrong = adt("A40", "20250604090000", "MRG|H2^^^RXX^MR", occurred="20990604090000")
    later = adt("A40", "20250605090000", third, "MRG|H2^^^RXX^MR", occurred="20250605090000")
    orders = [next(row.order for row in rows(text.encode(), FEED) if row.table == "MERGE") for text in (wrong, later)]
    assert orders == sorted(orders)


@pytest.mark.parametrize(
    "message",
    [
        adt("A31", "20250610090000", DEATH + "20250610235900|Y"),
        adt("A31", "20250610", DEATH + "20250610235900|Y"),
        adt("A31", "202506", DEATH + "20250630|Y"),
        adt("A28", "20250610233000", changed(PID, "PID", 7, "20250611")),
        adt("A31", "20250610090000", PID, "AL1|1|DA|P^Pen|||1970"),
        adt("A31", "20250610090000", PID, "AL1|1|DA|P^Pen|||2025"),
        oru("20251010090000", K.format("7.9", "F", ""), pid=changed(PID, "PID", 7, "20250901")),
        changed(oru("20250610090000", status="S"), "OBR", 7, "20250901080000"),
        oru("20250610090000", "OBX|1|DT|EDD^Expected date of delivery^L||20990101||||||F"),
        adt("A05", "20250610090000", visit(kind="P", admitted="20251010"), occurred="20251010"),
        adt("A38", "20250610090000", visit(kind="P", admitted="20251010"), occurred="20251010"),
        adt("A08", "20250610090000", visit(kind="P", admitted="20251010")),
        oru("", K.format("7.9", "F", "20250601")),
    ],
)  # fmt: skip
def test_what_can_be_is_left_as_it_is(message):
    assert mapped(message)[1] == []


@given(st.dates(date(1971, 1, 1), date(2150, 1, 1)), st.sampled_from(["", "0915", "091500+0100"]))
def test_nothing_that_has_happened_lies_more_than_a_day_after_the_sending(day, clock):
    message = parse(adt("A31", "20250610090000", DEATH + f"{day:%Y%m%d}{clock}"))
    is_believed = doubt(message) == []
    assert is_believed == (day <= date(2025, 6, 10) + timedelta(days=1)) == bool(times.of(message["PID"], 29))
    assert times.sent(message["PID"], 29)


def test_a_message_without_any_time_is_held_against_the_birth_alone():
    message = adt("A31", "", changed(DEATH + "19650101", "PID", 7, "19700203"))
    assert mapped(message)[1] == ["PID-29"]
    assert not [name for name in one(map_text(message), "Patient") if name.startswith("deceased")]
