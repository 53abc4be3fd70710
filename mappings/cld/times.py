"""Dates as councils write them: dd/mm/yyyy or ISO, with or without a midnight after them."""

from __future__ import annotations

import re
from datetime import date
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
