"""Dates and times: FHIR's partial dates as intervals, and local English times as FHIR.

An interval is (low, high) in microseconds UTC, half-open. A date without a time is a day in Europe/London, as everyone
who wrote it meant. Source: FHIR R4 datatypes (date, dateTime, instant, Period) and search §3.1.1.4.3 (prefixes).
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import Invalid

LONDON = ZoneInfo("Europe/London")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
MICROSECOND = timedelta(microseconds=1)
_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?\Z"
)


def microseconds_now() -> int:
    """Now, in µs since 1970 UTC; everything that must be repeatable is given its clock instead."""
    return time.time_ns() // 1000


def microseconds(moment: datetime) -> int:
    """An aware moment in µs since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND


def moment(microseconds: int) -> datetime:
    """The other way: µs since 1970 as an aware moment in UTC.

    >>> moment(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return EPOCH + microseconds * MICROSECOND


@lru_cache(maxsize=65536)
def interval(text: str) -> tuple[int, int]:
    """https://hl7.org/fhir/R4/search.html#date

    The half-open interval a FHIR date, dateTime or instant covers. Raises ``Invalid("date")``.

    >>> interval("1970-01-01T00:00:00Z")
    (0, 1000000)
    >>> low, high = interval("2024-02"); (high - low) // DAY
    29
    """
    match = _DATE_TIME.match(text)
    if match is None:
        raise Invalid("date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        if hour is None:
            return _days(int(year), int(month or 0), int(day or 0))
        return _moment(match[0][:10], int(hour), int(minute), None if second is None else int(second), fraction, zone)
    except (ValueError, OverflowError):
        raise Invalid("date") from None


def _days(year: int, month: int, day: int) -> tuple[int, int]:
    if day:
        first = date(year, month, day)
        after = first + timedelta(days=1) if first < date.max else first
    elif month:
        first = date(year, month, 1)
        after = date(year + month // 12, month % 12 + 1, 1) if (year, month) != (9999, 12) else date.max
    else:
        first, after = date(year, 1, 1), date(year + 1, 1, 1) if year < 9999 else date.max
    return _midnight(first), _midnight(after)


@lru_cache(maxsize=32768)
def _midnight(day: date) -> int:
    """The start of a day in Europe/London, in µs UTC."""
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=LONDON))


def _moment(
    day: str, hour: int, minute: int, second: int | None, fraction: str | None, zone: str | None
) -> tuple[int, int]:
    leap = second == 60
    start = datetime.combine(date.fromisoformat(day), datetime.min.time()).replace(
        hour=hour, minute=minute, second=59 if leap else second or 0
    )
    aware = start.replace(tzinfo=LONDON) if zone is None else start.replace(tzinfo=UTC) - _offset(zone)
    low = microseconds(aware) + (1_000_000 if leap else 0)
    if fraction:
        low += int(fraction[:6].ljust(6, "0"))
        return low, low + 10 ** max(0, 6 - len(fraction))
    return low, low + (60_000_000 if second is None else 1_000_000)


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return timedelta(minutes=minutes if zone[0] == "+" else -minutes)


def period(value: dict[str, Any]) -> tuple[int, int] | None:
    """The interval of a FHIR Period; an open end reaches to the end of time, an open start to its beginning."""
    start, end = value.get("start"), value.get("end")
    if not start and not end:
        return None
    return (interval(start)[0] if start else -(2**62), interval(end)[1] if end else 2**62)


def with_offset(day: str, time: str) -> tuple[str, bool]:
    """A local English date and time as a FHIR dateTime with its offset, and whether the clock showed that time twice.

    In the repeated October hour the earlier offset (summer time) is taken and the doubt is reported; a time that March
    skipped is given the offset before the change and reported too. Raises ``Invalid("time")``.

    >>> with_offset("2024-07-01", "09:30:00")
    ('2024-07-01T09:30:00+01:00', False)
    >>> with_offset("2024-10-27", "01:30:00")
    ('2024-10-27T01:30:00+01:00', True)
    >>> with_offset("2024-03-31", "01:30:00")
    ('2024-03-31T01:30:00+00:00', True)
    """
    before, after = _offsets(day)
    text = time if time.count(":") == 2 else f"{time}:00"
    if before == after:
        return f"{day}T{text}{before}", False
    try:
        local = datetime.fromisoformat(f"{day}T{text}")
    except ValueError:
        raise Invalid("time") from None
    first, second = (local.replace(tzinfo=LONDON, fold=fold).utcoffset() for fold in (0, 1))
    return f"{day}T{text}{_written(first or timedelta())}", first != second


@lru_cache(maxsize=32768)
def _offsets(day: str) -> tuple[str, str]:
    """The offsets at the start and the end of a local day, as written."""
    try:
        first = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=LONDON)
    except ValueError:
        raise Invalid("date") from None
    last = first.replace(hour=23, minute=59)
    return _written(first.utcoffset() or timedelta()), _written(last.utcoffset() or timedelta())


def _written(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def widened(low: int, high: int, now: int) -> tuple[int, int]:
    """The interval of ``ap``: a tenth of the distance from now on each side, at least a day."""
    slack = max(DAY, abs(now - (low + high) // 2) // 10)
    return low - slack, high + slack
