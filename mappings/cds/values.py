"""Dates, times and codes of a row: ``20240311`` and ``093100`` in CDS files, other forms in what SUS gives back."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import with_offset
from mappings import Look, Row, Values
from mappings.vocabulary import CANNOT_BE, NO_DAYS

SINCE = datetime(2000, 1, 1)
LINE_BITS = 31
"""The seconds since 2000 before the line of a row keep an order under 2**63 until 2136."""
_DAY = (
    (re.compile(r"(\d{4})-?(\d\d)-?(\d\d)"), (1, 2, 3)),
    (re.compile(r"(\d\d)/(\d\d)/(\d{4})"), (3, 2, 1)),
)
_TIME = re.compile(r"([01]\d|2[0-3]):?([0-5]\d)(?::?([0-5]\d)(?:\.\d+)?)?")


def day(values: Values, item: str) -> str:
    """Return a date as FHIR writes it, "" for none or for one that stands for none. Raises ``Invalid`` naming the item.

    >>> day(Values(BirthDate="19600115"), "BirthDate"), day(Values(BirthDate="15/01/1960"), "BirthDate")
    ('1960-01-15', '1960-01-15')
    """
    text = values[item].strip()
    iso = _day(re.split("[T ]", text)[0], item) if text else ""
    return "" if iso in NO_DAYS else iso


def time(values: Values, item: str) -> str:
    """Return a time as ``hh:mm:ss``, "" for none. Raises ``Invalid`` naming the item.

    >>> time(Values(T="0931"), "T"), time(Values(T="09:31:05"), "T")
    ('09:31:00', '09:31:05')
    """
    text = values[item].strip()
    if not text:
        return ""
    match = _TIME.fullmatch(re.split("[T ]", text)[-1])
    if match is None:
        raise Invalid(f"column {item}")
    return f"{match[1]}:{match[2]}:{match[3] or '00'}"


def when(values: Values, item: str, time_item: str) -> str:
    """Return a date, with its time and offset where a time is sent; "" for none."""
    date_, clock = day(values, item), time(values, time_item)
    return with_offset(date_, clock)[0] if date_ and clock else date_


def month_of(active: str) -> int:
    """Return the number of a day's month."""
    return int(active[:4]) * 12 + int(active[5:7]) - 1


def is_doubtful(values: Values, *items: tuple[str, str]) -> bool:
    """Whether one of these dates and times is one that the clock showed twice."""
    pairs = ((day(values, item), time(values, clock)) for item, clock in items)
    return any(with_offset(date_, clock)[1] for date_, clock in pairs if date_ and clock)


@lru_cache(maxsize=1 << 16)
def _day(text: str, item: str) -> str:
    for pattern, places in _DAY:
        if match := pattern.fullmatch(text):
            try:
                return date(*(int(match[place]) for place in places)).isoformat()
            except ValueError:
                break
    raise Invalid(f"column {item}")


def seconds(values: Values, item: str, time_item: str) -> int:
    """Return the seconds from 2000 to a date and time, midnight where no time is sent. Raises ``Invalid`` naming the
    item for none, or one before 2000."""
    text = values[item].strip()
    date_ = _day(re.split("[T ]", text)[0], item)
    holds_time = re.search("[T ]", text)
    clock = time(values, item) if holds_time else time(values, time_item)
    count = int((datetime.fromisoformat(f"{date_}T{clock or '00:00:00'}") - SINCE).total_seconds())
    if count < 0:
        raise Invalid(f"column {item}")
    return count


def known(row: Row) -> str:
    """Return the day on which a record was sent or holds: nothing that it tells of can have happened later."""
    return (SINCE + timedelta(seconds=row.order >> LINE_BITS)).date().isoformat()


def past(row: Row, item: str, look: Look, time_item: str = "") -> str:
    """Return when something happened, "" for none. One that lies after all that is known is a slip: it is left out and
    counted."""
    text = when(row.values, item, time_item) if time_item else day(row.values, item)
    if text[:10] > known(row):
        look.warn(item, CANNOT_BE)
        return ""
    return text


def period(start: str, end: str) -> dict[str, Any]:
    """Return the period; an end before its start is left out rather than resources to fit."""
    return {"start": start, "end": end if not (start and end) or end[:10] >= start[:10] else ""}


def numbered(values: Values, item: str) -> list[int]:
    """Return the numbers of the filled repetitions of an item (``Diagnosis1``, ``Diagnosis2``…), in order."""
    pattern = re.compile(rf"{item}(\d+)")
    return sorted(int(match[1]) for name in values if (match := pattern.fullmatch(name)))
