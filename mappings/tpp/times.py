"""Dates and times as SystmOne writes them: ``11 Mar 2024 09:31:00``, local time, midnight where no time is known."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.errors import Invalid
from gateway.fhir.dates import with_offset
from mappings import Values
from mappings.emis.values import day as iso_day

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WRITTEN = re.compile(r"(\d{1,2}) ([A-Za-z]{3}) (\d{4})(?: (\d\d:\d\d(?::\d\d)?))?")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
MIDNIGHT = frozenset({"", "00:00", "00:00:00"})
"""No time: SystmOne fills in midnight (Endeavour reads it so)."""


def day(values: Values, column: str) -> str:
    """Return a date column as a FHIR date, "" for none. Raises ``Invalid`` naming the column."""
    text = values.get(column, "").strip()
    return _read(text, column)[0] if text else ""


def when(values: Values, column: str) -> str:
    """Return a column as a FHIR date, or as a dateTime with its offset where a time is known; "" for none.

    >>> when(Values(DateEvent="11 Jul 2024 09:31:00"), "DateEvent"), when(Values(D="11 Jul 2024 00:00:00"), "D")
    ('2024-07-11T09:31:00+01:00', '2024-07-11')
    """
    text = values.get(column, "").strip()
    return _moment(text, column)[0] if text else ""


def is_doubtful(values: Values, *columns: str) -> bool:
    """Whether one of the columns is a time that the clock showed twice."""
    return any(_moment(text, column)[1] for column in columns if (text := values.get(column, "").strip()))


@lru_cache(maxsize=1 << 16)
def _moment(text: str, column: str) -> tuple[str, bool]:
    date, time = _read(text, column)
    return (date, False) if time in MIDNIGHT else with_offset(date, time)


@lru_cache(maxsize=1 << 16)
def _read(text: str, column: str) -> tuple[str, str]:
    """Return the ISO date and the time as written. Raises ``Invalid`` for what is no date of the calendar."""
    match = _WRITTEN.fullmatch(text)
    if match is None or match[2].casefold() not in MONTHS or match[4] and not _TIME.fullmatch(match[4]):
        raise Invalid(f"column {column}")
    date = f"{match[3]}-{MONTHS.index(match[2].casefold()) + 1:02}-{int(match[1]):02}"
    return iso_day(Values({column: date}), column), match[4] or ""
