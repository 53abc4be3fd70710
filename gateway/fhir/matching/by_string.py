"""Strings: a text, or any part of a name or an address, without accents, case or punctuation.

https://hl7.org/fhir/R4/search.html#string. A value is (folded text, the text itself).
"""

from __future__ import annotations

from gateway.errors import Invalid
from gateway.fhir.expression import Typed
from gateway.fhir.index import fold
from gateway.fhir.matching.escapes import unescape
from gateway.fhir.r4.defined import Definition

MODIFIERS = ("exact", "contains")
PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
"""The parts of which any one is found."""
Words = tuple[str, str]


def read(label: str, _definition: Definition, _modifier: str, text: str) -> Words:
    """A value as it was asked. Raises ``Invalid`` for one without a letter or digit."""
    words = unescape(text)
    if not fold(words):
        raise Invalid(label)
    return fold(words), words


def held(typed: Typed, modifier: str) -> list[str]:
    """The texts of a value as they are compared."""
    return texts(typed) if modifier == "exact" else [fold(text) for text in texts(typed)]


def matches(text: str, value: Words, modifier: str) -> bool:
    """Whether a text begins with what was asked, contains it or is just that."""
    folded, exact = value
    match modifier:
        case "exact":
            return exact == text
        case "contains":
            return folded in text
    return text.startswith(folded)


def texts(typed: Typed) -> list[str]:
    """The texts of a value."""
    type_, value = typed
    if type(value) is str:
        return [value]
    held = [value.get(name) for name in PARTS.get(type_, ())] if type(value) is dict else []
    listed = [text for part in held for text in (part if type(part) is list else [part])]
    return [text for text in listed if type(text) is str]


def order(typed: Typed) -> str:
    """What a value is sorted by."""
    return " ".join(map(fold, texts(typed)))
