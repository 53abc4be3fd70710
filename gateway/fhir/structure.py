"""The slow path: every structural fault of a resource that the compiled types refused, with its place."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.fhir import rules
from gateway.fhir.issues import Enough, Found, Issue
from gateway.fhir.r4 import table

LONGEST = 1024 * 1024
"""Of a string, in characters (R4, datatypes: string)."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""What no text holds: XML could not write it, and PostgreSQL would not keep it."""
_TEXTS = frozenset(table.STRINGS) - {"base64Binary", "xhtml"}
_STEP = re.compile(r"[.\[]")
Fault = tuple[str, str]
"""The code and the words of an issue."""
Judge = Callable[[object], Fault | None]


def _refuse(_: str) -> None:
    raise ValueError


_decoder = json.JSONDecoder(
    parse_constant=_refuse, parse_int=lambda digits: int(digits) if len(digits) < 400 else math.inf
)


def read(body: bytes) -> object:
    """Plain JSON, also with numbers that are too large for the types. Raises ``ValueError`` or ``RecursionError`` for
    what is no JSON."""
    return _decoder.decode(body.decode("utf-8"))


def check(resource: object) -> list[Issue]:
    """All structural faults, and what the second pass finds in the rest: what is broken is mended for it, and nothing
    more is said of that."""
    issues = Found()
    mended: set[str] = set()
    with suppress(Enough):
        mended_resource = _resource(resource, "", issues, mended)
        if "" not in mended:
            for issue in rules.check(mended_resource):
                if not _is_within(issue.location, mended):
                    issues.append(issue)
    return issues


def _is_within(place: str, places: set[str]) -> bool:
    return place in places or any(place[: step.start()] in places for step in _STEP.finditer(place))


