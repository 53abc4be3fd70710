"""The second pass: what types cannot say. Required primitives, choices, real dates, empty objects, narrative,
references, invariants.

The walk is compiled from the table once a type: a node's names lead to the few children that need looking at.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

from gateway.fhir import narrative
from gateway.fhir.invariants import INVARIANTS, Invariant
from gateway.fhir.issues import Enough, Found, Issue
from gateway.fhir.r4 import table

_ID = table.ID
_TYPED = re.compile(rf"(?:.*/)?([A-Z][A-Za-z]+)/{_ID}(?:/_history/{_ID})?\Z", re.DOTALL)
_UNTYPED = re.compile(r"#|[A-Za-z][A-Za-z0-9+.\-]*:\S+\Z|[A-Z][A-Za-z]+\?\S+\Z")
"""A reference names a type and an id, or is one of: local, a URI of another kind, a search (in transactions)."""

LOOSE = {("DeviceMetric", "parent"): {"DeviceDefinition"}, ("Observation", "performer"): {"Encounter"}}
"""Targets of references that the definitions do not allow and the standard's own examples have."""

_NODE, _REFERENCE, _RESOURCE, _DATE, _LIST, _BESIDE, _NOTHING = range(7)
Path: TypeAlias = "str | tuple[Path, str, int | None]"
"""The path of a node as a linked chain. It becomes text only for an issue."""


class _Look:
    """The checks of one element of a node."""

    __slots__ = ("act", "is_many", "group", "targets", "spec")

    def __init__(self, act: int, is_many: bool, group: str, targets: frozenset[str], spec: _Spec | None):
        self.act, self.is_many, self.group, self.targets = act, is_many, group, targets
        self.spec: Any = spec  # there where ``act`` is one of a node


class _Spec:
    """The checks of a node of one type."""

    __slots__ = ("name", "is_resource", "is_strict", "looks", "required", "choices", "invariants", "plain")

    def __init__(self, definition: table.Type):
        self.name, self.is_resource = definition.name, definition.is_resource
        self.looks: dict[str, _Look] = {}
        self.required = [
            e.name
            for e in definition.elements
            if e.is_required and not e.is_choice and e.names[e.name] in table.PRIMITIVES
        ]
        self.choices = [(e.name, frozenset(f"{beside}{name}" for name in e.names for beside in ("", "_"))) for e in definition.elements
                        if e.is_required and e.is_choice]  # fmt: skip
        self.invariants: tuple[Invariant, ...] = INVARIANTS.get(definition.name, ())
        self.is_strict = bool(
            self.required or self.choices or self.invariants or definition.name in ("Extension", "Narrative")
        )
        self.plain: frozenset[str] = frozenset()
        """The elements that are sound whatever they hold. Most nodes are codings and quantities that have no others:
        nothing to look at."""

    def fill(self, definition: table.Type) -> None:
        """Lead to the types of the elements; apart from the making, because types hold one another."""
        for element in definition.elements:
            for name, kind in element.names.items():
                self._look(element, name, kind)
        if not self.is_strict and not self.is_resource and not any(look.group for look in self.looks.values()):
            self.plain = (
                frozenset(name for element in definition.elements for name in element.names)
                - self.looks.keys()
                - {"id"}
            )

    def _look(self, element: table.Element, name: str, kind: str) -> None:
        group = element.name if len(element.names) > 1 else ""
        if kind in table.PRIMITIVES:
            self.looks["_" + name] = _Look(
                _BESIDE if element.is_many else _NODE, element.is_many, group, frozenset(), _spec("Element")
            )
            act = _DATE if kind in table.DATED else _LIST if element.is_many else _NOTHING
            if act != _NOTHING or group:
                self.looks[name] = _Look(act, element.is_many, group, frozenset(), None)
        elif kind == "Resource":
            self.looks[name] = _Look(_RESOURCE, element.is_many, group, frozenset(), None)
        elif kind == "Reference":
            targets = element.targets | LOOSE.get((self.name, name), set()) if element.targets else frozenset()
            self.looks[name] = _Look(_REFERENCE, element.is_many, group, targets, None)
        else:
            self.looks[name] = _Look(_NODE, element.is_many, group, frozenset(), _spec(kind))


_specs: dict[str, _Spec] = {}


def _spec(name: str) -> _Spec:
    spec = _specs.get(name)
    if spec is None:
        definition = table.types()[name]
        spec = _specs[name] = _Spec(definition)
        spec.fill(definition)
    return spec


