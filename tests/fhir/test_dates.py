"""Dates as intervals, and local English times with their offsets."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Invalid
from gateway.fhir import dates

CASES = [
    ("2024", "2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
    ("2024-02", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
    ("2024-12", "2024-12-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
    ("2024-07-01", "2024-07-01T00:00:00+01:00", "2024-07-02T00:00:00+01:00"),
    ("2024-10-27", "2024-10-27T00:00:00+01:00", "2024-10-28T00:00:00+00:00"),
    ("2024-07-01T09:30:00+01:00", "2024-07-01T08:30:00+00:00", "2024-07-01T08:30:01+00:00"),
    ("2024-07-01T09:30:00.25Z", "2024-07-01T09:30:00.250000+00:00", "2024-07-01T09:30:00.260000+00:00"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", "2017-01-01T00:00:01+00:00"),
]


@pytest.mark.parametrize("text, low, high", CASES)
def test_a_date_covers_exactly_its_precision(text, low, high):
    assert dates.interval(text) == tuple(dates.microseconds(datetime.fromisoformat(t)) for t in (low, high))


@pytest.mark.parametrize(
    "text",
    ["", "24", "2024-13", "2024-02-30", "2024-1-1", "2024-01-01T25:00:00Z", "2024-01-01\n", "2024-01-01T09", "x"],
)
def test_what_is_no_date_is_refused_without_its_value(text):
    with pytest.raises(Invalid) as refused:
        dates.interval(text)
    assert str(refused.value) == "date"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))
def test_a_local_time_with_its_offset_is_the_moment_the_clock_showed_it(moment):
    moment = moment.replace(microsecond=0)
    text, doubtful = dates.with_offset(moment.date().isoformat(), moment.time().isoformat())
    low, high = dates.interval(text)
    assert high - low == 1_000_000
    if not doubtful:
        shown = (dates.EPOCH + timedelta(microseconds=low)).astimezone(dates.LONDON)
        offset_has_seconds = (
            shown.utcoffset().total_seconds() % 60
        )  # local mean time before 1847: offsets are written in minutes
        assert offset_has_seconds or shown.replace(tzinfo=None) == moment


@given(st.dates(), st.dates())
def test_intervals_keep_the_order_of_their_days(first, second):
    if first < second:
        assert dates.interval(first.isoformat())[1] <= dates.interval(second.isoformat())[0]


@pytest.mark.hazard("HZ-DATE-01")
def test_the_repeated_october_hour_is_flagged_and_takes_the_earlier_offset():
    assert dates.with_offset("2024-10-27", "01:30") == ("2024-10-27T01:30:00+01:00", True)
    assert dates.with_offset("2024-10-27", "02:30") == ("2024-10-27T02:30:00+00:00", False)
