"""Appointments (SIU): booked, moved, cancelled, deleted, not kept, in any order of arrival."""

import itertools

import pytest

from gateway.errors import Invalid
from gateway.fhir import model
from gateway.fhir.build import encode
from mappings import Feed
from mappings.hl7v2.reader import rows
from tests.mappings.harness_hl7v2 import PID, map_sent

PARTS = (
    "RGS|1",
    "AIS|1||CARD^Cardiology clinic^L|20250610093000",
    "AIL|1||CLIN^^^RXX01",
    "AIP|1||C1234567^Marsh^Sarah|D^Doctor^L",
    "AIG|1||E1^Echo machine^L|EQ^Equipment^L",
)


def siu(
    event: str,
    time: str,
    *segments: str,
    number: str = "A1^PAS",
    start: str = "20250610093000",
    pid: str = PID,
    **sch: str,
) -> str:
    fields = {1: "P1^GP", 2: number, 7: "R1^Palpitations^L", 9: "20", 10: "MIN", 11: f"^^^{start}"} | {
        int(name[1:]): value for name, value in sch.items()
    }
    sch_ = "SCH|" + "|".join(fields.get(n, "") for n in range(1, 26))
    return "\r".join([f"MSH|^~\\&|PAS|RXX|TIE|RXX|{time}||SIU^{event}|s{time}|T|2.4", sch_, pid, *segments])


def bookings(*messages: str, warnings: list | None = None) -> list[dict]:
    answers = [
        [each for each in map_sent(*arrived, warnings=warnings) if each["resourceType"] == "Appointment"]
        for arrived in itertools.permutations(messages)
    ]
    assert all(answer == answers[0] for answer in answers)
    assert not [issue for each in answers[0] for issue in model.check(encode(each))]
    return answers[0]


BOOKED = siu("S12", "20250601", *PARTS, "NTE|1||Bring your medicines")


def test_an_appointment_says_when_where_with_whom_and_why():
    (made,) = bookings(BOOKED)
    assert (made["status"], made["start"], made["end"], made["minutesDuration"]) == (
        "booked",
        "2025-06-10T09:30:00+01:00",
        "2025-06-10T09:50:00+01:00",
        20,
    )
    assert {number["value"] for number in made["identifier"]} == {"P1", "A1"} and made["reasonCode"][0][
        "text"
    ] == "Palpitations"
    assert made["serviceType"][0]["text"] == "Cardiology clinic" and made["comment"] == "Bring your medicines"
    assert [who["actor"].get("display", "patient") for who in made["participant"]] == [
        "patient",
        "CLIN, RXX01",
        "Sarah Marsh",
        "Echo machine",
    ]


@pytest.mark.hazard("HZ-HL7V2-93")
@pytest.mark.parametrize("events, status", [
    (("S12",), "booked"), (("S12", "S13"), "booked"), (("S12", "S14"), "booked"), (("S12", "S15"), "cancelled"), (("S12", "S16"), "cancelled"),
    (("S12", "S17"), "entered-in-error"), (("S12", "S26"), "noshow"), (("S12", "S15", "S14"), "cancelled"), (("S12", "S15", "S13"), "booked"), (("S14",), "booked"),
])  # fmt: skip
def test_the_status_of_an_appointment_is_that_of_its_last_event(events, status):
    (made,) = bookings(*(siu(event, f"2025060{n}") for n, event in enumerate(events, 1)))
    assert made["status"] == status


@pytest.mark.hazard("HZ-HL7V2-93")
@pytest.mark.parametrize(
    "event, said, status",
    [
        ("S14", "Complete", "fulfilled"),
        ("S14", "Noshow", "noshow"),
        ("S12", "Waitlist", "waitlist"),
        ("S15", "Booked", "cancelled"),
        ("S12", "??", "booked"),
    ],
)
def test_a_status_that_is_sent_counts_but_not_against_an_event_that_ends_it(event, said, status):
    (made,) = bookings(siu(event, "20250601", f25=said))
    assert made["status"] == status


@pytest.mark.hazard("HZ-HL7V2-93")
def test_an_appointment_that_moves_is_at_its_new_time_alone():
    (made,) = bookings(BOOKED, siu("S13", "20250602", start="20250617140000"))
    assert made["start"] == "2025-06-17T14:00:00+01:00" and len(made["participant"]) == 4, "who takes part stays"
    (gone,) = bookings(BOOKED, siu("S15", "20250602", f6="PT^Patient cancelled^L"))
    assert gone["cancelationReason"]["text"] == "Patient cancelled"


