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
Matches = Callable[[str, Typed, Any], bool]


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


def matches(parts: Sequence[Definition], typed: Typed, values: tuple[Any, ...], test: Matches) -> bool:
    """Whether one element holds each part of what was asked; ``test`` compares a part of any kind."""
    type_, element = typed
    return type(element) is dict and all(
        any(test(part.kind, held, value) for held in compiled(type_, part.expression)(element))
        for part, value in zip(parts, values)
    )
