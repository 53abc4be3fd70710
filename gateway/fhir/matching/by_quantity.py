"""Quantities: a number with its unit. Units are compared, never converted.

https://hl7.org/fhir/R4/search.html#quantity. A value is (number as asked, system, unit): "" means any.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.expression import Typed
from gateway.fhir.matching import by_number
from gateway.fhir.matching.by_number import LEAST, MOST, Bound
from gateway.fhir.matching.escapes import split, unescape
from gateway.fhir.r4.defined import Definition

MODIFIERS: tuple[str, ...] = ()
Asked = tuple[by_number.Asked, str, str]
Held = tuple[Bound, Bound, dict[str, Any]]


def read(label: str, definition: Definition, _modifier: str, text: str) -> Asked:
    """A value as it was asked: ``number`` or ``number|system|code``. Raises ``Invalid``."""
    number, *unit = [unescape(part) for part in split(text, "|")]
    if len(unit) not in (0, 2):
        raise Invalid(f"{label}: number or number|system|code")
    system, code = unit or ("", "")
    return by_number.read(label, definition, "", number), system, code


def held(typed: Typed, _modifier: str) -> list[Held]:
    """The interval of a quantity or a range, with what has its unit; none for one without a number."""
    bounds = interval(typed)
    return [(*bounds, _with_unit(typed))] if bounds else []


def matches(quantity: Held, value: Asked, _modifier: str) -> bool:
    """Whether a quantity or a range is as was asked. One that is only bounded (``<5``) is all that lies beyond."""
    low, high, unit = quantity
    asked, system, code = value
    return _is_of(unit, system, code) and by_number.compare(asked, low, high)


def interval(typed: Typed) -> tuple[Bound, Bound] | None:
    """The interval of a value; None for one without a number."""
    type_, value = typed
    if type(value) is not dict:
        return None
    if type_ in ("Range", "SampledData"):
        low, high = ("low", "high") if type_ == "Range" else ("lowerLimit", "upperLimit")
        numbers = [_number(value.get(name)) for name in (low, high)]
        if numbers == [None, None]:
            return None
        return (_at(numbers[0], LEAST), _at(numbers[1], MOST))
    number = _number(value)
    return None if number is None else _compared(number, value.get("comparator", ""))


def _compared(number: Decimal, comparator: str) -> tuple[Bound, Bound]:
    match comparator:
        case "<":
            return LEAST, (number, -1)
        case "<=":
            return LEAST, (number, 0)
        case ">":
            return (number, 1), MOST
        case ">=":
            return (number, 0), MOST
    return (number, 0), (number, 0)


def _number(value: Any) -> Decimal | None:
    return by_number.as_decimal(value.get("value") if type(value) is dict else value)


def _at(number: Decimal | None, otherwise: Bound) -> Bound:
    return otherwise if number is None else (number, 0)


def _with_unit(typed: Typed) -> dict[str, Any]:
    """The quantity that has the unit of a value: its own, or that of a range or of sampled data."""
    value: dict[str, Any] = typed[1]
    inner = value.get("low") or value.get("high") if typed[0] == "Range" else value.get("origin", value)
    return inner if type(inner) is dict else {}


def _is_of(quantity: dict[str, Any], system: str, code: str) -> bool:
    if system:
        return quantity.get("system") == system and (not code or quantity.get("code") == code)
    return not code or code in (quantity.get("code"), quantity.get("unit"))


def order(typed: Typed) -> Bound:
    """What a value is sorted by."""
    bounds = interval(typed)
    return bounds[0] if bounds else LEAST
