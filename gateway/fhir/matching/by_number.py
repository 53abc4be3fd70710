"""Numbers: an exact decimal, which stands for the interval that its digits leave open.

https://hl7.org/fhir/R4/search.html#number. A bound is (number, -1 | 0 | 1): just below it, at it, just above it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.expression import Typed
from gateway.fhir.matching.by_date import PREFIXES
from gateway.fhir.r4.defined import Definition

MODIFIERS: tuple[str, ...] = ()
Bound = tuple[Decimal, int]
_NUMBER = re.compile(r"\A([a-z]{2})?+(-?+[0-9]{1,30}+(?:\.[0-9]{1,30}+)?+(?:[eE][+-]?[0-9]{1,2})?)\Z", re.ASCII)
MOST = (Decimal("Infinity"), 0)
LEAST = (Decimal("-Infinity"), 0)
Asked = tuple[str, Decimal, Decimal]


def read(label: str, _definition: Definition, _modifier: str, text: str) -> Asked:
    """(prefix, number, half of its last digit). Raises ``Invalid``."""
    match = _NUMBER.match(text)
    if not match or (match[1] or "eq") not in PREFIXES:
        raise Invalid(label)
    number = Decimal(match[2])
    exponent = number.as_tuple().exponent
    return match[1] or "eq", number, Decimal(5).scaleb(int(exponent) - 1)


def held(typed: Typed, _modifier: str) -> list[Decimal]:
    """The number that a value is; none where it is no number."""
    number = as_decimal(typed[1])
    return [] if number is None else [number]


def matches(number: Decimal, value: Asked, _modifier: str) -> bool:
    """Whether a number is as was asked."""
    return compare(value, (number, 0), (number, 0))


def as_decimal(value: Any) -> Decimal | None:
    """A JSON number as a decimal."""
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def compare(asked: Asked, low: Bound, high: Bound) -> bool:
    """R4's prefixes over an interval that a resource holds. Only ``eq``, ``ne`` and ``ap`` look at how many digits were
    asked."""
    prefix, number, half = asked
    at = (number, 0)
    match prefix:
        case "eq":
            return _is_within(number, half, low, high)
        case "ne":
            return not _is_within(number, half, low, high)
        case "ap":
            around = max(abs(number) / 10, half)
            return low <= (number + around, 0) and high >= (number - around, 0)
        case "gt":
            return high > at
        case "ge":
            return high >= at
        case "lt":
            return low < at
        case "le":
            return low <= at
        case "sa":
            return low > at
    return high < at


def _is_within(number: Decimal, half: Decimal, low: Bound, high: Bound) -> bool:
    return low >= (number - half, 0) and high < (number + half, 0)


def order(typed: Typed) -> Decimal:
    """What a value is sorted by."""
    return as_decimal(typed[1]) or Decimal(0)
