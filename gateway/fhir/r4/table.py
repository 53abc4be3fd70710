"""The R4 table read: types, their elements, and the formats of primitives. Everything that checks a resource reads it
here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

ID = r"[A-Za-z0-9\-.]{1,64}"
_YEAR = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_MONTH, _DAY = r"(0[1-9]|1[0-2])", r"(0[1-9]|[1-2][0-9]|3[0-1])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
STRINGS: dict[str, str | None] = {
    "id": rf"^{ID}\Z", "uri": r"^\S+\Z", "url": r"^\S+\Z", "canonical": r"^\S+\Z", "string": r"\S", "markdown": r"\S", "xhtml": None,
    "oid": r"^urn:oid:[0-2](\.(0|[1-9][0-9]*))+\Z", "uuid": r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z",
    "code": r"^[^\s]+( [^\s]+)*\Z", "base64Binary": r"^\s*+(?:[0-9a-zA-Z+/=]{4}\s*+)++\Z",
    "date": rf"^{_YEAR}(-{_MONTH}(-{_DAY})?)?\Z", "dateTime": rf"^{_YEAR}(-{_MONTH}(-{_DAY}(T{_CLOCK}{_ZONE})?)?)?\Z",
    "instant": rf"^{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}\Z", "time": rf"^{_CLOCK}\Z",
}  # fmt: skip
"""R4's patterns (datatypes page), closed with ``\\Z``: ``$`` would let a final newline pass. That of base64Binary
never goes back: as the page has it, a dozen spaces in the wrong places would keep it busy for ever."""
INTEGERS = {"integer": -2147483648, "unsignedInt": 0, "positiveInt": 1}
PRIMITIVES = frozenset({*STRINGS, *INTEGERS, "boolean", "decimal"})
PATTERNS = {name: re.compile(pattern) for name, pattern in STRINGS.items() if pattern}
DATED = frozenset({"date", "dateTime", "instant"})


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type. ``names`` maps each JSON name to its type: one, or one for each type of a choice
    (``valueQuantity``). ``is_summary`` and ``is_modifier`` are what R4's definition says."""

    name: str
    names: dict[str, str]
    is_required: bool
    is_many: bool
    codes: frozenset[str]
    targets: frozenset[str]
    is_summary: bool = False
    is_modifier: bool = False

    @property
    def is_choice(self) -> bool:
        return self.name.endswith("[x]")


@dataclass(frozen=True, slots=True)
class Type:
    """A resource, a complex type or a backbone of one."""

    name: str
    is_resource: bool
    elements: tuple[Element, ...]


@lru_cache(maxsize=1)
def types() -> dict[str, Type]:
    """Every type of R4 by name."""
    table = json.loads((files(__package__) / "types.json").read_text(encoding="utf-8"))
    codes = {name: frozenset(listed) for name, listed in table["codes"].items()}
    return {
        name: Type(name, bool(is_resource), tuple(_element(row, codes) for row in rows))
        for name, (is_resource, rows) in table["types"].items()
    }


def _element(row: list[Any], codes: dict[str, frozenset[str]]) -> Element:
    name, kinds, least, many, bound, targets, flags = row
    if name.endswith("[x]"):
        names = {name[:-3] + kind[0].upper() + kind[1:]: kind for kind in kinds}
    else:
        names = {name: kinds[0]}
    code_set, led = codes.get(bound, frozenset()), frozenset(targets)
    return Element(name, names, least > 0, bool(many), code_set, led, bool(flags & 1), bool(flags & 2))


@lru_cache(maxsize=1)
def resource_types() -> frozenset[str]:
    """The names of all resource types."""
    return frozenset(name for name, type_ in types().items() if type_.is_resource)