def _resource(value: object, path: str, issues: list[Issue], mended: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        issues.append(Issue("error", "structure", path, "an object is needed"))
    else:
        name = value.get("resourceType")
        if isinstance(name, str) and name in table.resource_types():
            return _node(value, _kind(name), path or name, issues, mended)
        issues.append(Issue("error", "structure", f"{path}.resourceType".lstrip("."), "no such resource type"))
    mended.add(path)
    return {"resourceType": "Basic"}


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands under one JSON name of a type. ``judge`` says what is wrong with a primitive; there is none for an
    object."""

    kind: str
    is_many: bool
    judge: Judge | None
    may_be_null: bool


class _Kind:
    """What an object of one type may hold: its ``names`` in the definition, a part for each name in JSON, and the
    objects that it must hold."""

    __slots__ = ("names", "parts", "required")

    def __init__(self, definition: table.Type):
        self.names: dict[str, str] = {}
        self.parts: dict[str, _Part] = {}
        if definition.is_resource:
            self.parts["resourceType"] = _Part("code", False, _nothing, False)
        for element in definition.elements:
            for name, kind in element.names.items():
                self.names[name] = kind
                is_primitive = kind in table.PRIMITIVES
                judge = _judge(kind, element.codes) if is_primitive else None
                self.parts[name] = _Part(kind, element.is_many, judge, is_primitive or kind == "Element")
                if is_primitive:
                    self.parts["_" + name] = _Part("Element", element.is_many, None, True)
        self.required = tuple(
            element.name
            for element in definition.elements
            if element.is_required and not element.is_choice and element.names[element.name] not in table.PRIMITIVES
        )


@lru_cache(maxsize=1024)
def _kind(name: str) -> _Kind:
    return _Kind(table.types()[name])


def _node(value: dict[str, Any], kind: _Kind, path: str, issues: list[Issue], mended: set[str]) -> dict[str, Any]:
    sound: dict[str, Any] = {}
    for name, inner in value.items():
        part = kind.parts.get(name)
        if part is None:
            bare = name.removeprefix("_")
            place = f"{path}.{bare}" if bare in kind.names else path
            issues.append(Issue("error", "structure", place, "an element that R4 does not have here"))
        elif part.is_many:
            sound[name] = _list(inner, part, f"{path}.{name}", issues, mended)
        elif part.judge is not None and part.judge(inner) is None:
            sound[name] = inner
        else:
            sound[name] = _value(inner, part, f"{path}.{name}", issues, mended)
    for name in kind.required:
        if name not in value:
            issues.append(Issue("error", "required", f"{path}.{name}", "a required element is missing"))
    return sound


def _list(inner: object, part: _Part, path: str, issues: list[Issue], mended: set[str]) -> list[Any]:
    if not isinstance(inner, list) or not inner:
        issues.append(Issue("error", "structure", path, "an empty list" if inner == [] else "a list is needed"))
        mended.add(path)
        return []
    return [
        item if item is None and part.may_be_null else _value(item, part, f"{path}[{index}]", issues, mended)
        for index, item in enumerate(inner)
    ]


def _value(value: object, part: _Part, path: str, issues: list[Issue], mended: set[str]) -> object:
    if part.judge is not None:
        fault = part.judge(value)
        if fault is None:
            return value
        issues.append(Issue("error", fault[0], path, fault[1]))
    elif part.kind == "Resource":
        return _resource(value, path, issues, mended)
    elif isinstance(value, dict):
        return _node(value, _kind(part.kind), path, issues, mended)
    else:
        issues.append(Issue("error", "structure", path, "an object is needed"))
    mended.add(path)
    return _PLACEHOLDERS.get(part.kind, {} if part.judge is None else "")


_PLACEHOLDERS: dict[str, object] = {"boolean": True, "decimal": math.nan, **dict.fromkeys(table.INTEGERS, math.nan)}
"""There, and no rule says anything against them: nothing is less or more than what is no number."""


def _judge(kind: str, codes: frozenset[str]) -> Judge:
    """What is wrong with a primitive of a type: code and words of an issue, None for nothing."""
    if kind == "boolean":
        return lambda value: None if isinstance(value, bool) else ("value", "true or false is needed")
    if kind == "decimal":
        return _decimal
    return _integer(kind) if kind in table.INTEGERS else _string(kind, codes if kind == "code" else frozenset())


def _nothing(value: object) -> None:
    return None


def _decimal(value: object) -> Fault | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return ("value", "a number is needed")
    return None if abs(value) <= sys.float_info.max else ("value", "a number too large")


def _integer(kind: str) -> Judge:
    least = table.INTEGERS[kind]

    def judge(value: object) -> Fault | None:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= 2147483647:
            return None
        return ("value", f"not of type {kind}")

    return judge


def _string(kind: str, codes: frozenset[str]) -> Judge:
    is_text, pattern = kind in _TEXTS, table.PATTERNS.get(kind)

    def judge(value: object) -> Fault | None:
        if not isinstance(value, str):
            return ("value", "a string is needed")
        if is_text and len(value) > LONGEST:
            return ("value", "a string too long")
        if is_text and not value.isprintable() and _CONTROL.search(value):  # what is printable has none
            return ("value", "a character that no text holds")
        if codes:
            return None if value in codes else ("code-invalid", "not a code of the required set")
        return None if pattern is None or pattern.search(value) else ("value", f"not of type {kind}")

    return judge


class _Twice(Exception):
    """One name twice in an object."""


def duplicates(body: bytes) -> list[Issue]:
    """An issue where any object has one name twice: which of the two a reader takes is not for us to guess."""

    def pairs(items: list[tuple[str, object]]) -> dict[str, Any]:
        sound = dict(items)
        if len(sound) < len(items):
            raise _Twice
        return sound

    try:
        json.loads(body.decode("utf-8"), object_pairs_hook=pairs)
    except _Twice:
        return [Issue("error", "structure", "", "an object with one name twice")]
    except (ValueError, RecursionError):
        return [Issue("error", "structure", "", "not JSON")]
    return []
