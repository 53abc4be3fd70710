"""The slow path: every structural fault of a resource that the compiled types refused, with its place."""

from __future__ import annotations

import json
import math
import re
import sys
from contextlib import suppress
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


def read(body: bytes) -> object:
    """Plain JSON, also with numbers that are too large for the types. Raises ``ValueError`` or ``RecursionError`` for
    what is no JSON."""
    return json.loads(
        body.decode("utf-8"),
        parse_constant=_refuse,
        parse_int=lambda digits: int(digits) if len(digits) < 400 else math.inf,
    )


def _refuse(_: str) -> None:
    raise ValueError


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
            return _node(value, table.types()[name], path or name, issues, mended)
        issues.append(Issue("error", "structure", f"{path}.resourceType".lstrip("."), "no such resource type"))
    mended.add(path)
    return {"resourceType": "Basic"}


@lru_cache(maxsize=1024)
def _names(type_name: str) -> dict[str, tuple[table.Element, str]]:
    return {
        name: (element, kind) for element in table.types()[type_name].elements for name, kind in element.names.items()
    }


def _node(
    value: dict[str, Any], definition: table.Type, path: str, issues: list[Issue], mended: set[str]
) -> dict[str, Any]:
    names = _names(definition.name)
    sound: dict[str, Any] = {}
    for name, inner in value.items():
        if name == "resourceType" and definition.is_resource:
            sound[name] = inner
            continue
        bare = name.removeprefix("_")
        if bare not in names or (name != bare and names[bare][1] not in table.PRIMITIVES):
            issues.append(
                Issue(
                    "error",
                    "structure",
                    f"{path}.{bare}" if bare in names else path,
                    "an element that R4 does not have here",
                )
            )
            continue
        element, kind = names[bare]
        kind = "Element" if name != bare else kind
        place = f"{path}.{name}"
        sound[name] = (
            _list(inner, kind, element, place, issues, mended)
            if element.is_many
            else _value(inner, kind, element, place, issues, mended)
        )
    for element in definition.elements:
        if element.is_required and not element.is_choice and element.name not in value:
            kind = element.names[element.name]
            if kind not in table.PRIMITIVES:
                issues.append(Issue("error", "required", f"{path}.{element.name}", "a required element is missing"))
    return sound


def _list(
    inner: object, kind: str, element: table.Element, path: str, issues: list[Issue], mended: set[str]
) -> list[Any]:
    if not isinstance(inner, list) or not inner:
        issues.append(Issue("error", "structure", path, "an empty list" if inner == [] else "a list is needed"))
        mended.add(path)
        return []
    may_be_null = kind in table.PRIMITIVES or kind == "Element"
    return [
        item if item is None and may_be_null else _value(item, kind, element, f"{path}[{index}]", issues, mended)
        for index, item in enumerate(inner)
    ]


def _value(
    value: object, kind: str, element: table.Element, path: str, issues: list[Issue], mended: set[str]
) -> object:
    if kind == "Resource":
        return _resource(value, path, issues, mended)
    if kind in table.PRIMITIVES:
        fault = _primitive(value, kind, element)
        if fault is None:
            return value
        issues.append(Issue("error", fault[0], path, fault[1]))
    elif isinstance(value, dict):
        return _node(value, table.types()[kind], path, issues, mended)
    else:
        issues.append(Issue("error", "structure", path, "an object is needed"))
    mended.add(path)
    return _PLACEHOLDERS.get(kind, "" if kind in table.PRIMITIVES else {})


_PLACEHOLDERS: dict[str, object] = {"boolean": True, "decimal": math.nan, **dict.fromkeys(table.INTEGERS, math.nan)}
"""There, and no rule says anything against them: nothing is less or more than what is no number."""


def _primitive(value: object, kind: str, element: table.Element) -> tuple[str, str] | None:
    if kind == "boolean":
        return None if isinstance(value, bool) else ("value", "true or false is needed")
    if kind in table.INTEGERS:
        if isinstance(value, int) and not isinstance(value, bool) and table.INTEGERS[kind] <= value <= 2147483647:
            return None
        return ("value", f"not of type {kind}")
    if kind == "decimal":
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return ("value", "a number is needed")
        return None if abs(value) <= sys.float_info.max else ("value", "a number too large")
    if not isinstance(value, str):
        return ("value", "a string is needed")
    if kind in _TEXTS and (len(value) > LONGEST or _CONTROL.search(value)):
        return ("value", "a string too long" if len(value) > LONGEST else "a character that no text holds")
    if element.codes and kind == "code":
        return None if value in element.codes else ("code-invalid", "not a code of the required set")
    pattern = table.PATTERNS.get(kind)
    return None if pattern is None or pattern.search(value) else ("value", f"not of type {kind}")


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
