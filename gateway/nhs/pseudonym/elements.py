"""Lines of the policy as functions: a type that declares only what stays, and what is changed in it.

``compile_element`` turns a line of the policy into a function from an element's JSON to the JSON that leaves and the
paths of what was left out. Decoding into types that do not declare it is what drops an element; nobody has to remember
to.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.fhir.r4 import table
from gateway.nhs.pseudonym.actions import CHANGES, Change, Drops, Subject, concept, dated, of_each, same, whole
from gateway.nhs.pseudonym.policy import DATES, EXTENSION_ACTIONS, Branch, Leaf
from gateway.nhs.pseudonym.shapes import SHAPES, TYPES, Coding, Concept, Extension, Shape

Made = tuple[bytes | None, tuple[str, ...]]
"""The part of an element that leaves (None: nothing), and the paths that were dropped."""
ABSENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_MOMENT = rb'"(\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d[0-9:.]*(?:Z|[+\-]\d\d:\d\d))?)?)?)"'
_DATE, _PERIOD = re.compile(_MOMENT), re.compile(rb'\{"start":%s,"end":%s\}' % (_MOMENT, _MOMENT))
_PLAIN_REFERENCE = re.compile(rb'\{"reference":"(([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64})"\}')
_encode = msgspec.json.Encoder().encode
_plain = msgspec.json.Decoder().decode


def has_codes(node: Branch | Leaf) -> bool:
    """Whether codes of national systems may leave in an element."""
    if isinstance(node, Leaf):
        return node.action == "code-only"
    return any(map(has_codes, node.below.values()))


def is_personal(node: Branch | Leaf) -> bool:
    """Whether the result depends on the person: it does for dates and references, not for codes and numbers."""
    if isinstance(node, Leaf):
        return node.action in ("reference", "birth-year", "outward-postcode", *DATES)
    return any(is_personal(below) for below in node.below.values())


def compile_element(path: str, node: Branch | Leaf) -> Callable[[bytes, Subject], Made]:
    """A function from an element's JSON to what leaves of it and the paths of what does not."""
    kind, shape, change = _one(node, path)
    quick = _quick(path, node)
    type_: Any = list[kind] if node.is_many else kind  # type: ignore[valid-type]
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(type_).decode
    most = 1 if path.endswith(".address") else None
    change_all = of_each(change) if node.is_many else change

    def make(raw: bytes, subject: Subject) -> Made:
        if quick is not None and (quickly := quick(raw, subject)) is not None:
            return quickly
        drops: Drops = []
        try:
            leaving = change_all(decode(raw), subject, drops, path)
        except msgspec.MsgspecError:
            return None, (f"{path}: not as R4 has it",)
        if shape is not None:
            _left_out(_plain(raw), shape, path, drops)
        if most and isinstance(leaving, list):
            leaving = leaving[:most]
        return (None if leaving is UNSET else _encode(leaving)), tuple(drops)

    return make


def compile_extensions(path: str, allowed: Mapping[str, str]) -> Callable[[bytes, Subject], Made]:
    """The same for a list of extensions: those of a known URL with the value its action is for stay, others are
    counted."""
    decode = msgspec.json.Decoder(list[Raw]).decode
    decode_one = msgspec.json.Decoder(Extension).decode
    changes: dict[str, Change] = {
        "valueCodeableConcept": concept, "valueBoolean": same, "valueDate": dated(Leaf("by-setting", "date", False, False)),
    }  # fmt: skip

    def make(raw: bytes, subject: Subject) -> Made:
        drops: Drops = []
        kept = []
        for element in decode(raw):
            try:
                extension = decode_one(element)
            except msgspec.MsgspecError:
                drops.append(path)
                continue
            name = EXTENSION_ACTIONS.get(allowed.get(extension.url, ""), "")
            value = getattr(extension, name) if name else UNSET
            if value is not UNSET:
                value = changes[name](value, subject, drops, f"{path}.{name}")
            if value is UNSET:
                drops.append(path)
                continue
            kept.append({"url": extension.url, name: value})
            shape = {"url": None, name: SHAPES["CodeableConcept"] if name == "valueCodeableConcept" else None}
            _left_out(_plain(element), shape, path, drops)
        return (_encode(kept) if kept else None), tuple(drops)

    return make


