"""The second pass: what types cannot say. Required primitives, choices, real dates, empty objects, narrative, references, invariants.

The walk is compiled from the table once a type: a node's names lead to the few children that need looking at.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from xml.etree import ElementTree

from gateway.fhir.invariants import INVARIANTS, Invariant
from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?\Z")


LOOSE = {("DeviceMetric", "parent"), ("Observation", "performer")}
"""References whose targets the standard's own examples do not keep to."""


class _Spec:
    """What to look at in a node of one type."""

    __slots__ = ("name", "is_resource", "children", "required", "choices", "choice_of", "invariants", "targets", "dated", "lists", "plain")

    def __init__(self, each: table.Type):
        self.name, self.is_resource = each.name, each.is_resource
        self.children: dict[str, tuple[str, bool]] = {}
        self.dated: dict[str, bool] = {}
        self.lists: frozenset[str] = frozenset()
        self.required: list[str] = []
        self.choices: list[tuple[str, tuple[str, ...]]] = []
        self.choice_of: dict[str, str] = {}
        self.targets: dict[str, frozenset[str]] = {}
        self.invariants: tuple[Invariant, ...] = INVARIANTS.get(each.name, ())
        lists = set()
        for element in each.elements:
            for name, kind in element.names.items():
                self._child(element, name, kind, lists)
            names = tuple(element.names)
            if element.is_choice and len(names) > 1:
                self.choice_of.update({prefix + name: element.name for name in names for prefix in ("", "_")})
            if element.is_required and element.is_choice:
                self.choices.append((element.name, names))
            elif element.is_required and element.names[element.name] in table.PRIMITIVES and not (each.name == "Extension" and element.name == "url"):
                self.required.append(element.name)
        if each.name == "Extension":
            self.required.append("url")
        self.lists = frozenset(lists)
        looked_at = self.children.keys() | self.dated.keys() | self.lists
        names = frozenset(name for element in each.elements for name in element.names)
        is_strict = self.required or self.choices or self.choice_of or self.invariants or self.is_resource or self.name in ("Extension", "Narrative")
        self.plain: frozenset[str] = frozenset() if is_strict else names - looked_at - {"id"}
        """The elements that are sound whatever they hold. Most nodes are codings and quantities that have no others: nothing to look at."""

    def _child(self, element: table.Element, name: str, kind: str, lists: set[str]) -> None:
        if kind in table.PRIMITIVES:
            self.children["_" + name] = ("Element", element.is_many)
            if kind in table.DATED:
                self.dated[name] = element.is_many
            if element.is_many:
                lists.add(name)
        else:
            self.children[name] = (kind, element.is_many)
            if kind == "Reference" and element.targets and (self.name, name) not in LOOSE:
                self.targets[name] = element.targets


@lru_cache(maxsize=1024)
def _spec(name: str) -> _Spec:
    return _Spec(table.types()[name])


def check(resource: dict) -> list[Issue]:
    """What is wrong with a resource whose structure is sound; [] for nothing."""
    found: list[Issue] = []
    _resource(resource, resource["resourceType"], found)
    return found


def _node(node: dict, spec: _Spec, path: str, found: list[Issue], local: list[tuple[str, str]]) -> None:
    size = len(node)
    if size == 0 or (size == 1 and "id" in node and not spec.is_resource):
        found.append(Issue("error", "invariant", path, "ele-1: an element has a value or children"))
        return
    children, dated = spec.children, spec.dated
    choice_of = spec.choice_of
    chosen: dict[str, str] | None = None
    for name, value in node.items():
        child = children.get(name)
        if child is not None:
            kind, many = child
            if kind == "Reference":
                _references(value, many, spec.targets.get(name), f"{path}.{name}", found, local)
            elif many:
                if kind == "Resource":
                    for index, item in enumerate(value):
                        _resource(item, f"{path}.{name}[{index}]", found, local if name == "contained" else None)
                else:
                    inner = _spec(kind)
                    for index, item in enumerate(value):
                        if item is not None and not (item and item.keys() <= inner.plain):
                            _node(item, inner, f"{path}.{name}[{index}]", found, local)
            elif kind == "Resource":
                _resource(value, f"{path}.{name}", found, local if name == "contained" else None)
            else:
                inner = _spec(kind)
                if not (value and value.keys() <= inner.plain):
                    _node(value, inner, f"{path}.{name}", found, local)
        elif name in dated:
            _dates(value, f"{path}.{name}", found)
        elif name in spec.lists and None in value:
            _gaps(node, name, value, f"{path}.{name}", found)
        if choice_of:
            group = choice_of.get(name)
            if group is not None:
                bare = name[1:] if name[0] == "_" else name
                if chosen is None:
                    chosen = {}
                if chosen.setdefault(group, bare) != bare:
                    found.append(Issue("error", "structure", f"{path}.{group}", "two values of one choice"))
    for name in spec.required:
        if name not in node and "_" + name not in node:
            found.append(Issue("error", "required", f"{path}.{name}", "a required element is missing"))
    for name, names in spec.choices:
        if not any(each in node or "_" + each in node for each in names):
            found.append(Issue("error", "required", f"{path}.{name}", "a required element is missing"))
    if spec.name == "Extension":
        _extension(node, path, found)
    elif spec.name == "Narrative":
        _narrative(node, path, found)
    for invariant in spec.invariants:
        if not invariant.holds(node):
            found.append(Issue("error", "invariant", path, f"{invariant.key}: {invariant.words}"))


