"""A clause as a test of a resource: whether the values that its parameter reads are what was asked."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.expression import Typed, compiled
from gateway.fhir.matching import (
    by_composite,
    by_date,
    by_number,
    by_quantity,
    by_reference,
    by_string,
    by_token,
    by_uri,
)
from gateway.fhir.r4.defined import Definition
from gateway.fhir.search import Clause

KINDS: dict[str, ModuleType] = {
    "token": by_token, "string": by_string, "date": by_date, "reference": by_reference, "number": by_number, "quantity": by_quantity,
    "uri": by_uri,
}  # fmt: skip
MISSING = "missing"
Test = Callable[[dict[str, Any]], bool]


def modifiers(definition: Definition) -> tuple[str, ...]:
    """The modifiers that a parameter takes, without the types that a reference may lead to."""
    return (MISSING, *(() if definition.kind == "composite" else KINDS[definition.kind].MODIFIERS))


def read(label: str, definition: Definition, modifier: str, text: str, now: int) -> Any:
    """One of the alternatives of a clause. Raises ``Invalid`` by ``label``."""
    if modifier == MISSING:
        if text not in ("true", "false"):
            raise Invalid(f"{label}: true or false")
        return text == "true"
    match definition.kind:
        case "composite":
            return by_composite.read(label, definition, text, now, read)
        case "date":
            return by_date.read(label, definition, modifier, text, now)
    return KINDS[definition.kind].read(label, definition, modifier, text)


def test(definition: Definition, clause: Clause) -> Test:
    """The test of a resource of the definition's type.

    >>> from gateway.fhir.params import searchable
    >>> final = test(searchable("Observation")["status"], Clause("status", "token", ((None, "final"),)))
    >>> final({"resourceType": "Observation", "status": "final"})
    True
    """
    values, modifier = _values(definition), clause.modifier
    if modifier == MISSING:
        return lambda resource: (not values(resource)) in clause.values
    match = _match(definition, clause)
    if modifier == "not":
        return lambda resource: not any(map(match, values(resource)))
    return lambda resource: any(map(match, values(resource)))


def _values(definition: Definition) -> Callable[[dict[str, Any]], list[Typed]]:
    read_all = compiled(definition.type, definition.expression)
    if definition.type == "Observation" and definition.name == "date":
        return lambda resource: [value for value in read_all(resource) if value[0] != "Timing"]  # the index has none
    return read_all


def _match(definition: Definition, clause: Clause) -> Callable[[Typed], bool]:
    if definition.kind == "composite":
        parts = by_composite.components(definition)
        return lambda typed: any(by_composite.matches(parts, typed, value, _part) for value in clause.values)
    matches = KINDS[definition.kind].matches
    modifier = "" if clause.modifier == "not" else clause.modifier
    return lambda typed: any(matches(typed, value, modifier) for value in clause.values)


def _part(kind: str, typed: Typed, value: Any) -> bool:
    is_match: bool = KINDS[kind].matches(typed, value, "")
    return is_match


def order(definition: Definition, is_descending: bool) -> Callable[[dict[str, Any]], Any]:
    """The function to what a resource is sorted by: its least value, or its greatest where the order is descending;
    None where it has none."""
    values, key = _values(definition), KINDS[definition.kind].order
    pick = max if is_descending else min
    return lambda resource: pick((key(value) for value in values(resource)), default=None)