def check(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong with a resource whose structure is sound; [] for nothing."""
    issues = Found()
    with suppress(Enough):
        _resource(resource, resource["resourceType"], issues)
    return issues


def _at(path: Path) -> str:
    """A path spelt out.

    >>> _at((("Patient", "name", 0), "given", 1))
    'Patient.name[0].given[1]'
    """
    steps: list[str] = []
    while not isinstance(path, str):
        path, name, index = path
        steps.append(f".{name}" if index is None else f".{name}[{index}]")
    return path + "".join(reversed(steps))


def _node(node: dict[str, Any], spec: _Spec, path: Path, issues: list[Issue], local: list[tuple[str, Path]]) -> None:
    if len(node) < 2 and (not node or ("id" in node and not spec.is_resource)):
        issues.append(Issue("error", "invariant", _at(path), "ele-1: an element has a value or children"))
        return
    looks = spec.looks
    chosen: dict[str, str] | None = None
    for name, value in node.items():
        look = looks.get(name)
        if look is None:
            continue
        act = look.act
        if act == _NODE:
            inner = look.spec
            plain = inner.plain
            if look.is_many:
                for index, item in enumerate(value):
                    if not (item and item.keys() <= plain):
                        _node(item, inner, (path, name, index), issues, local)
            elif not (value and value.keys() <= plain):
                _node(value, inner, (path, name, None), issues, local)
        elif act == _REFERENCE:
            if look.is_many:
                for index, item in enumerate(value):
                    _reference(item, look.targets, (path, name, index), issues, local)
            else:
                _reference(value, look.targets, (path, name, None), issues, local)
        elif act == _DATE:
            _dates(node, name, path, issues)
        elif act == _LIST:
            if None in value:
                _gaps(node, name, path, issues)
        elif act == _BESIDE:
            _beside(node, name, look.spec, path, issues, local)
        elif act == _RESOURCE:
            outer = local if name == "contained" else None
            if look.is_many:
                for index, item in enumerate(value):
                    _resource(item, (path, name, index), issues, outer)
            else:
                _resource(value, (path, name, None), issues, outer)
        if look.group:
            bare = name.removeprefix("_")
            if chosen is None:
                chosen = {}
            if chosen.setdefault(look.group, bare) != bare:
                issues.append(Issue("error", "structure", f"{_at(path)}.{look.group}", "two values of one choice"))
    if spec.is_strict:
        _strict(node, spec, path, issues)


def _strict(node: dict[str, Any], spec: _Spec, path: Path, issues: list[Issue]) -> None:
    """What a node as a whole must keep: what is required of it, and its invariants."""
    for name in spec.required:
        if name not in node and "_" + name not in node:
            issues.append(Issue("error", "required", f"{_at(path)}.{name}", "a required element is missing"))
    for name, names in spec.choices:
        if names.isdisjoint(node):
            issues.append(Issue("error", "required", f"{_at(path)}.{name}", "a required element is missing"))
    if spec.name == "Extension":
        _extension(node, path, issues)
    elif spec.name == "Narrative":
        _narrative(node, path, issues)
    for invariant in spec.invariants:
        if not invariant.holds(node):
            issues.append(Issue("error", "invariant", _at(path), f"{invariant.key}: {invariant.words}"))


def _resource(
    resource: dict[str, Any], path: Path, issues: list[Issue], outer: list[tuple[str, Path]] | None = None
) -> None:
    """A whole resource. ``outer`` gathers the local references of a contained one, which lead out of it."""
    local: list[tuple[str, Path]] = []
    _node(resource, _spec(resource["resourceType"]), path, issues, local)
    if outer is not None:
        outer += local
        return
    if "contained" in resource:
        _contained(resource, path, issues)
    if local:
        ids = {"#" + inner.get("id", "") for inner in resource.get("contained", ())} | {"#"}
        for reference, place in local:
            if reference not in ids:
                issues.append(Issue("error", "invariant", _at(place), "ref-1: a local reference leads nowhere"))


def _reference(
    value: dict[str, Any], targets: frozenset[str], path: Path, issues: list[Issue], local: list[tuple[str, Path]]
) -> None:
    """A reference leads to a type that is allowed here, in what it names as in what it says it names. No ``targets``:
    to any."""
    reference = value.get("reference")
    if reference is not None:
        typed = _TYPED.match(reference)
        if typed is not None and typed[1] in targets:
            if len(value) == 1:
                return
        elif reference[:1] == "#":
            local.append((reference, path))
        elif typed is not None and typed[1] in table.resource_types():
            if targets:
                issues.append(Issue("error", "value", _at(path), "a reference to a type that is not allowed here"))
        elif not _UNTYPED.match(reference):
            issues.append(Issue("error", "value", _at(path), "not a reference"))
    kind = value.get("type")
    if kind is not None and targets and kind in table.resource_types() and kind not in targets:
        issues.append(Issue("error", "value", f"{_at(path)}.type", "a type that is not allowed here"))
    _node(value, _spec("Reference"), path, issues, local)


@lru_cache(maxsize=65536)
def is_real(text: str) -> bool:
    """Whether a date is in the calendar (30 February is not); its form has been checked."""
    if len(text) < 10:
        return True
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _dates(node: dict[str, Any], name: str, path: Path, issues: list[Issue]) -> None:
    value = node[name]
    if isinstance(value, str):
        if not is_real(value):
            issues.append(Issue("error", "value", _at((path, name, None)), "not a date of the calendar"))
        return
    for index, item in enumerate(value):
        if item is not None and not is_real(item):
            issues.append(Issue("error", "value", _at((path, name, index)), "not a date of the calendar"))
    if None in value:
        _gaps(node, name, path, issues)


def _beside(
    node: dict[str, Any], name: str, spec: _Spec, path: Path, issues: list[Issue], local: list[tuple[str, Path]]
) -> None:
    """The list beside a list of primitives: what is not null in it are elements."""
    for index, item in enumerate(node[name]):
        if item is not None:
            _node(item, spec, (path, name, index), issues, local)
    if None in node[name] and None not in node.get(name[1:], ()):
        _gaps(node, name[1:], path, issues)


def _gaps(node: dict[str, Any], name: str, path: Path, issues: list[Issue]) -> None:
    """A null in a list of primitives stands for something in the list beside it, and the other way round."""
    values, beside = node.get(name, ()), node.get("_" + name, ())
    for index in range(max(len(values), len(beside))):
        if not any(index < len(items) and items[index] is not None for items in (values, beside)):
            issues.append(Issue("error", "structure", f"{_at(path)}.{name}[{index}]", "a null with nothing beside it"))


_VALUES = frozenset(
    prefix + name
    for element in table.types()["Extension"].elements
    if element.is_choice
    for name in element.names
    for prefix in ("", "_")
)


def _extension(node: dict[str, Any], path: Path, issues: list[Issue]) -> None:
    if _VALUES.isdisjoint(node) != ("extension" in node):
        issues.append(Issue("error", "invariant", _at(path), "ext-1: an extension has a value or extensions, not both"))


def _contained(resource: dict[str, Any], outer: Path, issues: list[Issue]) -> None:
    """dom-2 to dom-5: contained resources are used, hold none themselves, and have no version of their own."""
    used = set(_local(resource))
    for index, item in enumerate(resource["contained"]):
        path = _at((outer, "contained", index))
        if "contained" in item:
            issues.append(Issue("error", "invariant", path, "dom-2: contained resources do not contain others"))
        if {"versionId", "lastUpdated"} & item.get("meta", {}).keys():
            issues.append(Issue("error", "invariant", path, "dom-4: contained resources have no version"))
        if "security" in item.get("meta", {}):
            issues.append(Issue("error", "invariant", path, "dom-5: contained resources have no security labels"))
        if "#" + item.get("id", "") not in used and not any(reference == "#" for reference in _local(item)):
            issues.append(Issue("error", "invariant", path, "dom-3: a contained resource is referred to"))


def _narrative(node: dict[str, Any], path: Path, issues: list[Issue]) -> None:
    div = node.get("div")
    if isinstance(div, str) and (fault := narrative.fault(div)):
        issues.append(Issue("error", "invariant", f"{_at(path)}.div", fault))


def _local(value: object) -> list[str]:
    """Every ``#id`` anywhere in a resource: references, and canonicals of contained definitions."""
    addresses: list[str] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for inner in value.values():
                if isinstance(inner, str):
                    if inner[:1] == "#":
                        addresses.append(inner)
                else:
                    waiting.append(inner)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, str) and item[:1] == "#":
                    addresses.append(item)
                else:
                    waiting.append(item)
    return addresses
