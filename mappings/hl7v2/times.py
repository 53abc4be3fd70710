"""HL7 times to FHIR times, in the precision they were sent.

A time without an offset is local to the feed's zone. In the hour that October repeats, the earlier offset is taken and
the resource carries the tag ``ambiguous-time``: the reader is told, nothing is guessed silently. So is a time that
March skips.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import Invalid
from mappings.vocabulary import tagged

TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\.\d{1,6})?([+-]\d{4})?(?:[+-]?)(?:\^[A-Z]?)?")


def is_time(text: str) -> bool:
    """Whether ``text`` is an HL7 time of the calendar; an empty or deleted one is."""
    if text in ("", '""'):
        return True
    try:
        moment(text, "Europe/London")
    except Invalid:
        return False
    return True


@lru_cache(maxsize=8192)
def moment(text: str, zone: str) -> tuple[datetime, int, bool]:
    """Return (aware time, digits given, whether the clock showed it twice or never). Raises ``Invalid`` for what is no
    time.

    >>> moment("20251026013000", "Europe/London")[1:]
    (14, True)
    """
    match = TIME.fullmatch(text.strip())
    if not match:
        raise Invalid("time")
    given = [part for part in match.groups()[:6] if part]
    digits = 2 + 2 * len(given)
    if match[7] and digits < 14:
        raise Invalid("time")
    year, month, day, hour, minute, second = [int(part) for part in given] + [1, 1, 0, 0, 0][len(given) - 1 :]
    micro = int((match[7] or ".0")[1:].ljust(6, "0"))
    try:
        local = datetime(year, month, day, hour, minute, second, micro)
    except ValueError:
        raise Invalid("time") from None
    if match[8]:
        sign = -1 if match[8][0] == "-" else 1
        offset = timedelta(hours=int(match[8][1:3]), minutes=int(match[8][3:5])) * sign
        return (local - offset).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)), digits, False
    aware = local.replace(tzinfo=ZoneInfo(zone))
    doubtful = digits >= 10 and aware.utcoffset() != aware.replace(fold=1).utcoffset()
    return aware, digits, doubtful


@lru_cache(maxsize=8192)
def fhir(text: str, zone: str) -> str:
    """Return the FHIR dateTime, or "" for no time. An hour without minutes becomes its day; missing seconds are zero,
    as FHIR asks.

    >>> fhir("202503", "Europe/London"), fhir("202507011230", "Europe/London")
    ('2025-03', '2025-07-01T12:30:00+01:00')
    """
    if text in ("", '""'):
        return ""
    time, digits, _ = moment(text, zone)
    if digits < 12:
        return time.date().isoformat()[: {4: 4, 6: 7}.get(digits, 10)]
    return time.isoformat(timespec="microseconds" if time.microsecond else "seconds")


def instant(text: str, zone: str) -> str:
    """Return the FHIR instant, or "" where the source gives less than minutes."""
    answer = fhir(text, zone)
    return answer if "T" in answer else ""


def date(text: str, zone: str) -> str:
    """Return the FHIR date in the precision sent, its time of day dropped."""
    return fhir(text, zone)[:10]


def order(text: str, zone: str) -> int:
    """Return the time as one whole number that sorts, UTC ``yyyymmddHHMMSSffff`` (18 digits, 61 bits).

    >>> order("20250101120000", "Europe/London")
    202501011200000000
    """
    return _order(moment(text, zone)[0])


def _order(time: datetime) -> int:
    utc = time.astimezone(UTC)
    whole = (((utc.year * 100 + utc.month) * 100 + utc.day) * 100 + utc.hour) * 100 + utc.minute
    return (whole * 100 + utc.second) * 10_000 + utc.microsecond // 100


def flagged(resource: dict[str, Any], zone: str, *texts: str) -> dict[str, Any]:
    """Return the resource, tagged when one of the source's ``texts`` falls into the hour that October repeats or March
    skips."""
    is_ambiguous = any(
        len(text) >= 10 and text[4:6] in ("03", "10") and moment(text, zone)[2]
        for text in texts
        if text and text != '""'
    )
    return tagged(resource, is_ambiguous)
