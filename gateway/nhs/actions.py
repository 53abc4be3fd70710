"""What each action makes of an element: a type that declares only what stays, and what is changed in it.

``compile_element`` turns a line of the policy into a function from an element's JSON to the JSON that leaves and the
paths of what was left out. Decoding into types that do not declare it is what drops an element; nobody has to remember
to.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.fhir.codes import UCUM
from gateway.fhir.r4 import table
from gateway.nhs.identifiers import is_valid
from gateway.nhs.policy import DATES, EXTENSION_ACTIONS, Branch, Leaf

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+\-]{0,63}")
_OPCS = re.compile(r"[A-Z]\d{2}[.0-9]{0,3}")
NATIONAL = {
    "http://snomed.info/sct": re.compile(r"[1-9]\d{5,17}"),
    "https://dmd.nhs.uk": re.compile(r"[1-9]\d{5,17}"),
    "http://loinc.org": re.compile(r"\d{1,7}-\d"),
    "http://hl7.org/fhir/sid/icd-10": re.compile(r"[A-Z]\d{2}[A-Z0-9.+*]{0,5}"),
    "https://fhir.hl7.org.uk/Id/opcs-4": _OPCS,
    "https://fhir.hl7.org.uk/CodeSystem/OPCS-4": _OPCS,
    "http://read.info/": re.compile(r"[A-Za-z0-9.]{2,7}"),
    UCUM: re.compile(r"[!-~]{1,64}"),
    "http://terminology.hl7.org/CodeSystem/": _WORD,
    "http://hl7.org/fhir/": _WORD,
    "https://fhir.hl7.org.uk/CodeSystem/": _WORD,
    "https://fhir.nhs.uk/CodeSystem/": _WORD,
    "urn:nhs-record-gateway:cld:": re.compile(r"\S+( \S+)*"),
}
"""Systems whose codes may leave, and what a code of them looks like; a local system's codes are the site's own words.
The last holds values of DHSC's lists only: the mapping writes no other. The first that fits a system judges."""
_TAIL = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""What may follow where only the beginning of a system is named above."""
_CHECKED = frozenset({"http://snomed.info/sct", "https://dmd.nhs.uk"})
"""Systems whose codes end in a digit that Verhoeff's check holds together: one in ten NHS numbers could be such a
code, the others cannot."""
NUMBER = re.compile(rb"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
"""The grammar of a JSON number: decimals are passed on as they were written, so they are looked at."""
MASKED = b'{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}'
_POSTCODE = re.compile(r"([A-Z]{1,2}\d[A-Z\d]?)\d[A-Z]{2}")
_MOMENT = rb'"(\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d[0-9:.]*(?:Z|[+\-]\d\d:\d\d))?)?)?)"'
_DATE, _PERIOD = re.compile(_MOMENT), re.compile(rb'\{"start":%s,"end":%s\}' % (_MOMENT, _MOMENT))
_PLAIN_REFERENCE = re.compile(rb'\{"reference":"(([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64})"\}')
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}")


class Subject(Protocol):
    """What an action asks of the person whose resource it is. ``references`` remembers what each became."""

    references: dict[bytes, bytes]
    is_ninety: bool

    def pseudonym(self, text: bytes) -> bytes: ...

    def cut(self, written: bytes, action: str) -> bytes: ...

    def is_member(self, target: str) -> bool: ...


Made = tuple[bytes | None, tuple[str, ...]]
"""What leaves of an element (None: nothing), and the paths of what does not."""
Drops = list[str]
Change = Callable[[object, Subject, Drops, str], object]
"""From a decoded value to what leaves of it, ``UNSET`` for nothing."""
Shape = Mapping[str, "Shape | None"]
"""The JSON names that stay, level by level; None: a value."""


class Coding(Struct, gc=False):
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class Concept(Struct, gc=False):
    coding: list[Coding] | UnsetType = UNSET


class Quantity(Struct, gc=False):
    value: Raw | UnsetType = UNSET
    comparator: Literal["<", "<=", ">=", ">"] | UnsetType = UNSET
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class Range(Struct, gc=False):
    low: Quantity | UnsetType = UNSET
    high: Quantity | UnsetType = UNSET


class Ratio(Struct, gc=False):
    numerator: Quantity | UnsetType = UNSET
    denominator: Quantity | UnsetType = UNSET


class Reference(Struct, gc=False):
    reference: str | UnsetType = UNSET


class Period(Struct, gc=False):
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET


class Extension(Struct, gc=False):
    url: str
    valueCodeableConcept: Concept | UnsetType = UNSET
    valueBoolean: bool | UnsetType = UNSET
    valueDate: str | UnsetType = UNSET


_QUANTITY: Shape = dict.fromkeys(("value", "comparator", "system", "code"))
_CODING: Shape = {"system": None, "code": None}
_SHAPES: dict[str, Shape] = {
    "Coding": _CODING,
    "CodeableConcept": {"coding": _CODING},
    "Reference": {"reference": None},
    "Period": {"start": None, "end": None},
    "Range": {"low": _QUANTITY, "high": _QUANTITY},
    "Ratio": {"numerator": _QUANTITY, "denominator": _QUANTITY},
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _QUANTITY),
}
_TYPES: dict[str, type] = {
    "Coding": Coding, "CodeableConcept": Concept, "Reference": Reference, "Period": Period, "Range": Range, "Ratio": Ratio,
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), Quantity), "boolean": bool, "decimal": Raw,
}  # fmt: skip

_encode = msgspec.json.Encoder().encode
_plain = msgspec.json.Decoder().decode


def is_personal(node: Branch | Leaf) -> bool:
    """Whether what leaves depends on whose it is: dates and references do, codes and numbers do not."""
    if isinstance(node, Leaf):
        return node.action in ("reference", "birth-year", *DATES)
    return any(is_personal(below) for below in node.below.values())


def compile_element(path: str, node: Branch | Leaf) -> Callable[[bytes, Subject], Made]:
    """A function from an element's JSON to what leaves of it and the paths of what does not."""
    kind, shape, change = _one(node, path)
    quick = _quick(path, node)
    decode = msgspec.json.Decoder(list[kind] if node.is_many else kind).decode  # type: ignore[valid-type]
    changed = _each(change) if node.is_many else change

    def make(raw: bytes, subject: Subject) -> Made:
        if quick is not None and (made := quick(raw, subject)) is not None:
            return made
        drops: Drops = []
        try:
            found = changed(decode(raw), subject, drops, path)
        except msgspec.MsgspecError:
            return None, (f"{path}: not as R4 has it",)
        if shape is not None:
            _left_out(_plain(raw), shape, path, drops)
        return (None if found is UNSET else _encode(found)), tuple(drops)

    return make


