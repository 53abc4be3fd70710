"""URIs: found whole, to the letter. https://hl7.org/fhir/R4/search.html#uri."""

from __future__ import annotations

from gateway.fhir.expression import Typed
from gateway.fhir.matching.escapes import unescape
from gateway.fhir.r4.defined import Definition

MODIFIERS: tuple[str, ...] = ()


def read(_label: str, _definition: Definition, _modifier: str, text: str) -> str:
    """A value as it was asked."""
    return unescape(text)


def held(typed: Typed, _modifier: str) -> list[str]:
    """What a URI is found by: itself, and itself without its fragment or its version."""
    uri = typed[1]
    return [uri, uri.partition("#")[0], uri.partition("|")[0]] if type(uri) is str else []


def matches(uri: str, value: str, _modifier: str) -> bool:
    """Whether a URI is what was asked."""
    return uri == value


def order(typed: Typed) -> str:
    """What a value is sorted by."""
    return str(typed[1])
