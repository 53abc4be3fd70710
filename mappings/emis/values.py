"""The values of a column as FHIR: partial dates, local times, numbers, units, truth and references."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import with_offset
from mappings import Values
from mappings.vocabulary import unit

CROSS_CARE = "https://fhir.nhs.uk/Id/cross-care-setting-identifier"
"""The NHS system for GUIDs of GP records (GP Connect)."""

_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_LENGTH = {"": 10, "YMD": 10, "YMDT": 10, "YM": 7, "Y": 4, "U": 0}


def guid(text: str) -> str:
    """Return a GUID as this source is keyed by it: lower case, no braces.

    >>> guid("{0F30B81C-D956-4A05-89DF-58CC877FD719}")
    '0f30b81c-d956-4a05-89df-58cc877fd719'
    """
    return text.strip("{} ").lower()


referred = lru_cache(maxsize=1 << 10)(guid)
"""``guid`` of what rows near each other refer to: a patient, a consultation, a user."""


def is_true(text: str) -> bool:
    """Whether a column says yes, in any case."""
    return text != "false" and text.lower() in ("true", "1")


def day(values: Values, column: str) -> str:
    """Return a date column as a FHIR date, or "" for none. Raises ``Invalid`` naming the column."""
    text = values.get(column)
    return _day(text, column) if text else ""


def day_before(day: str) -> str:
    """Return the day before an ISO date."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def partial(values: Values, column: str, precision: str = "") -> str:
    """Return a date in the precision the source gives it in column ``precision`` (that of ``column`` unless named), ""
    for unknown.

    A date is never padded: ``1998-01-01`` of precision ``Y`` is ``1998``.
    """
    text = values.get(column)
    if not text:
        return ""
    return _partial(text, values.get(precision or f"{column}Precision", ""), column)


@lru_cache(maxsize=1 << 16)
def _partial(text: str, precision: str, column: str) -> str:
    length = _LENGTH.get(precision.strip().upper())
    if length is None:
        raise Invalid(f"column {column}Precision")
    if precision.strip().upper() == "YMDT" and len(text) > 15:
        return with_offset(_day(text, column), _time(text[11:19].rstrip("Z"), column))[0]
    return _day(text, column)[:length]


@lru_cache(maxsize=1 << 16)
def _day(text: str, column: str) -> str:
    written = text[:10]
    if not _DAY.fullmatch(written):
        raise Invalid(f"column {column}")
    try:
        date.fromisoformat(written)
    except ValueError:
        raise Invalid(f"column {column}") from None
    return written


def clock(values: Values, column: str) -> str:
    """Return a time column as hours, minutes and seconds, or "" for none. Raises ``Invalid`` naming the column."""
    text = values.get(column)
    return _time(text[:8], column) if text else ""


def _time(text: str, column: str) -> str:
    if not _TIME.fullmatch(text):
        raise Invalid(f"column {column}")
    return text


def entered(values: Values) -> tuple[str, bool]:
    """Return when a row was entered, as precise as it says (a day, or a time with its offset), and whether the clock
    showed that time, or the one it took effect, twice."""
    text, time = values.get("EnteredDate"), values.get("EnteredTime")
    if not text:
        return "", is_doubtful(values, "EffectiveDate")
    if not time:
        return _day(text, "EnteredDate"), is_doubtful(values, "EffectiveDate")
    when, shown_twice = _moment(text, time)
    return when, shown_twice or is_doubtful(values, "EffectiveDate")


@lru_cache(maxsize=1 << 14)
def _moment(text: str, time: str) -> tuple[str, bool]:
    """What is written in one consultation was entered in one minute: the same words come again and again."""
    return with_offset(_day(text, "EnteredDate"), _time(time[:8], "EnteredTime"))


def is_doubtful(values: Values, column: str) -> bool:
    """Whether a date of precision YMDT is a time that the clock showed twice."""
    text = values.get(column, "")
    if len(text) <= 15 or values.get(f"{column}Precision", "").strip().upper() != "YMDT":
        return False
    return with_offset(_day(text, column), _time(text[11:19].rstrip("Z"), column))[1]


@lru_cache(maxsize=1 << 14)
def is_number(text: str) -> bool:
    """Whether ``text`` is a plain decimal number, in ASCII digits."""
    return _NUMBER.fullmatch(text) is not None and text.isascii()


def quantity(number: str, written: str) -> dict[str, Any]:
    """Return a Quantity: the digits as sent, the unit as written, UCUM only from the curated table."""
    return {"value": Decimal(number), **unit(written.strip())}


def postcode(text: str) -> str:
    """Return a postcode with its space: the column is too short for one.

    >>> postcode("LS11AA")
    'LS1 1AA'
    """
    tight = text.replace(" ", "").upper()
    return f"{tight[:-3]} {tight[-3:]}" if re.fullmatch(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}", tight) else text.strip()


def address(values: Values) -> dict[str, Any]:
    """Return the Address of the columns that all tables name alike, empty parts included."""
    lines = [values[column].strip() for column in ("HouseNameFlatNumber", "NumberAndStreet", "Village")]
    return {
        "line": [line for line in lines if line],
        "city": values["Town"].strip(),
        "district": values["County"].strip(),
        "postalCode": postcode(values["Postcode"]),
    }


def identifier(key: str, system: str = CROSS_CARE) -> dict[str, Any]:
    """Return the identifier of a row by its GUID."""
    return {"system": system, "value": key}
