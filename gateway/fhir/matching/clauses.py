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
READING = 4
"""What it costs to read a parameter of a resource, and each value that it holds there, in comparisons of two values."""
Test = Callable[[dict[str, Any]], bool]
Spend = Callable[[int], None]
Held = Callable[[Typed], list[Any]]
Size = Callable[[list[Any]], int]
Matches = Callable[[Any, Any], bool]


def _for_nothing(_comparisons: int) -> None:
    """No budget: for a test of one resource."""


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


def test(definition: Definition, clause: Clause, spend: Spend = _for_nothing) -> Test:
    """The test of a resource of the definition's type. What a resource holds is read once, and compared with each value
    that was asked; ``spend`` is told what that costs at most, in comparisons, before any is made.

    >>> from gateway.fhir.params import searchable
    >>> final = test(searchable("Observation")["status"], Clause("status", "token", ((None, "final"),)))
    >>> final({"resourceType": "Observation", "status": "final"})
    True
    """
    values, modifier = _values(definition), clause.modifier
    if modifier == MISSING:
        return lambda resource: (not values(resource)) in clause.values
    held, size, matches = _comparison(definition, "" if modifier == "not" else modifier)

    def is_match(resource: dict[str, Any]) -> bool:
        holds = [value for typed in values(resource) for value in held(typed)]
        spend(READING + size(holds) * (READING + len(clause.values)))
        return any(matches(value, asked) for value in holds for asked in clause.values)

    return (lambda resource: not is_match(resource)) if modifier == "not" else is_match


def _values(definition: Definition) -> Callable[[dict[str, Any]], list[Typed]]:
    read_all = compiled(definition.type, definition.expression)
    if definition.type == "Observation" and definition.name == "date":
        return lambda resource: [value for value in read_all(resource) if value[0] != "Timing"]  # the index has none
    return read_all


def _comparison(definition: Definition, modifier: str) -> tuple[Held, Size, Matches]:
    """How a parameter reads what it compares, how many comparisons that is with one value, and how it compares."""
    if definition.kind == "composite":
        parts = by_composite.components(definition)
        return (
            lambda typed: [by_composite.held(parts, typed, _held_part)],
            lambda elements: sum(len(part) for element in elements for part in element),
            lambda element, asked: by_composite.matches(parts, element, asked, _part),
        )
    kind = KINDS[definition.kind]
    return (
        lambda typed: kind.held(typed, modifier), len, lambda value, asked: kind.matches(value, asked, modifier)
    )  # fmt: skip


def _held_part(kind: str, typed: Typed) -> list[Any]:
    values: list[Any] = KINDS[kind].held(typed, "")
    return values


def _part(kind: str, value: Any, asked: Any) -> bool:
    is_match: bool = KINDS[kind].matches(value, asked, "")
    return is_match


def order(definition: Definition, is_descending: bool) -> Callable[[dict[str, Any]], Any]:
    """The function to what a resource is sorted by: its least value, or its greatest where the order is descending;
    None where it has none."""
    values, key = _values(definition), KINDS[definition.kind].order
    pick = max if is_descending else min
    return lambda resource: pick((key(value) for value in values(resource)), default=None)
