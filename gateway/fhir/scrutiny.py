"""Looks closer at a resource than ``model``: what R4 says and what published records often break.

``$validate`` says it. Nothing that a source delivers is refused for it: a relative ``fullUrl`` or a pulse without its
category harms nobody, and the record would be lost.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from gateway.fhir import bundled, extensions, vital_signs
from gateway.fhir.issues import Enough, Found, Issue
from gateway.fhir.r4 import defined, table
from gateway.fhir.stricter import STRICTER
from gateway.fhir.walk import Node, nodes

TAG = re.compile(r"<(?:!--|![A-Za-z]|/?([A-Za-z][A-Za-z0-9-]*)(?:\s[^<>]*)?/?>)")
"""What looks like HTML in a text; its group is the name of the element, None for a comment or a declaration."""
ELEMENTS = frozenset(
    """a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body
    br button canvas caption center cite code col colgroup content data datalist dd del details dfn dialog dir div dl dt
    em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i
    iframe image img input ins isindex kbd keygen label legend li link listing main map mark marquee math menu menuitem
    meta meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext portal pre
    progress q rb rp rt rtc ruby s samp script search section select shadow slot small source spacer span strike strong
    style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr
    xmp""".split()
)
"""The elements of HTML, those that it once had among them (https://html.spec.whatwg.org/#elements-3). Laboratories
write "<LLOQ> not detected": any other name between the signs may be no HTML."""
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+\Z")
_FORMS = {"urn:uuid:": (_UUID, "not a UUID"), "urn:oid:": (_OID, "not an OID")}
_PARAMETER = "http://hl7.org/fhir/SearchParameter/"
UNCOUNTED = table.resource_types() | {"ElementDefinition"}
"""What may have the id of another element: a snapshot and a differential hold the same elements."""
Rule = Callable[[Node], Iterator[Issue]]


def scrutinise(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong with a resource that ``model.check`` calls sound; [] for nothing. Warnings are among it.

    >>> [issue.message for issue in scrutinise({"resourceType": "Bundle", "type": "batch", "link": [
    ...     {"relation": "next", "url": "http://example.org/a"}]})]
    ['the link next is only for a search or a history']
    """
    issues, ids = Found(), Counter[tuple[int, str]]()
    with suppress(Enough):
        for node in nodes(resource):
            for issue in _of(node):
                issues.append(issue)
            if node.kind not in UNCOUNTED and isinstance(node.value.get("id"), str):
                ids[node.holder, node.value["id"]] += 1
                if ids[node.holder, node.value["id"]] == 2:
                    issues.append(Issue("error", "value", f"{node.path}.id", "an id that another element here has"))
    return issues


def _of(node: Node) -> Iterator[Issue]:
    """What is wrong with one object."""
    yield from extensions.faults(node)
    yield from _texts(node)
    for rule in RULES.get(node.kind, ()):
        yield from rule(node)
    for row in STRICTER.get(node.kind, ()):
        if not row.holds(node.value):
            yield Issue("error", "invariant", node.path, f"{row.key}: {row.words}")


def _texts(node: Node) -> Iterator[Issue]:
    """No text holds HTML, which a page might show; what names a UUID or an OID is one."""
    kinds = _primitives(node.kind)
    for name, value in node.value.items():
        kind = kinds.get(name)
        for item in value if isinstance(value, list) else (value,):
            if kind is None or not isinstance(item, str):
                continue
            if kind in ("string", "markdown") and "<" in item and (tags := list(TAG.finditer(item))):
                # Markdown may hold it, and must be shown escaped.
                severity = "error" if kind == "string" and any(map(_is_html, tags)) else "warning"
                yield Issue(severity, "value", f"{node.path}.{name}", "a text that looks like HTML")
            elif kind in ("uri", "url", "canonical") and item.startswith("urn:"):
                for start, (form, words) in _FORMS.items():
                    if item.startswith(start) and not form.match(item):
                        yield Issue("error", "value", f"{node.path}.{name}", words)


def _is_html(tag: re.Match[str]) -> bool:
    """Whether it surely is HTML: an element that HTML has or that has a dash as its own elements do, or one with
    attributes, a comment or a declaration."""
    name = tag[1]
    return name is None or name.lower() in ELEMENTS or "-" in name or "=" in tag[0]


@lru_cache(maxsize=1024)
def _primitives(kind: str) -> dict[str, str]:
    """JSON name → type of the texts of a type."""
    named = [pair for element in table.types()[kind].elements for pair in element.names.items()]
    return {name: inner for name, inner in named if inner in table.STRINGS and inner != "xhtml"}


def _attachment(node: Node) -> Iterator[Issue]:
    data, size = node.value.get("data"), node.value.get("size")
    if data is None:
        return
    try:
        length = len(base64.b64decode("".join(data.split()), validate=True))
    except binascii.Error:
        yield Issue("error", "value", f"{node.path}.data", "not Base64")
        return
    if size is not None and size != length:
        yield Issue("error", "value", f"{node.path}.size", "not the size of the data")


def _coding(node: Node) -> Iterator[Issue]:
    system = node.value.get("system", "urn:a")
    if not bundled.ABSOLUTE.match(system):
        yield Issue("error", "value", f"{node.path}.system", "an absolute address is needed")
    elif system.startswith("http://hl7.org/fhir/ValueSet/"):
        yield Issue("error", "value", f"{node.path}.system", "a value set where a code system is needed")


def _observation(node: Node) -> Iterator[Issue]:
    yield from vital_signs.faults(node.value, node.path)


def _bundle(node: Node) -> Iterator[Issue]:
    yield from bundled.faults(node.value, node.path)


@lru_cache(maxsize=1)
def _own_parameters() -> dict[str, tuple[str, set[str]]]:
    """R4's own search parameters of the types we serve, by address: the kind and the types."""
    known: dict[str, tuple[str, set[str]]] = {}
    for type_, rows in defined.definitions().items():
        for row in rows.values():
            known.setdefault(_PARAMETER + row.id, (row.kind, set()))[1].add(type_)
    return known


def _search_parameter(node: Node) -> Iterator[Issue]:
    """One that is derived from R4's own has its kind and its types; a composite has parts."""
    value = node.value
    if value.get("type") == "composite" and len(value.get("component", ())) < 2:
        yield Issue("error", "required", f"{node.path}.component", "a composite has two parts or more")
    kind, types = _own_parameters().get(value.get("derivedFrom", ""), ("", set[str]()))
    if kind and value.get("type") != kind:
        yield Issue("error", "value", f"{node.path}.type", "not the type of what it is derived from")
    if kind and not types.issuperset(value.get("base", ())):
        yield Issue("error", "value", f"{node.path}.base", "a type that what it is derived from has not")


def _offered_parameter(node: Node) -> Iterator[Issue]:
    kind, _ = _own_parameters().get(node.value.get("definition", ""), ("", set[str]()))
    if kind and node.value.get("type") != kind:
        yield Issue("error", "value", f"{node.path}.type", "not the type that its definition has")


RULES: dict[str, tuple[Rule, ...]] = {
    "Attachment": (_attachment,),
    "Bundle": (_bundle,),
    "CapabilityStatementRestResourceSearchParam": (_offered_parameter,),
    "Coding": (_coding,),
    "Observation": (_observation,),
    "SearchParameter": (_search_parameter,),
}
"""THE TABLE of what is looked at, by type, beside R4's invariants (``STRICTER``), extensions and texts."""