def test_a_length_that_nobody_says_is_not_made_up():
    (made,) = bookings(siu("S12", "20250601", f9="", f10=""))
    assert made["start"] == made["end"] and made["comment"] == "Nobody said how long" and "minutesDuration" not in made
    assert (
        bookings(siu("S12", "20250601", f11="^^^20250610093000^20250610101500", f9=""))[0]["end"]
        == "2025-06-10T10:15:00+01:00"
    )


def test_without_a_start_only_what_needs_none_is_an_appointment():
    with pytest.raises(Invalid, match="SCH-11"):
        map_sent(siu("S12", "20250601", start=""))
    assert bookings(siu("S15", "20250601", start=""))[0]["status"] == "cancelled" and not bookings(
        siu("S17", "20250601", start="")
    )


@pytest.mark.hazard("HZ-HL7V2-94")
def test_one_appointment_number_of_two_people_is_an_appointment_of_each():
    warnings = []
    other = "PID|1||H9^^^RXX^MR||Quill^Bo||19500101|1"
    made = bookings(BOOKED, siu("S15", "20250602", pid=other), warnings=warnings)
    assert {each["status"] for each in made} == {"booked", "cancelled"} and len(
        {each["participant"][0]["actor"]["reference"] for each in made}
    ) == 2
    assert ("SCH-2", "one appointment number, two people") in warnings


def test_a_series_is_an_appointment_each_and_one_without_a_number_is_refused():
    assert len(bookings(siu("S12", "20250601", f3="1"), siu("S12", "20250601", f3="2", start="20250617093000"))) == 2
    with pytest.raises(Invalid, match="SCH-1 and SCH-2"):
        list(rows(siu("S12", "20250601", number="", f1="").encode(), Feed()))


@pytest.mark.hazard("HZ-HL7V2-93")
def test_a_change_of_a_cancelled_appointment_does_not_book_it_again():
    (made,) = bookings(BOOKED, siu("S15", "20250602"), siu("S14", "20250603", f25="Booked"))
    assert made["status"] == "cancelled"


OLD = (
    "AIS|1||CARD^Cardiology clinic^L|20250610093000",
    "AIL|1||CLIN^^^RXX01",
    "AIP|1||C1234567^Marsh^Sarah|||20250610093000",
)
GONE = ("AIS|1|D|CARD^Cardiology clinic^L|20250610093000", "AIL|1|D|CLIN^^^RXX01")
NEW = ("AIS|2|A|CARD^Cardiology clinic^L|20250617140000", "AIL|2|A|WEST^^^RXX02")
MOVES = [
    ((*GONE, *NEW), "2025-06-17T14:00:00+01:00", ["WEST, RXX02", "Sarah Marsh"]),
    ((*NEW, *GONE), "2025-06-17T14:00:00+01:00", ["WEST, RXX02", "Sarah Marsh"]),
    (("RGS|1|D", *OLD, "RGS|2|A", *NEW), "2025-06-17T14:00:00+01:00", ["WEST, RXX02"]),
    ((GONE[1],), "2025-06-10T09:30:00+01:00", ["Sarah Marsh"]),
    (("AIP|1|D|C1234567^Marsh^Sarah", "AIS|1|X|CARD^Cardiology clinic^L|20250610093000"), "2025-06-10T09:30:00+01:00", ["CLIN, RXX01"]),
    (NEW, "2025-06-17T14:00:00+01:00", ["WEST, RXX02"]),
]  # fmt: skip


@pytest.mark.hazard("HZ-HL7V2-93")
@pytest.mark.parametrize("event", ["S13", "S14"])
@pytest.mark.parametrize("parts, start, who", MOVES)
def test_what_a_move_deletes_takes_part_no_more_and_has_no_time(parts, start, who, event):
    for before in ([siu("S12", "20250601", *OLD, start="")], []):
        if not before and who == ["Sarah Marsh"]:
            continue  # nothing but what was deleted is told
        (made,) = bookings(*before, siu(event, "20250602", *parts, start=""))
        assert made["start"] == start
        shown = [each["actor"]["display"] for each in made["participant"][1:]]
        assert shown == who if before else not {"CLIN, RXX01"} & set(shown)
        assert [each["text"] for each in made["serviceType"]] == ["Cardiology clinic"]
