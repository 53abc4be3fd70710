"""Dates and times as a submission has them: a column of the day and one of the time, which Access begins in 1899."""

from __future__ import annotations

import re

from gateway.errors import Invalid
from gateway.fhir.dates import with_offset
from mappings import Values
from mappings.cld.times import iso

_TIME = re.compile(
    r"(?:(?:30/12/1899|1899-12-30|01/01/1970|1970-01-01)[ T])?((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)(?:\.0+)?"
)
"""A time alone, or beside the day on which Access (or an export of it) begins to count."""


def day(values: Values, column: str) -> str:
    """Return a column as a FHIR date, "" for none. Raises ``Invalid`` naming it."""
    return iso(values[column], column) if values[column] else ""


def moment(values: Values, day_column: str, time_column: str) -> tuple[str, bool]:
    """Return a day and its time as a FHIR dateTime, and whether the clock showed that time twice; the day alone where
    no time is sent.

    >>> moment(Values(D="01/07/2024", T="30/12/1899 09:31:00"), "D", "T")
    ('2024-07-01T09:31:00+01:00', False)
    """
    written = day(values, day_column)
    if not written or not values[time_column]:
        return written, False
    match = _TIME.fullmatch(values[time_column])
    if match is None:
        raise Invalid(f"column {time_column}")
    return with_offset(written, match[1])