def _quick(path: str, node: Branch | Leaf) -> Callable[[bytes, Subject], Made | None] | None:
    """The same without decoding, for dates, periods and references written plainly, which nearly all are; it answers
    None for others."""
    if isinstance(node, Branch) or node.is_many or not (node.action in DATES or node.action == "reference"):
        return None
    action, outside = node.action, (f"{path}: out of the release",)

    def date(raw: bytes, subject: Subject) -> Made | None:
        parts = _DATE.fullmatch(raw)
        return None if parts is None else (b'"%s"' % subject.cut(parts[1], action), ())

    def period(raw: bytes, subject: Subject) -> Made | None:
        parts = _PERIOD.fullmatch(raw)
        if parts is None:
            return None
        return b'{"start":"%s","end":"%s"}' % (subject.cut(parts[1], action), subject.cut(parts[2], action)), ()

    def reference(raw: bytes, subject: Subject) -> Made | None:
        parts = _PLAIN_REFERENCE.fullmatch(raw)
        if parts is None:
            return None
        pseudonym = subject.target(parts[1].decode())
        if pseudonym is None:
            return None, outside
        leaving = subject.references[raw] = b'{"reference":"%s/%s"}' % (parts[2], pseudonym)
        return leaving, ()

    return {"Reference": reference, "Period": period}.get(node.kind, date)


def _one(node: Branch | Leaf, path: str) -> tuple[type, Shape | None, Change]:
    """The type an element decodes into, the names that stay in it, and what is changed."""
    if isinstance(node, Branch):
        return _branch(node, path)
    if node.kind in table.INTEGERS:
        return int, None, whole
    if node.codes:
        return Literal[tuple(sorted(node.codes))], None, same  # type: ignore[return-value]
    return (
        TYPES.get(node.kind, str),
        SHAPES.get(node.kind),
        CHANGES[node.action, node.kind] if node.action not in DATES else dated(node),
    )


def _branch(node: Branch, path: str) -> tuple[type, Shape, Change]:
    fields: list[Any] = []
    rename, changes, shape = {}, [], {}
    values_of = _values(node.kind)
    for name, below in node.below.items():
        kind, inner, change = _one(below, f"{path}.{name}")
        attribute = f"{name}_" if keyword.iskeyword(name) else name
        rename[attribute] = name
        values: Any = list[kind] if below.is_many else kind  # type: ignore[valid-type]
        fields.append((attribute, values | UnsetType, UNSET))
        changes.append((attribute, f"{path}.{name}", of_each(change) if below.is_many else change))
        shape[name] = inner
    hidden = [(name, Raw | UnsetType, UNSET) for name in values_of - node.below.keys()]
    reason = [("dataAbsentReason", Concept | UnsetType, UNSET)] if values_of - node.below.keys() else []
    fields += hidden + [field for field in reason if "dataAbsentReason" not in node.below]
    must = [names & node.below.keys() for names in node.must]
    declared = msgspec.defstruct(node.kind, fields, rename=rename, gc=False)

    def change_below(value: object, subject: Subject, drops: Drops, path: str) -> object:
        is_empty, had_value = True, any(getattr(value, name) is not UNSET for name in values_of)
        for name, _, _ in hidden:
            setattr(value, name, UNSET)
        for attribute, below, inner in changes:
            written = getattr(value, attribute)
            if written is not UNSET:
                changed = inner(written, subject, drops, below)
                setattr(value, attribute, changed)
                is_empty = is_empty and changed is UNSET
        if had_value and _is_without_value(value, values_of):
            value.dataAbsentReason = Concept([Coding(ABSENT_SYSTEM, "masked")])  # type: ignore[attr-defined]
            is_empty = False
        missing = [
            names
            for names in must
            if all(getattr(value, f"{n}_" if keyword.iskeyword(n) else n) is UNSET for n in names)
        ]
        if is_empty or missing:
            drops.append(f"{path}: incomplete")
            return UNSET
        return value

    return declared, shape, change_below


def _values(kind: str) -> frozenset[str]:
    """The names of the value of a type that may say why it has none (a component of an Observation)."""
    elements = table.types()[kind].elements if kind in table.types() else ()
    if not any("dataAbsentReason" in element.names for element in elements):
        return frozenset()
    return frozenset(name for element in elements if "valueQuantity" in element.names for name in element.names)


def _is_without_value(value: object, names: frozenset[str]) -> bool:
    return all(getattr(value, name) is UNSET for name in (*names, "dataAbsentReason"))


def _left_out(value: object, shape: Shape, path: str, drops: Drops) -> None:
    """Add the path of every name that the types did not declare."""
    if isinstance(value, list):
        for item in value:
            _left_out(item, shape, path, drops)
    elif isinstance(value, dict):
        for name, below in value.items():
            if name not in shape:
                drops.append(f"{path}.{name}")
            elif (inner := shape[name]) is not None:
                _left_out(below, inner, f"{path}.{name}", drops)
