"""The council's snapshots: two quarters, twelve months each, and what each may tell."""

import csv
from datetime import date, datetime

import pytest

from gateway.synth import cld, places, roles
from gateway.synth.people import people

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cld")
    cld.write(people(300, 1, TODAY), folder, TODAY)
    found = []
    for path in sorted(folder.iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            found.append(list(csv.DictReader(file)))
    return found


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 11, 24), [(date(2025, 7, 1), date(2026, 6, 30)), (date(2025, 10, 1), date(2026, 9, 30))]),
        (date(2026, 1, 1), [(date(2024, 10, 1), date(2025, 9, 30)), (date(2025, 1, 1), date(2025, 12, 31))]),
        (date(2026, 3, 31), [(date(2024, 10, 1), date(2025, 9, 30)), (date(2025, 1, 1), date(2025, 12, 31))]),
        (date(2024, 4, 1), [(date(2023, 1, 1), date(2023, 12, 31)), (date(2023, 4, 1), date(2024, 3, 31))]),
    ],
)
def test_a_period_is_twelve_months_to_the_end_of_a_quarter(today, expected):
    assert cld.periods(today) == expected


def on(text):
    return datetime.strptime(text, "%d/%m/%Y").date() if text else None


def test_all_four_kinds_of_event_are_told(snapshots):
    for rows in snapshots:
        assert {row["Event Type"] for row in rows} == {"Request", "Assessment", "Service", "Review"}


def test_only_services_are_open_and_nothing_is_told_from_beyond_the_period(snapshots):
    for rows in snapshots:
        for row in rows:
            first, last = on(row["Reporting Period Start Date"]), on(row["Reporting Period End Date"])
            start, end = on(row["Event Start Date"]), on(row["Event End Date"])
            assert start <= last and (end is None or start <= end <= last)
            assert end is not None or row["Event Type"] == "Service"
            assert end is None or end >= first
            dead = on(row["Date of Death"])
            assert dead is None or (dead <= last and (end or dead) <= dead)


def test_a_snapshot_restates_what_the_last_one_said_but_for_what_is_over_and_what_was_forgotten(snapshots):
    def key(row):
        return row["LA Person Unique Identifier"], row["Event Reference"]

    before, after = ({key(row): row for row in rows} for rows in snapshots)
    assert len(before) == len(snapshots[0]) and len(after) == len(snapshots[1])
    assert after.keys() - before.keys() and before.keys() & after.keys()
    lost = [row for name, row in before.items() if name not in after]
    forgotten = [row for row in lost if row["Event Type"] == "Service" and not row["Event End Date"]]
    assert forgotten and len(forgotten) < len(lost)


def test_words_are_those_of_the_columns_of_their_own_event(snapshots):
    for row in snapshots[1]:
        kind = row["Event Type"]
        assert bool(row["Request: Route of Access"]) is (kind == "Request")
        assert bool(row["Assessment Type"]) is (kind == "Assessment")
        assert bool(row["Service Type"]) is bool(row["Delivery Mechanism"]) is (kind == "Service")
        assert bool(row["Review Reason"]) is (kind == "Review")
        assert bool(row["Event Outcome"]) is (kind != "Service")


def test_some_people_have_no_nhs_number_there(snapshots):
    numbers = [row["NHS Number"] for row in snapshots[1]]
    assert "" in numbers and len([number for number in numbers if number]) > 0.8 * len(numbers)


def test_the_fixed_people_are_there_under_their_own_numbers(snapshots):
    held = {row["LA Person Unique Identifier"]: row for rows in snapshots for row in rows}
    for number in roles.FIXED:
        assert f"P{number:06d}" in held


def test_two_councils_have_files_of_their_own(tmp_path):
    cld.write(people(40, 1, TODAY, councils=places.COUNCILS), tmp_path, TODAY, places.COUNCILS)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["CLD_990_20260730.csv", "CLD_990_20261030.csv", "CLD_991_20260730.csv", "CLD_991_20261030.csv"]
    for path in tmp_path.iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows and {row["LA Code"] for row in rows} == {path.name[4:7]}


def test_every_ethnic_category_that_people_have_has_words():
    assert {code for code, *_ in places.ETHNICITIES} <= set(cld.ETHNICITIES)
