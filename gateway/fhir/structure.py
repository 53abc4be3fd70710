"""The slow path: every structural fault of a resource that the compiled types refused, with its place."""

from __future__ import annotations

import contextlib
import json
from functools import lru_cache

from gateway.fhir import rules
from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table


def check(resource: object) -> list[Issue]:
    """All structural faults, and those of the second pass where the structure allows it to look."""
    found: list[Issue] = []
    _resource(resource, "", found)
    if isinstance(resource, dict) and resource.get("resourceType") in table.resource_types():
        seen = {issue.location for issue in found}
        with contextlib.suppress(AttributeError, TypeError, KeyError, IndexError):  # so broken that its meaning cannot be looked at
            found += [issue for issue in rules.check(resource) if issue.location not in seen]
    return found


def _resource(value: object, path: str, found: list[Issue]) -> None:
    if not isinstance(value, dict):
        found.append(Issue("error", "structure", path, "an object is needed"))
        return
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in table.resource_types():
        found.append(Issue("error", "structure", f"{path}.resourceType".lstrip("."), "no such resource type"))
        return
    _node(value, table.types()[name], path or name, found)


@lru_cache(maxsize=1024)
def _names(type_name: str) -> dict[str, tuple[table.Element, str]]:
    return {name: (element, kind) for element in table.types()[type_name].elements for name, kind in element.names.items()}


def _node(value: dict, each: table.Type, path: str, found: list[Issue]) -> None:
    names = _names(each.name)
    for name, given in value.items():
        if name == "resourceType" and each.is_resource:
            continue
        bare = name.removeprefix("_")
        if bare not in names or (name != bare and names[bare][1] not in table.PRIMITIVES):
            found.append(Issue("error", "structure", f"{path}.{bare}" if bare in names else path, "an element that R4 does not have here"))
            continue
        element, kind = names[bare]
        kind = "Element" if name != bare else kind
        place = f"{path}.{name}"
        if element.is_many:
            if not isinstance(given, list):
                found.append(Issue("error", "structure", place, "a list is needed"))
                continue
            if not given:
                found.append(Issue("error", "structure", place, "an empty list"))
            for index, item in enumerate(given):
                if item is not None or kind not in table.PRIMITIVES | {"Element"}:
                    _value(item, kind, element, f"{place}[{index}]", found)
        else:
            _value(given, kind, element, place, found)
    for element in each.elements:
        if element.is_required and not element.is_choice and element.name not in value:
            kind = element.names[element.name]
            if kind not in table.PRIMITIVES:
                found.append(Issue("error", "required", f"{path}.{element.name}", "a required element is missing"))


def _value(value: object, kind: str, element: table.Element, path: str, found: list[Issue]) -> None:
    if kind == "Resource":
        _resource(value, path, found)
    elif kind in table.PRIMITIVES:
        fault = _primitive(value, kind, element)
        if fault:
            found.append(Issue("error", *fault[:1], path, fault[1]))
    elif not isinstance(value, dict):
        found.append(Issue("error", "structure", path, "an object is needed"))
    else:
        _node(value, table.types()[kind], path, found)


def _primitive(value: object, kind: str, element: table.Element) -> tuple[str, str] | None:
    if kind == "boolean":
        return None if isinstance(value, bool) else ("value", "true or false is needed")
    if kind in table.INTEGERS:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return None if whole and table.INTEGERS[kind] <= value <= 2147483647 else ("value", f"not of type {kind}")
    if kind == "decimal":
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) else ("value", "a number is needed")
    if not isinstance(value, str):
        return ("value", "a string is needed")
    if element.codes and kind == "code":
        return None if value in element.codes else ("code-invalid", "not a code of the required set")
    pattern = table.PATTERNS.get(kind)
    return None if pattern is None or pattern.search(value) else ("value", f"not of type {kind}")


class _Twice(Exception):
    """One name twice in an object."""


def duplicates(body: bytes) -> list[Issue]:
    """An issue where any object has one name twice: which of the two a reader takes is not for us to guess."""

    def pairs(items: list[tuple[str, object]]) -> dict:
        made = dict(items)
        if len(made) < len(items):
            raise _Twice
        return made

    try:
        json.loads(body, object_pairs_hook=pairs)
    except _Twice:
        return [Issue("error", "structure", "", "an object with one name twice")]
    except (ValueError, RecursionError):
        return [Issue("error", "structure", "", "not JSON")]
    return []