def compile_extensions(path: str, allowed: Mapping[str, str]) -> Callable[[bytes, Subject], Made]:
    """The same for a list of extensions: those of a known URL with the value its action is for stay, others are
    counted."""
    decode = msgspec.json.Decoder(list[Raw]).decode
    one = msgspec.json.Decoder(Extension).decode
    changes: dict[str, Change] = {
        "valueCodeableConcept": _concept, "valueBoolean": _same, "valueDate": _dated(Leaf("by-setting", "date", False, False)),
    }  # type: ignore[dict-item]  # fmt: skip

    def make(raw: bytes, subject: Subject) -> Made:
        drops: Drops = []
        kept = []
        for each in decode(raw):
            try:
                found = one(each)
            except msgspec.MsgspecError:
                drops.append(path)
                continue
            name = EXTENSION_ACTIONS.get(allowed.get(found.url, ""), "")
            value = getattr(found, name) if name else UNSET
            if value is not UNSET:
                value = changes[name](value, subject, drops, f"{path}.{name}")
            if value is UNSET:
                drops.append(path)
                continue
            kept.append({"url": found.url, name: value})
            shape = {"url": None, name: _SHAPES["CodeableConcept"] if name == "valueCodeableConcept" else None}
            _left_out(_plain(each), shape, path, drops)
        return (_encode(kept) if kept else None), tuple(drops)

    return make


