"""Every object of a resource with its type, its place, and the names by which an extension may be allowed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.fhir.r4 import table

_PLAIN = frozenset({"Bundle", "Parameters", "Binary"})
"""Resources that are no DomainResource."""
_KINDS = {
    **dict.fromkeys(("url", "canonical", "oid", "uuid"), ("uri",)),
    **dict.fromkeys(("code", "id", "markdown"), ("string",)),
    **dict.fromkeys(("unsignedInt", "positiveInt"), ("integer",)),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration"), ("Quantity",)),
}
"""What a type is a kind of, beside an Element."""


@dataclass(frozen=True, slots=True)
class Node:
    """One object. ``names`` are the element and the types that it is (``Patient.name``, ``HumanName``, ``Element``), as
    the context of an extension names them; ``holder`` numbers the resource that it is part of, contained or not."""

    value: dict[str, Any]
    kind: str
    path: str
    names: frozenset[str]
    holder: int


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    kind: str


@lru_cache(maxsize=1024)
def parts(kind: str) -> dict[str, _Part]:
    """What stands under each JSON name of a type: the name of its element, and its type. A primitive's own name leads
    to what stands beside it."""
    known: dict[str, _Part] = {}
    for element in table.types()[kind].elements:
        for name, inner in element.names.items():
            known["_" + name if inner in table.PRIMITIVES else name] = _Part(element.name, inner)
    return known


@lru_cache(maxsize=1)
def _backbones() -> dict[str, str]:
    """Type of a backbone → its path (``PatientContact`` → ``Patient.contact``)."""
    paths: dict[str, str] = {}
    waiting = [(name, name) for name in table.types()]
    while waiting:
        name, path = waiting.pop()
        for element in table.types()[name].elements:
            inner = f"{path}.{element.name}"
            joined = "".join(step[:1].upper() + step[1:] for step in inner.split("."))
            if joined in table.types() and joined in element.names.values() and joined not in paths:
                paths[joined] = inner
                waiting.append((joined, inner))
    return paths


@lru_cache(maxsize=4096)
def _names(outer: frozenset[str], part: _Part) -> frozenset[str]:
    """The names of an element within what has the names ``outer``."""
    plain = part.name.removesuffix("[x]")
    places = {
        f"{name}.{step}" for name in outer if name not in ("Element", "BackboneElement") for step in (part.name, plain)
    }
    if part.kind in _backbones():
        return frozenset(places | {_backbones()[part.kind], "BackboneElement", "Element"})
    return frozenset(places | {part.kind, "Element", *_KINDS.get(part.kind, ())})


@lru_cache(maxsize=256)
def _resource_names(kind: str) -> frozenset[str]:
    """The names of a resource. One with an address is what later versions call canonical."""
    names = {kind, "Resource"} | (set() if kind in _PLAIN else {"DomainResource"})
    return frozenset(names | ({"CanonicalResource", "MetadataResource"} if "_url" in parts(kind) else set()))


def nodes(resource: dict[str, Any]) -> Iterator[Node]:
    """The objects of a sound resource, outermost first."""
    yield from _Walk().resource(resource, resource["resourceType"])


class _Walk:
    """One walk, which counts the resources."""

    def __init__(self) -> None:
        self.holders = 0

    def resource(self, value: dict[str, Any], path: str) -> Iterator[Node]:
        self.holders += 1
        kind = value["resourceType"]
        yield from self.node(Node(value, kind, path, _resource_names(kind), self.holders))

    def node(self, node: Node) -> Iterator[Node]:
        yield node
        known = parts(node.kind)
        for name, value in node.value.items():
            part = known.get(name)
            if part is not None:
                place = f"{node.path}.{name.removeprefix('_')}"
                if isinstance(value, list):
                    for index, item in enumerate(value):
                        yield from self.inner(node, part, item, f"{place}[{index}]")
                else:
                    yield from self.inner(node, part, value, place)

    def inner(self, outer: Node, part: _Part, value: Any, path: str) -> Iterator[Node]:
        if not isinstance(value, dict):
            return
        if part.kind == "Resource":
            yield from self.resource(value, path)
        else:
            kind = "Element" if part.kind in table.PRIMITIVES else part.kind
            yield from self.node(Node(value, kind, path, _names(outer.names, part), outer.holder))
