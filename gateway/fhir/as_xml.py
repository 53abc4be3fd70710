"""FHIR XML: a resource from JSON to XML and back, by the table of R4's types.

Source: https://hl7.org/fhir/R4/xml.html and json.html. Order, decimals and ``_element`` siblings are kept; XHTML stays
as it is. Nothing is validated here: what comes of XML is checked as any JSON is.

>>> to_xml(b'{"resourceType":"Basic","id":"a","code":{"text":"<b>"}}')
b'<Basic xmlns="http://hl7.org/fhir"><id value="a"/><code><text value="&lt;b&gt;"/></code></Basic>'
>>> to_json(_)
b'{"resourceType":"Basic","id":"a","code":{"text":"<b>"}}'
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any
from xml.etree.ElementTree import Element as Node
from xml.etree.ElementTree import ParseError, tostring
from xml.sax.saxutils import escape

import msgspec
from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from gateway.errors import Invalid
from gateway.fhir.r4.table import INTEGERS, PRIMITIVES, Element, Type, types

FHIR, XHTML = "http://hl7.org/fhir", "http://www.w3.org/1999/xhtml"
INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
"""The namespace of ``xsi:schemaLocation``, which files name and nobody needs."""
DEEPEST = 64
NUMBERS = frozenset({"decimal", *INTEGERS})
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
"""A number of JSON. What is none stays a text, which the check of the resource refuses by its place."""
KEPT = frozenset({"amp", "lt", "gt", "quot", "apos"})
ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
ESCAPED = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
STEP = "  "


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


# To XML


def to_xml(resource: bytes, pretty: bool = False) -> bytes:
    """Return a resource in JSON as XML. Raises ``Invalid`` naming an element that R4 does not have, or XHTML that is
    not well-formed."""
    decoded = json.loads(resource, parse_float=_Number, parse_int=_Number)
    parts = list(_resource(decoded, f' xmlns="{FHIR}"', "\n" if pretty else ""))
    return "".join(parts).strip().encode()


def _resource(resource: dict[str, Any], attributes: str, line: str) -> Iterator[str]:
    name = resource["resourceType"]
    yield f"{line}<{name}{attributes}>"
    yield from _children(resource, types()[name], line and line + STEP)
    yield f"{line}</{name}>"


def _children(node: dict[str, Any], type_: Type, line: str) -> Iterator[str]:
    """Yield the elements of a node in the order of its type."""
    names = set()
    for element in type_.elements:
        for name, kind in element.names.items():
            names |= {name, f"_{name}"}
            is_there = name in node or f"_{name}" in node
            if is_there and not _is_attribute(type_, name):
                yield from _element(name, kind, node.get(name), node.get(f"_{name}"), line)
    if unknown := node.keys() - names - {"resourceType"}:
        raise Invalid(f"{type_.name}: an element that R4 does not have ({len(unknown)})")


def _is_attribute(type_: Type, name: str) -> bool:
    """Whether XML has the element as an attribute: the id within a resource, the url of an extension."""
    return (name == "id" and not type_.is_resource) or (name == "url" and type_.name == "Extension")


def _element(name: str, kind: str, value: Any, sibling: Any, line: str) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    siblings = sibling if isinstance(sibling, list) else [sibling]
    for item, beside in zip_longest(values, siblings):
        if kind == "xhtml":
            yield line + _xhtml(item)
        elif kind == "Resource":
            yield f"{line}<{name}>"
            yield from _resource(item, "", line and line + STEP)
            yield f"{line}</{name}>"
        elif kind in PRIMITIVES:
            yield from _node(name, "Element", beside or {}, _attribute("value", item), line)
        else:
            yield from _node(name, kind, item, "", line)


def _node(name: str, kind: str, node: dict[str, Any], attributes: str, line: str) -> Iterator[str]:
    type_ = types()[kind]
    own = _attribute("id", node.get("id"))
    if type_.name == "Extension":
        own += _attribute("url", node.get("url"))
    inner = list(_children(node, type_, line and line + STEP))
    if inner:
        yield f"{line}<{name}{own}{attributes}>"
        yield from inner
        yield f"{line}</{name}>"
    else:
        yield f"{line}<{name}{own}{attributes}/>"


def _attribute(name: str, value: Any) -> str:
    """An attribute, or nothing. Line ends and tabs are escaped: a reader of XML would make spaces of them."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f' {name}="{escape(text, ESCAPED)}"'


def _xhtml(div: str) -> str:
    """A narrative as it stands, but that entities of HTML become the characters: XML knows five."""
    text = ENTITY.sub(lambda match: match[0] if match[1] in KEPT else html.unescape(match[0]), div)
    _parsed(text.encode(), "text.div")
    return text


# To JSON


