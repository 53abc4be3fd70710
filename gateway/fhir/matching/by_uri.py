"""URIs: found whole, to the letter. https://hl7.org/fhir/R4/search.html#uri."""

from __future__ import annotations

from gateway.fhir.expression import Typed
from gateway.fhir.matching.escapes import unescape
from gateway.fhir.r4.defined import Definition

MODIFIERS: tuple[str, ...] = ()


def read(_label: str, _definition: Definition, _modifier: str, text: str) -> str:
    """A value as it was asked."""
    return unescape(text)


def matches(typed: Typed, value: str, _modifier: str) -> bool:
    """Whether a URI is what was asked, or is that with a fragment or a version of its own."""
    held = typed[1]
    return type(held) is str and value in (held, held.partition("#")[0], held.partition("|")[0])


def order(typed: Typed) -> str:
    """What a value is sorted by."""
    return str(typed[1])
