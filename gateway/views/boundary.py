"""The lowest and the highest exact value that an imprecise one may stand for: ``lowBoundary`` and ``highBoundary``.

https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from decimal import Decimal

from gateway.errors import Invalid
from gateway.fhir.expression import Typed

LOW, HIGH = "lowBoundary", "highBoundary"
_CLOCK = {LOW: "00:00:00.000", HIGH: "23:59:59.999"}
_ZONE = {LOW: "+14:00", HIGH: "-12:00"}
"""Where a day begins first, and where it ends last."""


def boundary(value: Typed, which: str) -> Typed:
    """The boundary of a date, dateTime, instant, time, decimal or integer. Raises ``Invalid`` for any other type.

    >>> boundary(("date", "1970-06"), "highBoundary"), boundary(("decimal", Decimal("1.0")), "lowBoundary")
    (('date', '1970-06-30'), ('decimal', Decimal('0.95')))
    """
    kind, held = value
    if kind not in _OF:
        raise Invalid(f"{which}: of no date, time or number")
    try:
        return kind, _OF[kind](held, which)
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        raise Invalid(f"{which}: of no {kind}") from None


def _day(text: str, which: str) -> str:
    if which == LOW:
        return text + "-01-01"[len(text) - 4 :]
    text += "-12" if len(text) == 4 else ""
    return text if len(text) == 10 else f"{text}-{calendar.monthrange(int(text[:4]), int(text[5:]))[1]:02}"


def _moment(text: str, which: str) -> str:
    day, _, clock = text.partition("T")
    if not clock:
        return f"{_day(day, which)}T{_CLOCK[which]}{_ZONE[which]}"
    place = next((place for place, sign in enumerate(clock) if sign in "Z+-"), len(clock))
    return f"{day}T{_time(clock[:place], which)}{clock[place:] or _ZONE[which]}"


def _time(text: str, which: str) -> str:
    return text + _CLOCK[which][len(text) :]


def _number(number: Decimal | float, which: str) -> Decimal:
    exact = number if isinstance(number, Decimal) else Decimal(str(number))
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError
    half = Decimal(5).scaleb(min(exponent, 0) - 1)
    return exact - half if which == LOW else exact + half


_OF: dict[str, Callable[..., str | Decimal]] = {
    "date": _day, "dateTime": _moment, "instant": _moment, "time": _time, "decimal": _number, "integer": _number,
}  # fmt: skip
