"""What each action changes in a decoded value. What it may not keep becomes ``UNSET``, and its path is counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import UNSET

from gateway.fhir.codes import UCUM
from gateway.fhir.r4 import table
from gateway.nhs.identifiers import is_valid
from gateway.nhs.pseudonym import known_codes
from gateway.nhs.pseudonym.districts import outward
from gateway.nhs.pseudonym.policy import Leaf
from gateway.nhs.pseudonym.shapes import Coding, Concept, Period, Quantity, Reference

NUMBER = re.compile(rb"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
"""The grammar of a JSON number: decimals are passed on as they were written, so they are looked at."""
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}")


class Subject(Protocol):
    """What an action needs to know about the person. ``references`` caches the result of each reference."""

    references: dict[bytes, bytes]
    is_ninety: bool
    district: str

    def pseudonym(self, text: bytes) -> bytes: ...

    def cut(self, written: bytes, action: str) -> bytes: ...

    def target(self, target: str) -> bytes | None: ...

    def is_rare(self, code: str) -> bool: ...


Drops = list[str]
Change = Callable[[Any, Subject, Drops, str], object]
"""A function from a decoded value to the value that leaves; ``UNSET`` if nothing leaves."""


def of_each(change: Change) -> Change:
    def change_all(values: list[Any], subject: Subject, drops: Drops, path: str) -> object:
        changed = (change(value, subject, drops, path) for value in values)
        return [value for value in changed if value is not UNSET] or UNSET

    return change_all


def same(value: object, subject: Subject, drops: Drops, path: str) -> object:
    return value


def whole(value: object, subject: Subject, drops: Drops, path: str) -> object:
    if is_valid(str(value)):
        drops.append(f"{path}: could be an NHS number")
        return UNSET
    return value


def _decimal(value: object, subject: Subject, drops: Drops, path: str) -> object:
    written = bytes(value)  # type: ignore[call-overload]
    if not NUMBER.fullmatch(written):
        drops.append(f"{path}: not as R4 has it")
        return UNSET
    if is_valid(written.decode().partition(".")[0]):
        drops.append(f"{path}: could be an NHS number")
        return UNSET
    return value


def _coding(value: Coding, subject: Subject, drops: Drops, path: str) -> object:
    if value.code is not UNSET and value.system is not UNSET:
        if not known_codes.is_national(value.system):
            drops.append(f"{path}: not a code of a national system")
            return UNSET
        if known_codes.is_code(value.system, value.code):
            if known_codes.could_be_number(value.system, value.code):
                drops.append(f"{path}: could be an NHS number")
            elif not path.startswith("Patient.") and subject.is_rare(f"{value.system} {value.code}"):
                drops.append(f"{path}: held by few people")
            else:
                return value
            return UNSET
        drops.append(f"{path}: not what a code of its system looks like")
        return UNSET
    drops.append(f"{path}: not a code of a national system")
    return UNSET


def concept(value: Concept, subject: Subject, drops: Drops, path: str) -> object:
    if value.coding is UNSET:
        return UNSET
    value.coding = [coding for coding in value.coding if _coding(coding, subject, drops, f"{path}.coding") is not UNSET]
    return value if value.coding else UNSET


def _quantity(value: Quantity, subject: Subject, drops: Drops, path: str) -> object:
    if value.value is UNSET or _decimal(value.value, subject, drops, f"{path}.value") is UNSET:
        return UNSET
    if value.system is not UNSET or value.code is not UNSET:
        is_ucum = value.system == UCUM and value.code is not UNSET and known_codes.is_code(UCUM, value.code)
        if not is_ucum:
            value.system = value.code = UNSET
            drops.append(f"{path}.code: not UCUM")
    return value


def _quantities(*names: str, needed: int = 1) -> Change:
    """A value of two quantities leaves whole or not at all: half a ratio is none, and half a range says something
    else."""

    def change(value: object, subject: Subject, drops: Drops, path: str) -> object:
        for name in names:
            quantity = getattr(value, name)
            if quantity is not UNSET and _quantity(quantity, subject, drops, f"{path}.{name}") is UNSET:
                return UNSET
        return value if sum(getattr(value, name) is not UNSET for name in names) >= needed else UNSET

    return change


def _reference(value: Reference, subject: Subject, drops: Drops, path: str) -> object:
    target = value.reference
    if target is UNSET:
        return UNSET
    parts = _REFERENCE.fullmatch(target)
    pseudonym = subject.target(target) if parts else None
    if not parts or pseudonym is None:
        drops.append(f"{path}: out of the release")
        return UNSET
    value.reference = f"{parts[1]}/{pseudonym.decode()}"
    return value


def dated(leaf: Leaf) -> Change:
    def date(value: str, subject: Subject, drops: Drops, path: str) -> object:
        if not table.PATTERNS["dateTime"].match(value):
            drops.append(f"{path}: not as R4 has it")
            return UNSET
        return subject.cut(value.encode(), leaf.action).decode()

    def period(value: Period, subject: Subject, drops: Drops, path: str) -> object:
        for name in ("start", "end"):
            written = getattr(value, name)
            if written is not UNSET:
                setattr(value, name, date(written, subject, drops, f"{path}.{name}"))
        return value if value.start is not UNSET or value.end is not UNSET else UNSET

    return period if leaf.kind == "Period" else date


def _birth_year(value: str, subject: Subject, drops: Drops, path: str) -> object:
    if subject.is_ninety:
        drops.append(f"{path}: ninety or over")
        return UNSET
    return value[:4] if table.PATTERNS["date"].match(value) else UNSET


def _outward(value: str, subject: Subject, drops: Drops, path: str) -> object:
    """The outward half of the one postcode that leaves of a person."""
    if not subject.district or outward(value) != subject.district:
        drops.append(f"{path}: not the one district that leaves of a person")
        return UNSET
    return subject.district


CHANGES: dict[tuple[str, str], Change] = {
    ("keep", "boolean"): same,
    ("keep", "decimal"): _decimal,
    ("code-only", "Coding"): _coding,
    ("code-only", "CodeableConcept"): concept,
    **{("quantity", kind): _quantity for kind in ("Quantity", "Age", "Count", "Distance", "Duration")},
    ("quantity", "Range"): _quantities("low", "high"),
    ("quantity", "Ratio"): _quantities("numerator", "denominator", needed=2),
    ("reference", "Reference"): _reference,
    ("birth-year", "date"): _birth_year,
    ("outward-postcode", "string"): _outward,
}
