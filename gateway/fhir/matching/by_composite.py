"""Composites: several values of one element that hold together, as ``8480-6$gt140``.

https://hl7.org/fhir/R4/search.html#composite. A value has one value for each component, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.expression import Typed, compiled
from gateway.fhir.matching.escapes import split
from gateway.fhir.r4.defined import Definition, definitions

Read = Callable[[str, Definition, str, str, int], Any]
Held = Callable[[str, Typed], list[Any]]
Matches = Callable[[str, Any, Any], bool]


def components(definition: Definition) -> list[Definition]:
    """The definitions of the parts, each with the expression that it has within this composite."""
    known = {row.id: row for row in definitions()[definition.type].values()}
    return [
        Definition(part.type, part.name, part.id, part.kind, expression, part.targets, (), part.system)
        for id_, expression in definition.components
        for part in (known[id_],)
    ]


def read(label: str, definition: Definition, text: str, now: int, reader: Read) -> tuple[Any, ...]:
    """A value as it was asked; ``reader`` reads a part of any kind. Raises ``Invalid``."""
    parts, texts = components(definition), split(text, "$")
    if len(parts) != len(texts) or not all(texts):
        raise Invalid(f"{label}: {'$'.join(part.name for part in parts)}")
    return tuple(reader(label, part, "", text, now) for part, text in zip(parts, texts))


def held(parts: Sequence[Definition], typed: Typed, of_kind: Held) -> list[list[Any]]:
    """What one element holds of each part; ``of_kind`` reads a value of any kind."""
    type_, element = typed
    if type(element) is not dict:
        return [[] for _ in parts]
    return [
        [value for inner in compiled(type_, part.expression)(element) for value in of_kind(part.kind, inner)]
        for part in parts
    ]


def matches(
    parts: Sequence[Definition], element: Sequence[Sequence[Any]], values: tuple[Any, ...], test: Matches
) -> bool:
    """Whether one element holds each part of what was asked; ``test`` compares a part of any kind."""
    return all(
        any(test(part.kind, inner, value) for inner in of_part) for part, of_part, value in zip(parts, element, values)
    )
