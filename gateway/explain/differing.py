"""What differs between two resources, named as FHIR names its elements.

>>> one = {"resourceType": "Patient", "name": [{"family": "Hart"}], "gender": "female"}
>>> sorted(differing(one, {**one, "name": [{"family": "Lea"}]}))
['Patient.name.family']
>>> sorted(differing(one, {**one, "gender": "male", "active": True}))
['Patient.active', 'Patient.gender']
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

CONCEPT = frozenset({"coding", "text"})
WHOLE = (CONCEPT, frozenset({"system", "code", "display", "userSelected", "version"}), frozenset({"reference", "display", "identifier", "type"}),
         frozenset({"value", "unit", "system", "code", "comparator"}), frozenset({"text", "time", "authorString", "authorReference"}))  # fmt: skip
"""The fields of the datatypes whose parts are not told apart: a concept, a coding, a reference, a quantity, a note."""
TAIL = re.compile(r"(?:Extension-(?:UKCore-)?)?([^/:]+)$")


def differing(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the elements that differ between two states of a resource. Its profile is not told: it follows from what
    else it is."""
    name = before["resourceType"]
    held, now = (dict(_values(resource, name)) for resource in (before, after))
    return {path for path in held.keys() | now.keys() if held.get(path) != now.get(path)}


def _values(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield each element with all that it holds, as text: one line for an element, whatever number of times it
    stands there."""
    by_path: dict[str, list[str]] = {}
    for element, value in _elements(node, path):
        by_path.setdefault(element, []).append(repr(value))
    for element, values in by_path.items():
        yield element, "\n".join(values)


def _elements(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if key in ("resourceType", "id", "profile"):
            continue
        for item in value if isinstance(value, list) else [value]:
            yield from _element(item, f"{path}.{key.removeprefix('_')}")


def _element(item: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(item, dict):
        yield path, item
    elif "url" in item and path.endswith(("extension", "modifierExtension")):
        yield f"{path}({_tail(item['url'])})", item
    elif path.endswith(".identifier") and "system" in item:
        yield f"{path}({_tail(item['system'])})", item
    elif any(item.keys() <= parts | {"extension"} for parts in WHOLE):
        yield path, item
    else:
        yield from _elements(item, path)


def _tail(uri: str) -> str:
    """The last word of a URI, which is what people call it by."""
    match = TAIL.search(uri)
    return match[1] if match else uri
