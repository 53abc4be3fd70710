"""Dates: a date, dateTime, instant, Period or Timing, as a half-open interval in µs UTC.

https://hl7.org/fhir/R4/search.html#date. A value is (prefix, low, high); ``store.find`` compares the same in SQL.
"""

from __future__ import annotations

from gateway.errors import Invalid
from gateway.fhir import dates
from gateway.fhir.expression import Typed
from gateway.fhir.r4.defined import Definition

MODIFIERS: tuple[str, ...] = ()
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
Asked = tuple[str, int, int]
Interval = tuple[int, int]


def read(label: str, _definition: Definition, _modifier: str, text: str, now: int) -> Asked:
    """A value as it was asked, ``ap`` widened by its distance from now. Raises ``Invalid``."""
    prefix = text[:2] if text[:2] in PREFIXES else "eq"
    try:
        low, high = dates.interval((text[2:] if text[:2] in PREFIXES else text).replace(" ", "+"))
    except Invalid:
        raise Invalid(label) from None
    return (prefix, *(dates.widened(low, high, now) if prefix == "ap" else (low, high)))


def matches(interval: Interval, value: Asked, _modifier: str) -> bool:
    """Whether a time is as was asked."""
    return _compare(*value, *interval)


def held(typed: Typed, _modifier: str = "") -> list[Interval]:
    """The intervals of a value; none for one that cannot be read."""
    type_, value = typed
    try:
        if type(value) is str:
            return [dates.interval(value)]
        if type_ == "Timing":
            bounds = value.get("repeat", {}).get("boundsPeriod")
            return [dates.interval(event) for event in value.get("event", ())] + _period(bounds or {})
        return _period(value)
    except (Invalid, AttributeError):
        return []


def _period(period: dict[str, str]) -> list[Interval]:
    interval = dates.period(period)
    return [interval] if interval else []


def _compare(prefix: str, start: int, end: int, low: int, high: int) -> bool:
    """R4's prefixes over half-open intervals: the same as ``store.find`` has them."""
    match prefix:
        case "eq":
            return low >= start and high <= end
        case "ap":
            return low < end and high > start
        case "ne":
            return low < start or high > end
        case "gt":
            return high > end
        case "ge":
            return high > end or (low >= start and high <= end)
        case "lt":
            return low < start
        case "le":
            return low < start or (low >= start and high <= end)
        case "sa":
            return low >= end
    return high <= start


def order(typed: Typed) -> Interval | tuple[()]:
    """What a value is sorted by: its beginning, then its end."""
    return min(held(typed), default=())