def _quick(path: str, node: Branch | Leaf) -> Callable[[bytes, Subject], Made | None] | None:
    """The same without decoding, for dates, periods and references written plainly, which nearly all are; it answers
    None for others."""
    if isinstance(node, Branch) or node.is_many or not (node.action in DATES or node.action == "reference"):
        return None
    action, outside = node.action, (f"{path}: out of the release",)

    def date(raw: bytes, subject: Subject) -> Made | None:
        found = _DATE.fullmatch(raw)
        return None if found is None else (b'"%s"' % subject.cut(found[1], action), ())

    def period(raw: bytes, subject: Subject) -> Made | None:
        found = _PERIOD.fullmatch(raw)
        if found is None:
            return None
        return b'{"start":"%s","end":"%s"}' % (subject.cut(found[1], action), subject.cut(found[2], action)), ()

    def reference(raw: bytes, subject: Subject) -> Made | None:
        found = _PLAIN_REFERENCE.fullmatch(raw)
        if found is None:
            return None
        if not subject.is_member(found[1].decode()):
            return None, outside
        made = subject.references[raw] = b'{"reference":"%s/%s"}' % (found[2], subject.pseudonym(found[1]))
        return made, ()

    return {"Reference": reference, "Period": period}.get(node.kind, date)


def _one(node: Branch | Leaf, path: str) -> tuple[type, Shape | None, Change]:
    """The type an element decodes into, the names that stay in it, and what is changed."""
    if isinstance(node, Branch):
        return _branch(node, path)
    if node.kind in table.INTEGERS:
        return int, None, _whole
    if node.codes:
        return Literal[tuple(sorted(node.codes))], None, _same  # type: ignore[return-value]
    return (
        _TYPES.get(node.kind, str),
        _SHAPES.get(node.kind),
        CHANGES[node.action, node.kind] if node.action not in DATES else _dated(node),
    )


def _branch(node: Branch, path: str) -> tuple[type, Shape, Change]:
    fields, rename, changes, shape = [], {}, [], {}
    for name, below in node.below.items():
        kind, inner, change = _one(below, f"{path}.{name}")
        attribute = f"{name}_" if keyword.iskeyword(name) else name
        rename[attribute] = name
        values: Any = list[kind] if below.is_many else kind  # type: ignore[valid-type]
        fields.append((attribute, values | UnsetType, UNSET))
        changes.append((attribute, f"{path}.{name}", _each(change) if below.is_many else change))
        shape[name] = inner
    must = [names & node.below.keys() for names in node.must]
    made = msgspec.defstruct(node.kind, fields, rename=rename, gc=False)

    def change(value: object, subject: Subject, drops: Drops, path: str) -> object:
        is_empty = True
        for attribute, below, inner in changes:
            given = getattr(value, attribute)
            if given is not UNSET:
                found = inner(given, subject, drops, below)
                setattr(value, attribute, found)
                is_empty = is_empty and found is UNSET
        missing = [
            names
            for names in must
            if all(getattr(value, f"{n}_" if keyword.iskeyword(n) else n) is UNSET for n in names)
        ]
        if is_empty or missing:
            drops.append(f"{path}: incomplete")
            return UNSET
        return value

    return made, shape, change


def _each(change: Change) -> Change:
    def change_all(values: object, subject: Subject, drops: Drops, path: str) -> object:
        changed = (change(value, subject, drops, path) for value in values)  # type: ignore[attr-defined]
        return [value for value in changed if value is not UNSET] or UNSET

    return change_all


def _left_out(value: object, shape: Shape, path: str, drops: Drops) -> None:
    """Add the path of every name that the types did not declare."""
    if isinstance(value, list):
        for each in value:
            _left_out(each, shape, path, drops)
    elif isinstance(value, dict):
        for name, below in value.items():
            if name not in shape:
                drops.append(f"{path}.{name}")
            elif shape[name] is not None:
                _left_out(below, shape[name], f"{path}.{name}", drops)


def _same(value: object, subject: Subject, drops: Drops, path: str) -> object:
    return value


def _whole(value: object, subject: Subject, drops: Drops, path: str) -> object:
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
        pattern = next((code for system, code in NATIONAL.items() if _is_of(value.system, system)), None)
        if pattern is not None and pattern.fullmatch(value.code):
            if not is_valid(value.code) or (value.system in _CHECKED and _holds(value.code)):
                return value
            drops.append(f"{path}: could be an NHS number")
            return UNSET
    drops.append(f"{path}: not a code of a national system")
    return UNSET


