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
from mappings.hl7v2.message import DELETE, Segment
from mappings.vocabulary import tagged

TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\.\d{1,6})?([+-]\d{4})?(?:[+-]?)(?:\^[A-Z]?)?")

YEARS = range(1800, 2200)
"""A year outside of them is a slip, or a time of day in a field of dates (``2400``)."""


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
    parts = [part for part in match.groups()[:6] if part]
    digits = 2 + 2 * len(parts)
    if match[7] and digits < 14:
        raise Invalid("time")
    year, month, day, hour, minute, second = [int(part) for part in parts] + [1, 1, 0, 0, 0][len(parts) - 1 :]
    if year not in YEARS:
        raise Invalid("time")
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
    """Return the FHIR dateTime, or "" for no time and for what is none: a bad time costs its own field, and the reader
    counts it. An hour without minutes becomes its day, as sent; missing seconds are zero, as FHIR asks.

    >>> fhir("202503", "Europe/London"), fhir("202507011230", "Europe/London"), fhir("2400", "Europe/London")
    ('2025-03', '2025-07-01T12:30:00+01:00', '')
    """
    if text in ("", '""'):
        return ""
    try:
        time, digits, _ = moment(text, zone)
    except Invalid:
        return ""
    if digits < 12:
        return date(text)
    return time.isoformat(timespec="microseconds" if time.microsecond else "seconds")


def instant(text: str, zone: str) -> str:
    """Return the FHIR instant, or "" where the source gives less than minutes."""
    answer = fhir(text, zone)
    return answer if "T" in answer else ""


def date(text: str) -> str:
    """Return the FHIR date in the precision sent, or "" for no date. A date is a date: neither its time of day nor an
    offset moves it (v2-to-FHIR: DTM to date).

    >>> date("19691231000000+0800"), date("2023"), date("20230230")
    ('1969-12-31', '2023', '')
    """
    match = re.match(r"(\d{4})(\d\d)?(\d\d)?", text.strip())
    if not match or not is_time(match[0]) or (match.end() < 8 and text[match.end() :][:1].isdigit()):
        return ""
    return "-".join(part for part in match.groups() if part)


def of(segment: Segment, number: int, component: int = 1) -> str:
    """Return the text of a time field, or "" for one that is empty, deleted, no time or a time that cannot be."""
    return "" if is_doubted(segment, number, component) else sent(segment, number, component)


def is_doubted(segment: Segment, number: int, component: int = 1) -> bool:
    """Whether a time field holds a time that cannot be."""
    return (number, component) in segment.doubted


def sent(segment: Segment, number: int, component: int = 1) -> str:
    """The same as it was sent, though it cannot be: it tells apart what is sent under it."""
    text = segment.text(number, component)
    return text if text and is_time(text) else ""


def rank(text: str, zone: str) -> int:
    """Return ``order`` of a time, and 0 for none."""
    return order(text, zone) if text and text != DELETE and is_time(text) else 0


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
    for text in texts:
        if text[4:6] in ("03", "10") and len(text) >= 10 and is_time(text) and moment(text, zone)[2]:
            return tagged(resource)
    return resource
