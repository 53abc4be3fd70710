"""A measured value in words, as it was sent: its unit as the NHS writes it, its range, and what its sender said of
it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from gateway.fhir.codes import SNOMED
from gateway.nhs.summary.sections.rows import codes, shown_time, text

LOINC = "http://loinc.org"
INTERPRETATIONS = {
    "A": "Abnormal", "AA": "Critically abnormal", "H": "High", "HH": "Critically high", "L": "Low", "LL": "Critically low",
    "N": "reported as normal", "POS": "Positive", "NEG": "Negative", "IND": "Indeterminate", "R": "Resistant", "S": "Susceptible",
    "I": "Intermediate",
}  # fmt: skip
NO_VALUE = "no result in the data received"
NOT_FLAGGED = "outside the range sent, not flagged by the sender"
MICRO = {"umol": "micromol", "ug": "microgram", "mcg": "microgram"}
SYSTOLIC = frozenset({(SNOMED, "271649006"), (SNOMED, "163030003"), (SNOMED, "72313002"), (LOINC, "8480-6")})
DIASTOLIC = frozenset({(SNOMED, "271650006"), (SNOMED, "163031004"), (SNOMED, "1091811000000102"), (LOINC, "8462-4")})
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def value(resource: dict[str, Any]) -> str:
    """A value in words, "" where there is none.

    >>> value({"valueQuantity": {"comparator": "<", "value": 5, "unit": "mg/L"}})
    '<5 mg/L'
    """
    name = next((element for element in resource if element.startswith("value")), "")
    match name, resource.get(name):
        case "valueQuantity", dict(said):
            return _quantity(said)
        case "valueCodeableConcept", dict(said):
            return text(said)
        case "valueRange", dict(said):
            return f"{_quantity(said.get('low', {}))} to {_quantity(said.get('high', {}))}"
        case "valueRatio", dict(said):
            return f"{_quantity(said.get('numerator', {}))} : {_quantity(said.get('denominator', {}))}"
        case "valueBoolean", bool(said):
            return "yes" if said else "no"
        case "valueDateTime", str(said):
            return shown_time(said)
        case "", _:
            return " · ".join(_part(component) for component in resource.get("component", ()))
        case _, dict():
            return "a value that cannot be shown here"
        case _, said:
            return str(said)


def _part(component: dict[str, Any]) -> str:
    flags = ", ".join(interpretation(concept) for concept in component.get("interpretation", ()))
    return f"{text(component.get('code'))} {value(component) or NO_VALUE}" + (f" ({flags})" if flags else "")


def _quantity(quantity: dict[str, Any]) -> str:
    if "value" not in quantity:
        return "not given"
    return f"{quantity.get('comparator', '')}{quantity['value']} {unit_of(quantity)}".strip()


def unit_of(quantity: dict[str, Any]) -> str:
    """The unit of a Quantity as the NHS writes it: no letter u for micro, no asterisk for a power.

    >>> unit_of({"unit": "10*9/L"}), unit_of({"unit": "umol/L"}), unit_of({"code": "mm[Hg]"})
    ('×10⁹/L', 'micromol/L', 'mmHg')
    """
    unit: str = quantity.get("unit") or quantity.get("code", "")
    unit = re.sub(r"^[x×]?\s*10[*^](\d{1,2})", lambda power: "×10" + power[1].translate(SUPERSCRIPT), unit)
    first, slash, rest = unit.replace("mm[Hg]", "mmHg").partition("/")
    return MICRO.get(first, first) + slash + rest


def blood_pressure(resource: dict[str, Any]) -> str:
    """Both parts of a blood pressure as one, "" where it is not just these two with a value."""
    both = pressures(resource)
    return f"{both[0]['value']}/{both[1]['value']} {unit_of(both[0])}" if both else ""


def pressures(resource: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The systolic and the diastolic Quantity of a blood pressure; None where it is not just these two, each with an
    exact value and in one unit."""
    if len(resource.get("component", ())) != 2:
        return None
    sent = {_side(component): component.get("valueQuantity", {}) for component in resource["component"]}
    first, second = sent.get("systolic", {}), sent.get("diastolic", {})
    if not all("value" in pressure and "comparator" not in pressure for pressure in (first, second)):
        return None
    return (first, second) if unit_of(first) == unit_of(second) else None


def pressure_flags(resource: dict[str, Any]) -> list[str]:
    """What the sender says of each part of a blood pressure."""
    return [
        f"{_side(component)}: {interpretation(concept)}"
        for component in resource.get("component", ())
        for concept in component.get("interpretation", ())
    ]


def _side(component: dict[str, Any]) -> str:
    sent = {(coding.get("system"), coding.get("code")) for coding in component.get("code", {}).get("coding", ())}
    words = text(component.get("code")).casefold()
    for side, known in (("systolic", SYSTOLIC), ("diastolic", DIASTOLIC)):
        if sent & known or words.startswith(side):
            return side
    return words


def interpretation(concept: dict[str, Any]) -> str:
    """What the sender says of a value: its words, else ours for its code."""
    return (
        concept.get("text")
        or next((INTERPRETATIONS[code] for code in sorted(codes(concept)) if code in INTERPRETATIONS), "")
        or text(concept)
    )


def reference_range(resource: dict[str, Any]) -> str:
    """The sender's own range, "" for none; with its unit where that is not the value's.

    >>> reference_range({"valueQuantity": {"value": 5, "unit": "mmol/L"}, "referenceRange": [
    ...     {"high": {"value": 5300, "unit": "umol/L"}}]})
    'range under 5300 micromol/L'
    """
    for interval in resource.get("referenceRange", ()):
        low, high = (_bound(interval.get(end, {}), resource) for end in ("low", "high"))
        if low is not None and high is not None:
            return f"range {low} to {high}"
        if low is not None or high is not None:
            return f"range {'over' if low is not None else 'under'} {low if low is not None else high}"
        if interval.get("text"):
            return f"range {interval['text']}"
    return ""


def _bound(bound: dict[str, Any], resource: dict[str, Any]) -> str | None:
    if "value" not in bound:
        return None
    return str(bound["value"]) if has_unit_of(bound, resource) else f"{bound['value']} {unit_of(bound)}"


def has_unit_of(bound: dict[str, Any], resource: dict[str, Any]) -> bool:
    """Whether the bound of a range can be compared with the value: its unit is the value's, or is not told."""
    return unit_of(bound) in ("", unit_of(resource.get("valueQuantity", {})))


def is_outside(resource: dict[str, Any]) -> bool:
    """Whether a value surely lies outside the one range that was sent with it, in the same unit."""
    ranges, quantity = resource.get("referenceRange", ()), resource.get("valueQuantity", {})
    if len(ranges) != 1 or "value" not in quantity:
        return False
    low, high = ranges[0].get("low", {}), ranges[0].get("high", {})
    if not all(has_unit_of(bound, resource) for bound in (low, high)):
        return False
    sent, comparator = Decimal(str(quantity["value"])), quantity.get("comparator", "")
    is_under = "value" in low and (sent < Decimal(str(low["value"])) or (comparator == "<" and sent == low["value"]))
    is_over = "value" in high and (sent > Decimal(str(high["value"])) or (comparator == ">" and sent == high["value"]))
    return (is_under and comparator in ("", "<", "<=")) or (is_over and comparator in ("", ">", ">="))
