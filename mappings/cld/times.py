"""Dates as councils write them: dd/mm/yyyy or ISO, with or without a midnight after them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from gateway.errors import Invalid

_ENGLISH = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: 00:00(?::00(?:\.0+)?)?)?")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?)?")


@lru_cache(maxsize=65536)
def iso(text: str, column: str) -> str:
    """Return the date as FHIR writes it, "" for an empty one. Raises ``Invalid("column …")``.

    >>> iso("01/02/2025", "Event Start Date"), iso("2025-02-01 00:00:00", "Event Start Date")
    ('2025-02-01', '2025-02-01')
    """
    if not text:
        return ""
    if match := _ENGLISH.fullmatch(text):
        day, month, year = match.groups()
    elif match := _ISO.fullmatch(text):
        year, month, day = match.groups()
    else:
        raise Invalid(f"column {column}")
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise Invalid(f"column {column}") from None


def month_end(month: str) -> str:
    """Return the last day of a month.

    >>> month_end("2025-02"), month_end("2025-12")
    ('2025-02-28', '2025-12-31')
    """
    year, number = int(month[:4]), int(month[5:])
    first_of_next = date(year + number // 12, number % 12 + 1, 1)
    return (first_of_next - timedelta(days=1)).isoformat()


def day_before(day: str) -> str:
    """Return the day before an ISO date.

    >>> day_before("2025-04-01")
    '2025-03-31'
    """
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