def _resource(resource: dict, path: str, found: list[Issue], outer: list[tuple[str, str]] | None = None) -> None:
    """A whole resource. ``outer`` gathers the local references of a contained one, which lead out of it."""
    local: list[tuple[str, str]] = []
    _node(resource, _spec(resource["resourceType"]), path, found, local)
    if outer is not None:
        outer += local
        return
    if "contained" in resource:
        _contained(resource, path, found)
    if local:
        ids = {"#" + each.get("id", "") for each in resource.get("contained", ())} | {"#"}
        for reference, place in local:
            if reference not in ids:
                found.append(Issue("error", "invariant", place, "ref-1: a local reference leads nowhere"))


def _references(value: object, many: bool, targets: frozenset[str] | None, path: str, found: list[Issue], local: list[tuple[str, str]]) -> None:
    spec = _spec("Reference")
    for index, each in enumerate(value if many else (value,)):
        reference = each.get("reference")
        if reference is not None and len(each) == 1 and targets is not None and reference.partition("/")[0] in targets:
            continue
        place = f"{path}[{index}]" if many else path
        if reference is not None and reference[:1] == "#":
            local.append((reference, place))
        if targets is not None and reference is not None:
            match = _LOCAL.match(reference.rpartition("/fhir/")[2] if "://" in reference else reference)
            if match and match[1] in table.resource_types() and match[1] not in targets:
                found.append(Issue("error", "value", place, "a reference to a type that is not allowed here"))
        if len(each) != 1 or reference is None:
            _node(each, spec, place, found, local)


@lru_cache(maxsize=65536)
def _is_real(text: str) -> bool:
    """Whether a date is in the calendar (30 February is not); its form has been checked."""
    if len(text) < 10:
        return True
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _dates(value: object, path: str, found: list[Issue]) -> None:
    for each in value if isinstance(value, list) else (value,):
        if each is not None and not _is_real(each):
            found.append(Issue("error", "value", path, "not a date of the calendar"))


def _gaps(node: dict, name: str, values: list, path: str, found: list[Issue]) -> None:
    beside = node.get("_" + name) or []
    for index, value in enumerate(values):
        if value is None and (index >= len(beside) or beside[index] is None):
            found.append(Issue("error", "structure", f"{path}[{index}]", "a null with nothing beside it"))


def _extension(node: dict, path: str, found: list[Issue]) -> None:
    has_value = any(name.startswith(("value", "_value")) for name in node)
    if has_value == ("extension" in node):
        found.append(Issue("error", "invariant", path, "ext-1: an extension has a value or extensions, not both"))


def _contained(resource: dict, outer: str, found: list[Issue]) -> None:
    """dom-2 to dom-5: contained resources are used, hold none themselves, and have no version of their own."""
    used = set(_local(resource))
    for index, each in enumerate(resource["contained"]):
        path = f"{outer}.contained[{index}]"
        if "contained" in each:
            found.append(Issue("error", "invariant", path, "dom-2: contained resources do not contain others"))
        if {"versionId", "lastUpdated"} & each.get("meta", {}).keys():
            found.append(Issue("error", "invariant", path, "dom-4: contained resources have no version"))
        if "security" in each.get("meta", {}):
            found.append(Issue("error", "invariant", path, "dom-5: contained resources have no security labels"))
        if "#" + each.get("id", "") not in used and not any(reference == "#" for reference in _local(each)):
            found.append(Issue("error", "invariant", path, "dom-3: a contained resource is referred to"))


def _local(value: object) -> list[str]:
    """Every ``#id`` anywhere in a resource: references, and canonicals of contained definitions."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for each in value.values():
                if isinstance(each, str):
                    if each[:1] == "#":
                        found.append(each)
                else:
                    waiting.append(each)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, str) and each[:1] == "#":
                    found.append(each)
                else:
                    waiting.append(each)
    return found


# Narrative: a subset of XHTML without anything active (txt-1, txt-2)

TAGS = frozenset(
    "a abbr acronym b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd "
    "li map area ol p pre q s samp small span strong strike sub sup table tbody td tfoot th thead tr tt u ul var".split()
)
ATTRIBUTES = frozenset(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite class colspan "
    "coords dir frame headers height href hreflang id lang longdesc name nohref noshade nowrap rel rev rowspan rules scope shape span "
    "src style summary tabindex title type usemap valign value width xmlns".split()
)
XHTML = "{http://www.w3.org/1999/xhtml}"
_ENTITY = re.compile(r"&(?!(?:#\d+|#[xX][0-9a-fA-F]+|lt|gt|amp|quot|apos);)[A-Za-z][A-Za-z0-9]*;")


def _narrative(node: dict, path: str, found: list[Issue]) -> None:
    div = node.get("div")
    if isinstance(div, str):
        fault = narrative_fault(div)
        if fault:
            found.append(Issue("error", "invariant", f"{path}.div", fault))


@lru_cache(maxsize=1024)
def narrative_fault(div: str) -> str:
    """Why a narrative is not the safe subset of XHTML, or "".

    >>> narrative_fault('<div xmlns="http://www.w3.org/1999/xhtml">a</div>'), narrative_fault('<div>a</div>')[:5]
    ('', 'txt-1')
    """
    if "<!" in div.replace("<!--", "") or "<?" in div:
        return "txt-1: no declarations in a narrative"
    try:
        root = ElementTree.fromstring(_ENTITY.sub("", div))
    except (ElementTree.ParseError, RecursionError):
        return "txt-1: not well-formed XHTML"
    if root.tag != XHTML + "div":
        return "txt-1: a div of the XHTML namespace is needed"
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag.removeprefix(XHTML) not in TAGS:
            return "txt-1: an element that a narrative may not hold"
        for name, value in element.attrib.items():
            bare = name.rpartition("}")[2]
            if bare not in ATTRIBUTES or value.strip().lower().startswith(("javascript:", "vbscript:", "data:text")):
                return "txt-1: an attribute that a narrative may not hold"
    if not "".join(root.itertext()).strip() and not len(root):
        return "txt-2: a narrative has some content"
    return ""
