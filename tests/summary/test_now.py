"""Where the person is now: what opens a stay, what closes it, and what is only expected."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.fhir.build import resource
from gateway.nhs import summary
from gateway.nhs.summary.now import now
from tests.nhs.records import HL7, NOW, TRUST, held, record

NO_STAY = "No open hospital visit received from Vellshire Hospital."
SILENT = "No open hospital visit received from Vellshire Hospital (last heard 08-Feb-2025)."


def stay(status: str, start: str, end: str = "", class_: str = "IMP", id_: str = "x") -> dict:
    code = {"system": HL7 + "v3-ActCode", "code": class_}
    return resource("Encounter", id_, status=status, period={"start": start, "end": end}, **{"class": code})


def appointment(id_: str, start: str, status: str = "booked") -> dict:
    return resource("Appointment", id_, status=status, start=start)


def told(*items: dict, **changes) -> list[str]:
    """The lines and notes of now, each with what it flags."""
    made = record(*(held(item, TRUST) for item in items), **changes)
    here = now(made, summary.sections(made))
    return [" | ".join(filter(None, (row.title, row.detail, *row.flags))) for row in here.rows] + [
        words for words in here.notes if "council" not in words
    ]


OPEN_ROW = "In hospital since 01-Mar-2026 | no discharge received"


@pytest.mark.hazard("HZ-SUMMARY-54")
@pytest.mark.parametrize(
    "items, lines",
    [
        ([stay("planned", "2026-04-10", "2026-04-12")], [NO_STAY]),
        (
            [stay("in-progress", "2026-03-10", "2026-03-20")],
            ["In hospital since 10-Mar-2026 | expected to end 20-Mar-2026 | no discharge received"],
        ),
        (
            [stay("in-progress", "2026-03-10", "2026-03-15T18:00:00Z")],
            ["In hospital since 10-Mar-2026 | expected to end 15-Mar-2026 18:00 | no discharge received"],
        ),
        ([stay("cancelled", "2026-03-10", "2026-03-12")], [NO_STAY]),
        (
            [stay("finished", "2026-03-10", "2026-03-15T10:00:00Z")],
            ["Last discharge 15-Mar-2026 | admitted 10-Mar-2026", NO_STAY],
        ),
        (
            [stay("in-progress", "2026-03-10", "2026-03-12")],
            ["Last discharge 12-Mar-2026 | admitted 10-Mar-2026 | sent as still open", NO_STAY],
        ),
        (
            [stay("in-progress", "2026-03-01"), stay("finished", "2026-03-05", "2026-03-08", id_="y")],
            ["Last discharge 08-Mar-2026 | admitted 05-Mar-2026", NO_STAY],
        ),
        (
            [stay("in-progress", "2026-03-01"), stay("finished", "2026-02-05", "2026-02-08", id_="y")],
            [OPEN_ROW, "Last discharge 08-Feb-2026 | admitted 05-Feb-2026"],
        ),
        (
            [stay("in-progress", "2026-03-01"), stay("finished", "2026-03-05", "2026-03-05", "SS", id_="y")],
            [OPEN_ROW, "Last discharge 05-Mar-2026 | admitted 05-Mar-2026"],
        ),
    ],
    ids=["planned", "expected", "expected today", "cancelled", "ended", "ended, sent as open", "later discharge", "earlier one", "day case"],
)  # fmt: skip
def test_a_stay_is_open_until_its_end_has_come(items, lines):
    assert told(*items) == lines


@pytest.mark.hazard("HZ-SUMMARY-54")
def test_a_stay_that_moved_wards_says_when_it_was_last_heard_of():
    moved = stay("in-progress", "2026-03-01") | {
        "location": [{"location": {"display": "4B"}, "period": {"start": "2026-03-09"}}]
    }
    assert told(moved) == ["In hospital since 01-Mar-2026 | 4B · last heard 09-Mar-2026 | no discharge received"]


@pytest.mark.hazard("HZ-SUMMARY-54")
def test_nobody_who_died_is_anywhere_now():
    (words,) = told(stay("in-progress", "2026-03-10"), appointment("a", "2026-03-20"), died="2026-03-12")
    assert "died" in words


@pytest.mark.hazard("HZ-SUMMARY-54")
def test_a_hospital_that_fell_silent_is_named_with_when_it_was_last_heard():
    made = record(held(stay("finished", "2020-03-10", "2020-03-12"), TRUST))
    silent = [replace(source, last_received=NOW - timedelta(days=400)) for source in made.contributions]
    made = replace(made, contributions=tuple(silent))
    assert SILENT in now(made, summary.sections(made)).notes


@pytest.mark.parametrize(
    "items, line",
    [
        (
            [appointment("a", "2026-03-15T08:00:00Z"), appointment("b", "2026-03-15T15:00:00Z")],
            "Next appointment 15-Mar-2026 15:00",
        ),
        ([appointment("a", "2026-03-15")], "Next appointment 15-Mar-2026"),
        ([appointment("a", "2026-03-16")], "Next appointment 16-Mar-2026"),
        ([appointment("a", "2026-03-14"), appointment("b", "2026-03-15T08:00:00Z")], NO_STAY),
        ([appointment("a", "2026-03-17", "proposed")], "Next appointment 17-Mar-2026 | proposed, not booked"),
        ([appointment("a", "2026-03-17", "pending")], "Next appointment 17-Mar-2026 | not confirmed by all"),
    ],
    ids=["of this morning", "of today", "of tomorrow", "of yesterday", "proposed", "pending"],
)
def test_the_next_appointment_is_one_to_come_and_says_whether_it_is_booked(items, line):
    assert told(*items)[0] == line