def _is_of(given: str, system: str) -> bool:
    """Whether a system is the one named, or of those whose beginning is."""
    return given == system or (
        system[-1] in "/:" and given.startswith(system) and _TAIL.fullmatch(given, len(system)) is not None
    )


def _holds(code: str) -> bool:
    """Verhoeff's check, by which SNOMED CT and dm+d ids end: the symmetries of a pentagon, a permutation by place.

    >>> _holds("271649006"), _holds("271649007")
    (True, False)
    """
    check = 0
    for place, digit in enumerate(reversed(code)):
        number = int(digit)
        for _ in range(place % 8):
            number = _PERMUTED[number]
        turned = check % 5 + (-number if check > 4 else number)
        check = turned % 5 + (5 if (check > 4) != (number > 4) else 0)
    return check == 0


_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _concept(value: Concept, subject: Subject, drops: Drops, path: str) -> object:
    if value.coding is UNSET:
        return UNSET
    value.coding = [each for each in value.coding if _coding(each, subject, drops, f"{path}.coding") is not UNSET]
    return value if value.coding else UNSET


def _quantity(value: Quantity, subject: Subject, drops: Drops, path: str) -> object:
    if value.value is UNSET or _decimal(value.value, subject, drops, f"{path}.value") is UNSET:
        return UNSET
    if value.system is not UNSET or value.code is not UNSET:
        is_ucum = value.system == UCUM and value.code is not UNSET and NATIONAL[UCUM].fullmatch(value.code)
        if not is_ucum:
            value.system = value.code = UNSET
            drops.append(f"{path}.code: not UCUM")
    return value


def _quantities(*names: str) -> Change:
    def change(value: object, subject: Subject, drops: Drops, path: str) -> object:
        for name in names:
            given = getattr(value, name)
            if given is not UNSET:
                setattr(value, name, _quantity(given, subject, drops, f"{path}.{name}"))
        return value if any(getattr(value, name) is not UNSET for name in names) else UNSET

    return change


def _reference(value: Reference, subject: Subject, drops: Drops, path: str) -> object:
    target = value.reference
    if target is UNSET:
        return UNSET
    found = _REFERENCE.fullmatch(target)
    if not found or not subject.is_member(target):
        drops.append(f"{path}: out of the release")
        return UNSET
    value.reference = f"{found[1]}/{subject.pseudonym(target.encode()).decode()}"
    return value


def _dated(leaf: Leaf) -> Change:
    def date(value: str, subject: Subject, drops: Drops, path: str) -> object:
        if not table.PATTERNS["dateTime"].match(value):
            drops.append(f"{path}: not as R4 has it")
            return UNSET
        return subject.cut(value.encode(), leaf.action).decode()

    def period(value: Period, subject: Subject, drops: Drops, path: str) -> object:
        for name in ("start", "end"):
            given = getattr(value, name)
            if given is not UNSET:
                setattr(value, name, date(given, subject, drops, f"{path}.{name}"))
        return value if value.start is not UNSET or value.end is not UNSET else UNSET

    return period if leaf.kind == "Period" else date  # type: ignore[return-value]


def _birth_year(value: str, subject: Subject, drops: Drops, path: str) -> object:
    if subject.is_ninety:
        drops.append(f"{path}: ninety or over")
        return UNSET
    return value[:4] if table.PATTERNS["date"].match(value) else UNSET


def _outward(value: str, subject: Subject, drops: Drops, path: str) -> object:
    """The outward half of a whole postcode: a part of one does not leave, and none is made up."""
    found = _POSTCODE.fullmatch(value.replace(" ", "").upper())
    if found is None:
        drops.append(f"{path}: not a whole postcode")
        return UNSET
    return found[1]


CHANGES: dict[tuple[str, str], Change] = {
    ("keep", "boolean"): _same,
    ("keep", "decimal"): _decimal,
    ("code-only", "Coding"): _coding,
    ("code-only", "CodeableConcept"): _concept,
    **{("quantity", kind): _quantity for kind in ("Quantity", "Age", "Count", "Distance", "Duration")},
    ("quantity", "Range"): _quantities("low", "high"),
    ("quantity", "Ratio"): _quantities("numerator", "denominator"),
    ("reference", "Reference"): _reference,
    ("birth-year", "date"): _birth_year,
    ("outward-postcode", "string"): _outward,
}  # type: ignore[dict-item]
