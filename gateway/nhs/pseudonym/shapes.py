"""The types that an element is decoded into: each declares what stays, and nothing else gets through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

MASKED = b'{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}'
"""What leaves in place of a value that was there and may not leave."""
Shape = Mapping[str, "Shape | None"]
"""The JSON names that stay, level by level; None: a value."""


class Coding(Struct, gc=False):
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class Concept(Struct, gc=False):
    coding: list[Coding] | UnsetType = UNSET


class Quantity(Struct, gc=False):
    value: Raw | UnsetType = UNSET
    comparator: Literal["<", "<=", ">=", ">"] | UnsetType = UNSET
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class Range(Struct, gc=False):
    low: Quantity | UnsetType = UNSET
    high: Quantity | UnsetType = UNSET


class Ratio(Struct, gc=False):
    numerator: Quantity | UnsetType = UNSET
    denominator: Quantity | UnsetType = UNSET


class Reference(Struct, gc=False):
    reference: str | UnsetType = UNSET


class Period(Struct, gc=False):
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET


class Extension(Struct, gc=False):
    url: str
    valueCodeableConcept: Concept | UnsetType = UNSET
    valueBoolean: bool | UnsetType = UNSET
    valueDate: str | UnsetType = UNSET


_QUANTITY: Shape = dict.fromkeys(("value", "comparator", "system", "code"))
_CODING: Shape = {"system": None, "code": None}
SHAPES: dict[str, Shape] = {
    "Coding": _CODING,
    "CodeableConcept": {"coding": _CODING},
    "Reference": {"reference": None},
    "Period": {"start": None, "end": None},
    "Range": {"low": _QUANTITY, "high": _QUANTITY},
    "Ratio": {"numerator": _QUANTITY, "denominator": _QUANTITY},
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _QUANTITY),
}
TYPES: dict[str, type] = {
    "Coding": Coding, "CodeableConcept": Concept, "Reference": Reference, "Period": Period, "Range": Range, "Ratio": Ratio,
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), Quantity), "boolean": bool, "decimal": Raw,
}  # fmt: skip
