"""Tokens: a code, Coding, CodeableConcept, Identifier, ContactPoint or boolean.

https://hl7.org/fhir/R4/search.html#token. A value is (system, code): None means any, "" of a system means none.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.codes import tokens
from gateway.fhir.expression import Typed
from gateway.fhir.index import fold
from gateway.fhir.matching.escapes import split, unescape
from gateway.fhir.r4.defined import Definition

MODIFIERS = ("not", "text", "of-type")
Token = tuple[str | None, str | None]


def read(label: str, definition: Definition, modifier: str, text: str) -> Any:
    """A value as it was asked. A code alone is ``code``, ``|code`` or ``code`` of its own system, all the same. Raises
    ``Invalid``."""
    parts = [unescape(part) for part in split(text, "|")]
    if modifier == "text":
        return _words(label, unescape(text))
    if modifier == "of-type":
        if len(parts) != 3 or not all(parts[1:]):
            raise Invalid(f"{label}: system|code|value")
        return tuple(parts)
    if len(parts) > 2 or not any(parts):
        raise Invalid(f"{label}: code, |code, system| or system|code")
    if len(parts) == 1:
        return None, parts[0]
    return "" if parts[0] and parts[0] == definition.system else parts[0], parts[1] or None


def _words(label: str, text: str) -> str:
    words = fold(text)
    if not words:
        raise Invalid(label)
    return words


def matches(token: Any, value: Any, modifier: str) -> bool:
    """Whether one thing that a value holds is what was asked. ``not`` is the clause's, which asks of all values."""
    if modifier == "text":
        return f" {value}" in token
    if modifier == "of-type":
        system, code, number = value
        return token[1:] == (code, number) and system in ("", token[0])
    system, code = value
    return system in (None, token[0]) and code in (None, token[1])


def held(typed: Typed, modifier: str) -> list[Any]:
    """What a value holds as it is compared: (system, code) pairs, its words, or (system, code, value) of an identifier
    of a type. A ContactPoint's system is no code system, so its value is of none."""
    type_, value = typed
    if modifier == "text":
        return [f" {fold(words)}" for words in _told(value)]
    if modifier == "of-type":
        return _of_types(value)
    return [("", value.get("value", ""))] if type_ == "ContactPoint" else tokens(value)


def _told(value: Any) -> list[str]:
    """The words that stand beside a code."""
    if type(value) is not dict:
        return []
    inner = [*value.get("coding", ()), value.get("type", {})]
    words = [value.get("text"), value.get("display"), *(part.get("display", part.get("text")) for part in inner)]
    return [text for text in words if type(text) is str]


def _of_types(value: Any) -> list[tuple[str, str, Any]]:
    if type(value) is not dict:
        return []
    return [(system, code, value.get("value")) for system, code in tokens(value.get("type", {})) if code]


def order(typed: Typed) -> str:
    """What a value is sorted by: its words, else its code."""
    words = _told(typed[1])
    return fold(words[0]) if words else next((code for _, code in held(typed, "")), "").casefold()
