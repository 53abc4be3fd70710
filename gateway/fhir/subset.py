"""A part of a resource, as ``_summary`` and ``_elements`` ask for it. What changes the meaning of the rest stays.

https://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid, Unsupported
from gateway.fhir import build
from gateway.fhir.r4 import table

NAMES = ("_summary", "_elements")
"""The parameters that ask for a part."""
TRUE, TEXT, DATA, COUNT, FALSE = "true", "text", "data", "count", "false"
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
"""The tag of a resource that is not served whole."""
_ALWAYS = frozenset({"resourceType", "id", "meta"})

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subset:
    """What is asked for: a kind of summary, or elements of the type that is read or searched."""

    summary: str = FALSE
    type: str = ""
    elements: frozenset[str] = frozenset()

    @property
    def is_count(self) -> bool:
        """Whether nothing but a number is asked for."""
        return self.summary == COUNT

    def part(self, body: bytes, resource_type: str) -> bytes:
        """The part of a resource that is served: the same bytes where all of it is. Resources of other types than the
        one searched are served whole, unless a summary is asked for."""
        if self.summary in (FALSE, COUNT) and (not self.elements or resource_type != self.type) or not body:
            return body
        resource = build.decode(body)
        kept = {name: value for name, value in resource.items() if self._keeps(resource_type, name)}
        if self.summary == TRUE:
            kept = _filled({name: _summarised(resource_type, name, value) for name, value in kept.items()})
        if "contained" in resource and b'"reference":"#' in build.encode(kept):
            kept["contained"] = resource["contained"]
        return build.encode(tagged(kept))

    def _keeps(self, resource_type: str, name: str) -> bool:
        plain = name.removeprefix("_")
        element = _elements(resource_type).get(plain)
        if plain in _ALWAYS or element is None or element.is_required or element.is_modifier:
            return True
        match self.summary:
            case "true":
                return element.is_summary
            case "text":
                return plain == "text"
            case "data":
                return plain != "text"
        return plain in self.elements


WHOLE = Subset()


def subset(resource_type: str, pairs: Sequence[tuple[str, str]]) -> Subset:
    """What the parameters ask for of a type. Raises ``Unsupported`` for another kind of summary, ``Invalid`` for a name
    that is no element of the type, and for both parameters at once."""
    summaries = [value for name, value in pairs if name == "_summary"]
    names = [name for key, value in pairs if key == "_elements" for name in value.split(",")]
    if not summaries and not names:
        return WHOLE
    if len(summaries) > 1 or summaries and names:
        raise Invalid("parameters _summary and _elements: one of them, once")
    if summaries and summaries[0] not in (TRUE, TEXT, DATA, COUNT, FALSE):
        raise Unsupported("parameter _summary")
    if summaries == [TEXT] and any(name.startswith(("_include", "_revinclude")) for name, _ in pairs):
        raise Invalid("parameter _summary: text and includes do not go together")
    return Subset(summaries[0] if summaries else FALSE, resource_type, _named(resource_type, names))


def by_type(pairs: Sequence[tuple[str, str]], types: Sequence[str]) -> dict[str, Subset]:
    """What ``_elements`` asks for where an answer holds many types: ``code`` of each of them, ``Observation.code`` of
    one. A type that nothing is asked of is served whole. Raises ``Invalid`` for a name that is no element of any.

    >>> sorted(by_type([("_elements", "Observation.code")], ["Observation", "Condition"]))
    ['Observation']
    """
    names = [name for key, value in pairs if key == "_elements" for name in value.split(",")]
    every = [name for name in names if "." not in name]
    parts: dict[str, Subset] = {}
    known: set[str] = set()
    for type_ in types:
        of_type = [name for name in names if name in every or name.startswith(f"{type_}.")]
        chosen = {name: _of_name(type_, name) for name in of_type}
        known |= {name for name, keys in chosen.items() if keys}
        if of_type:  # "id" is always served: without it no name at all would ask for everything
            parts[type_] = Subset(FALSE, type_, frozenset({"id"}).union(*chosen.values()))
    if not known.issuperset(names):
        raise Invalid("parameter _elements")
    return parts


def _named(resource_type: str, names: Sequence[str]) -> frozenset[str]:
    """The JSON names of the elements that are named: of a choice, each of its types."""
    chosen: set[str] = set()
    for name in names:
        of_name = _of_name(resource_type, name)
        if not of_name:
            raise Invalid("parameter _elements")
        chosen |= of_name
    return frozenset(chosen)


def _of_name(resource_type: str, name: str) -> set[str]:
    """The JSON names of one element."""
    plain = name.removeprefix(f"{resource_type}.")
    return {
        key for key, element in _elements(resource_type).items() if plain in (key, element.name.removesuffix("[x]"))
    }


def tagged(resource: Resource) -> Resource:
    """The resource with the tag that says that it is not whole."""
    meta = resource.get("meta", {})
    return {**resource, "meta": {**meta, "tag": [*meta.get("tag", []), SUBSETTED]}}


def _summarised(type_: str, name: str, value: Any) -> Any:
    """An element of a summary without the inner elements that are no part of one. Extensions within it stay: they may
    say why a value is absent."""
    element = _elements(type_).get(name)
    if element is None or name in _ALWAYS:
        return value
    kind = element.names[name]
    if isinstance(value, list):
        return [inner for item in value if (inner := _inner(kind, item)) != {}]
    return _inner(kind, value)


def _inner(kind: str, value: Any) -> Any:
    elements = _elements(kind)
    if not isinstance(value, dict) or not elements or kind in ("Extension", "Meta"):
        return value
    return _filled({
        name: _summarised(kind, name, inner)
        for name, inner in value.items()
        if (element := elements.get(name.removeprefix("_"))) is None
        or element.is_summary or element.is_modifier or element.is_required or name in ("extension", "id")
    })  # fmt: skip


def _filled(elements: Resource) -> Resource:
    """The elements without those of which nothing is left: none may be empty."""
    return {name: value for name, value in elements.items() if value not in ({}, [])}


@lru_cache(maxsize=1024)
def _elements(type_: str) -> dict[str, table.Element]:
    """The elements of a type by their JSON names; {} for a primitive."""
    known = table.types().get(type_)
    return {name: element for element in known.elements for name in element.names} if known else {}
