"""Repairs what is not valid STU3, each repair by its kind; published GP Connect records are often invalid.

A repair never invents a clinical value: it takes an empty value or an impossible date away, gives a local time the
offset it had in England, or puts a value in the list that is due. Each is counted by element and kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import interval, with_offset
from gateway.fhir.r4 import table

EMPTY = "an empty value: left out"
NO_DATE = "no date: left out"
NO_ZONE = "a time without its offset: taken as local time in England"
NO_SECONDS = "a time without seconds"
TIME_OF_A_DAY = "a time where a day is due"
ALONE = "one value where a list is due"
SPACES = "spaces around a code"
IN_A_LIST = "a list where one value is due: the first is taken"

DAYS = frozenset({"birthDate", "expirationDate"})
TIMES = DAYS | frozenset(
    "start end time date issued authoredOn effectiveDateTime assertedDate onsetDateTime abatementDateTime "
    "lastOccurrence "
    "dateAsserted occurrenceDateTime created indexed collectedDateTime receivedTime deceasedDateTime valueDateTime "
    "authored lastUpdated creation".split()
)
"""Elements that hold a date or a time, whatever they stand in."""
LISTS = frozenset({"given", "prefix", "suffix", "line", "coding", "extension"})
"""Elements of data types that are lists."""
CODES = frozenset({"code", "system", "reference"})
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d)?")


@dataclass
class Repaired:
    """A resource after its repairs; (element, kind) of each; whether a time of it was shown twice by the clock."""

    said: dict[str, Any] = field(default_factory=dict)
    repairs: list[tuple[str, str]] = field(default_factory=list)
    is_doubtful: bool = False


@lru_cache
def _names() -> frozenset[str]:
    """Every element that R4 has anywhere."""
    return frozenset(name for type_ in table.types().values() for element in type_.elements for name in element.names)


def place_of(path: str, own: frozenset[str] = frozenset()) -> str:
    """Return a path of elements as a report may hold it: a name that neither R4 nor ``own`` has may be anything, and is
    not told.

    >>> place_of("code.coding.code"), place_of("code.Ines Sampleton")
    ('code.coding.code', 'code.element')
    """
    return ".".join(name if name in own or name in _names() else "element" for name in path.split("."))


def repaired(resource: dict[str, Any]) -> Repaired:
    """Return a resource as it can be mapped.

    >>> repaired({"description": "", "issued": "2019-07-28T10:30:00"}).said
    {'issued': '2019-07-28T10:30:00+01:00'}
    """
    answer = Repaired()
    answer.said = _object(resource, "", answer)
    return answer


def repaired_time(value: object) -> str:
    """Return a date or time that stands where none is due as R4 writes it, "" for what is none."""
    return str(repaired({"date": value}).said.get("date", ""))


def _object(value: dict[str, Any], place: str, answer: Repaired) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        at = f"{place}.{name}" if place else name
        mended = _value(inner, name, at, answer)
        if mended in ("", [], {}, None):
            if (at, NO_DATE) not in answer.repairs:
                answer.repairs.append((at, EMPTY))
            continue
        if name in LISTS and not isinstance(mended, list):
            answer.repairs.append((at, ALONE))
            mended = [mended]
        kept[name] = mended
    return kept


def _value(value: Any, name: str, place: str, answer: Repaired) -> Any:
    if isinstance(value, dict):
        return _object(value, place, answer)
    if isinstance(value, list):
        items = [_value(item, name, place, answer) for item in value]
        if name.startswith("_"):
            return items  # a null there stands beside a value
        kept = [item for item in items if item not in ("", [], {}, None)]
        if kept and len(kept) < len(items):
            answer.repairs.append((place, EMPTY))
        return kept
    if not isinstance(value, str):
        return value
    if name in TIMES:
        return _time(value.strip(), name, place, answer)
    if name in CODES and value != value.strip():
        answer.repairs.append((place, SPACES))
        return value.strip()
    return value if value.strip() else ""


def _time(text: str, name: str, place: str, answer: Repaired) -> str:
    """Return a date or time as R4 writes it, "" for what is none."""
    if not text:
        return ""
    parts = _TIME.fullmatch(text)
    try:
        if _DATE.fullmatch(text):
            interval(text)
            return text
        if parts is None:
            raise Invalid("date")
        day, minutes, seconds, fraction, zone = parts.groups(default="")
        interval(f"{day}T{minutes}{seconds or ':00'}{zone or 'Z'}")
    except Invalid:
        answer.repairs.append((place, NO_DATE))
        return ""
    if name in DAYS:
        answer.repairs.append((place, TIME_OF_A_DAY))
        return day
    if not seconds:
        answer.repairs.append((place, NO_SECONDS))
    if zone:
        return f"{day}T{minutes}{seconds or ':00'}{fraction}{zone}"
    answer.repairs.append((place, NO_ZONE))
    local, is_doubtful = with_offset(day, f"{minutes}{seconds or ':00'}")
    answer.is_doubtful |= is_doubtful
    return local