def to_json(document: bytes) -> bytes:
    """Return a resource in XML as JSON. Raises ``Invalid`` naming the place of what is not FHIR XML: a DTD or an
    entity, another namespace, an element that R4 does not have or has once, words outside of values."""
    root = _parsed(document, "XML")
    return msgspec.json.encode(_read_resource(root, 0))


def _parsed(document: bytes, place: str) -> Node:
    try:
        root: Node = fromstring(document, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise Invalid(f"{place}: not well-formed, or with a DTD or an entity of its own") from None
    _bound(root)
    return root


def _bound(root: Node) -> None:
    """Raise ``Invalid`` for a document that is deeper than any resource, its XHTML included. It does not go down
    itself."""
    level, depth = [root], 0
    while level:
        level, depth = [child for node in level for child in node], depth + 1
        if depth > 2 * DEEPEST:
            raise Invalid("XML: too deep")


def _name(node: Node, namespace: str = FHIR) -> str:
    """The name of a node, "" for one of another namespace, a comment or an instruction."""
    prefix = f"{{{namespace}}}"
    return node.tag[len(prefix) :] if isinstance(node.tag, str) and node.tag.startswith(prefix) else ""


def _read_resource(node: Node, depth: int) -> dict[str, Any]:
    name = _name(node)
    type_ = types().get(name)
    if type_ is None or not type_.is_resource:
        raise Invalid("XML: a resource type that R4 does not have")
    _no_words(node, name)
    if any(not attribute.startswith(INSTANCE) for attribute in node.attrib):
        raise Invalid(f"{name}: an attribute")
    return {"resourceType": name, **_read_children(node, type_, name, depth)}


def _read_children(node: Node, type_: Type, path: str, depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise Invalid("XML: too deep")
    elements = _by_name(type_)
    read: dict[str, Any] = {}
    for child in node:
        if not isinstance(child.tag, str):
            continue  # a comment
        name = _name(child) or _name(child, XHTML)
        if name not in elements or _is_attribute(type_, name):
            raise Invalid(f"{path}: an element that R4 does not have there")
        element, kind = elements[name]
        value, beside = _read_element(child, kind, f"{path}.{name}", depth + 1)
        _put(read, name, element.is_many, value, beside, f"{path}.{name}")
    return {name: value for name, value in read.items() if not (isinstance(value, list) and all(v is None for v in value))}  # fmt: skip


def _by_name(type_: Type) -> dict[str, tuple[Element, str]]:
    return {name: (element, kind) for element in type_.elements for name, kind in element.names.items()}


def _put(read: dict[str, Any], name: str, is_many: bool, value: Any, beside: Any, path: str) -> None:
    """Add a value, and what stands beside it, under its name."""
    if is_many:
        read.setdefault(name, []).append(value)
        read.setdefault(f"_{name}", []).append(beside)
    elif name in read or f"_{name}" in read:
        raise Invalid(f"{path}: twice")
    else:
        read.update({key: what for key, what in ((name, value), (f"_{name}", beside)) if what is not None})


def _read_element(node: Node, kind: str, path: str, depth: int) -> tuple[Any, Any]:
    """The value of a node, and for a primitive what stands beside it."""
    if kind == "xhtml":
        return _read_xhtml(node), None
    _no_words(node, path)
    if kind == "Resource":
        inner = [child for child in node if isinstance(child.tag, str)]
        if len(inner) != 1:
            raise Invalid(f"{path}: one resource is needed")
        return _read_resource(inner[0], depth), None
    is_primitive = kind in PRIMITIVES
    type_ = types()["Element" if is_primitive else kind]
    allowed = {"id", *(("value",) if is_primitive else ()), *(("url",) if type_.name == "Extension" else ())}
    if node.attrib.keys() - allowed:
        raise Invalid(f"{path}: an attribute that R4 does not have there")
    attributes: dict[str, Any] = {key: node.attrib[key] for key in ("id", "url") if key in node.attrib}
    whole = {**attributes, **_read_children(node, type_, path, depth)}
    return (_value(node.attrib.get("value"), kind), whole or None) if is_primitive else (whole, None)


def _value(text: str | None, kind: str) -> Any:
    if text is None:
        return None
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return msgspec.Raw(text.encode()) if kind in NUMBERS and NUMBER.match(text) else text


def _read_xhtml(node: Node) -> str:
    """The XHTML of a node without prefixes, its namespace stated once."""
    for inner in node.iter():
        if isinstance(inner.tag, str):
            inner.tag = _name(inner, XHTML) or inner.tag
    node.set("xmlns", XHTML)
    node.tail = None
    return tostring(node, encoding="unicode")


def _no_words(node: Node, path: str) -> None:
    """Raise ``Invalid`` for words that stand in no value."""
    if any((text or "").strip() for text in (node.text, *(child.tail for child in node))):
        raise Invalid(f"{path}: words outside of a value")
