"""Results and measurements, as they were sent: a comparator is a bound, a correction says so, and no flag does not
mean normal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.fhir.codes import SNOMED
from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import Row, codes, is_error, newest, notes, row, text, unworded, when

STATUS = {"corrected": "corrected", "amended": "corrected", "preliminary": "preliminary", "unknown": "status not known"}
NOT_RESULTS = frozenset({"cancelled", "registered"})
INTERPRETATIONS = {
    "A": "Abnormal", "AA": "Critically abnormal", "H": "High", "HH": "Critically high", "L": "Low", "LL": "Critically low",
    "N": "reported as normal", "POS": "Positive", "NEG": "Negative", "IND": "Indeterminate", "R": "Resistant", "S": "Susceptible",
    "I": "Intermediate",
}  # fmt: skip
PART_UNCLEAR = "blood-pressure-part-unclear"
NO_VALUE = "no result in the data received"
MOST_RESULTS = 60


def results(record: Record) -> list[Row]:
    """Measurements and results, newest first. The same code, exact time and value of several sources shows once and
    names them all. A person has thousands: those beyond the most shown are not worded."""
    reported = [held for held in record.of("Observation") if _is_result(held)] + [
        held for held in record.of("DiagnosticReport") if _tells(held)
    ]
    reported.sort(key=lambda held: when(held.resource), reverse=True)
    shown: dict[tuple[Any, ...], Row] = {}
    for number, held in enumerate(reported):
        if len(shown) > MOST_RESULTS:
            return [*newest(shown.values()), *(unworded(held) for held in reported[number:])]
        line = _report(held) if held.resource["resourceType"] == "DiagnosticReport" else _result(held)
        key = _same(held)
        shown[key] = _also(shown[key], line) if key in shown else line
    return newest(shown.values())


def _is_result(held: Held) -> bool:
    resource = held.resource
    if kinds.of(held.kind).is_social or is_error(resource) or resource.get("status") in NOT_RESULTS:
        return False
    return "component" in resource or any(name.startswith("value") for name in resource) or _is_missing(resource)


def _same(held: Held) -> tuple[Any, ...]:
    """What two statements of one result share: code, exact time, value, and whether it is a correction. Without a time
    nothing is the same."""
    resource, at = held.resource, when(held.resource)
    if "T" not in at or resource["resourceType"] != "Observation":
        return (held.reference,)
    return (_code(resource), at, value(resource), resource.get("status") in ("corrected", "amended"))


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
        case "", _:
            return " · ".join(_part(component) for component in resource.get("component", ()))
        case _, dict():
            return "a value that cannot be shown here"
        case _, said:
            return str(said)


def _part(component: dict[str, Any]) -> str:
    flags = ", ".join(_interpretation(interpretation) for interpretation in component.get("interpretation", ()))
    return f"{text(component.get('code'))} {value(component) or NO_VALUE}" + (f" ({flags})" if flags else "")


def _quantity(quantity: dict[str, Any]) -> str:
    if "value" not in quantity:
        return "not given"
    unit = quantity.get("unit") or quantity.get("code", "")
    return f"{quantity.get('comparator', '')}{quantity['value']} {unit}".strip()


def _is_missing(resource: dict[str, Any]) -> bool:
    """A laboratory result that should have a value and has none: it is said, not left out. A panel has its members'
    values."""
    laboratory = any("laboratory" in codes(category) for category in resource.get("category", ()))
    return laboratory and "dataAbsentReason" in resource and not resource.get("hasMember")


def _code(resource: dict[str, Any]) -> frozenset[str]:
    return frozenset(codes(resource.get("code"), SNOMED) or codes(resource.get("code")) or {text(resource.get("code"))})


def _also(first: Row, other: Row) -> Row:
    """The same result of another source, or sent again: both sources are named, and no flag of either is lost."""
    sources, flags = (
        tuple(dict.fromkeys(both)) for both in ((*first.sources, *other.sources), (*first.flags, *other.flags))
    )
    return replace(first, sources=sources, flags=flags, references=(*first.references, *other.references))


def _result(held: Held) -> Row:
    resource = held.resource
    tags = {tag.get("code") for tag in resource.get("meta", {}).get("tag", ())}
    flags = [_interpretation(concept) for concept in resource.get("interpretation", ())]
    return row(
        held,
        text(resource.get("code")),
        when(resource),
        (value(resource) or NO_VALUE, _range(resource), notes(resource)),
        (
            *flags,
            STATUS.get(resource.get("status", ""), ""),
            "systolic or diastolic not told" if PART_UNCLEAR in tags else "",
        ),
        timed=True,
    )


def _interpretation(concept: dict[str, Any]) -> str:
    return (
        concept.get("text")
        or next((INTERPRETATIONS[code] for code in sorted(codes(concept)) if code in INTERPRETATIONS), "")
        or text(concept)
    )


def _range(resource: dict[str, Any]) -> str:
    for interval in resource.get("referenceRange", ()):
        low, high = interval.get("low", {}).get("value"), interval.get("high", {}).get("value")
        if low is not None and high is not None:
            return f"range {low} to {high}"
        if low is not None or high is not None:
            return f"range {'over' if low is not None else 'under'} {low if low is not None else high}"
        if interval.get("text"):
            return f"range {interval['text']}"
    return ""


def _tells(held: Held) -> bool:
    """Whether a report says something itself: a conclusion, or a document that this page cannot show."""
    return not is_error(held.resource) and bool(held.resource.get("conclusion") or held.resource.get("presentedForm"))


def _report(held: Held) -> Row:
    resource = held.resource
    document = "a document is held and not shown here" if resource.get("presentedForm") else ""
    flags = (STATUS.get(resource.get("status", ""), ""),)
    return row(
        held, text(resource.get("code")), when(resource), (resource.get("conclusion", ""), document), flags, timed=True
    )
