"""Qualifiers, the XML beside an observation: certainty, negation and subject change what it says; the rest is
detail."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from xml.etree import ElementTree

from gateway.errors import Invalid
from mappings.vocabulary import code_table

LIMIT = 16_000
"""Characters; the column holds 8,000."""
STRONGEST_FIRST = (
    "not-family", "refuted", "family", "contraindicated", "declined", "not-given", "planned",
    "uncertain", "suspected", "resolved", "history", "confirmed",
)  # fmt: skip
"""The order in which senses win when qualifiers give several: the most negative first."""
DENIES = frozenset({"refuted", "contraindicated", "declined", "not-given", "planned"})


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """What the qualifiers of one observation say. ``details`` by target (severity, site, batch…); ``notes`` are those
    no table knows; ``words`` are those that give the sense, as written. ``is_mixed``: they give several, of which
    ``sense`` is only one."""

    sense: str = ""
    details: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    words: str = ""
    is_mixed: bool = False


NONE = Qualifiers()


def qualifiers(text: str) -> Qualifiers:
    """Return what the column says. Text that is not XML is a note.

    Raises ``Invalid("column Qualifiers")`` for XML that is broken or declares entities: half a qualifier may be the
    half that says "not".
    """
    return _qualifiers(text.strip()) if text else NONE


@lru_cache(maxsize=8192)
def _qualifiers(text: str) -> Qualifiers:
    if not text.startswith("<"):
        return Qualifiers(notes=(text,)) if text else NONE
    if len(text) > LIMIT or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Invalid("column Qualifiers")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        raise Invalid("column Qualifiers") from None
    senses, details, notes, words = [], {}, [], []
    for item in root.iter("item"):
        key, value = _words(item.find("key")), _words(item.find("value"))
        row = _row(key.casefold(), value.casefold())
        said = f"{key}: {value}" if key and value else key or value
        if row is None:
            notes.append(said)
            continue
        if row["sense"]:
            senses.append(row["sense"])
            words.append(said)
        if row["target"]:
            details[row["target"]] = value
    if "family" in senses and DENIES.intersection(senses):
        senses.append("not-family")  # a relative without the illness says nothing about the patient
    strongest = next((sense for sense in STRONGEST_FIRST if sense in senses), "")
    return Qualifiers(strongest, details, tuple(note for note in notes if note), "; ".join(words), len(set(senses)) > 1)


def _words(element: ElementTree.Element | None) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _row(key: str, value: str) -> dict[str, str] | None:
    """The first row of the table whose key and value match, whole."""
    for row in code_table(__package__, "codes_qualifier"):
        if re.fullmatch(row["key"], key) and (not row["value"] or re.fullmatch(row["value"], value)):
            return row
    return None
