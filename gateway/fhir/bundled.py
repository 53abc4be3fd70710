"""What makes a Bundle one: addresses of its entries, links, the results of a search, and what a document refers to.

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gateway.fhir import paths
from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table

ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S")
_TYPES = "|".join(sorted(table.resource_types()))
_REST = re.compile(rf"(https?://.+)/({_TYPES})/({table.ID})(?:/_history/{table.ID})?\Z")
"""The address of a resource on a server: base, type, id."""
_RELATIVE = re.compile(rf"({_TYPES})/({table.ID})(?:/_history/({table.ID}))?\Z")
PAGES = frozenset({"first", "previous", "prev", "next", "last"})
"""Links that lead to other pages of a search or a history."""
ONCE = PAGES | {"self"}
PAGED = frozenset({"searchset", "history"})
UNADDRESSED = frozenset({"batch", "transaction", "batch-response", "transaction-response"})
"""Bundles whose entries need no address: what they hold has none yet."""
REFERRED = {
    "document": ("Composition", (
        "subject", "encounter", "author", "attester.party", "custodian", "event.detail", "section.author", "section.focus", "section.entry",
    )),
    "message": ("MessageHeader", ("focus",)),
}  # fmt: skip
"""What a document or message must hold itself: the references of its first resource."""

Node = dict[str, Any]


def faults(bundle: Node, place: str) -> Iterator[Issue]:
    """What is wrong with a Bundle as a whole; its resources are looked at one by one elsewhere."""
    yield from _links(bundle, place)
    for index, entry in enumerate(bundle.get("entry", ())):
        yield from _address(bundle.get("type", ""), entry, f"{place}.entry[{index}]")
    if bundle.get("type") == "searchset":
        yield from _results(bundle, place)
    if bundle.get("type") in REFERRED and bundle.get("entry"):
        yield from _held(bundle, place)


def _links(bundle: Node, place: str) -> Iterator[Issue]:
    counts = Counter(link.get("relation") for link in bundle.get("link", ()))
    for relation in sorted(ONCE & counts.keys()):
        if counts[relation] > 1:
            yield Issue("error", "value", f"{place}.link", f"the link {relation} is there more than once")
        if relation in PAGES and bundle.get("type") not in PAGED:
            yield Issue("error", "value", f"{place}.link", f"the link {relation} is only for a search or a history")


def _address(kind: str, entry: Node, place: str) -> Iterator[Issue]:
    """The ``fullUrl`` is there, is absolute, and is the address of the resource."""
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if url is None:
        if kind not in UNADDRESSED and resource is not None and "_fullUrl" not in entry:
            yield Issue("error", "required", f"{place}.fullUrl", "a required element is missing")
        return
    if not ABSOLUTE.match(url):
        yield Issue("error", "value", f"{place}.fullUrl", "an absolute address is needed")
    rest = _REST.match(url)
    if rest and resource and "id" in resource and (rest[2], rest[3]) != (resource["resourceType"], resource["id"]):
        yield Issue("error", "value", f"{place}.fullUrl", "not the type and the id of the resource")


def _results(bundle: Node, place: str) -> Iterator[Issue]:
    """What a search found is of the type that it asked for, and has an id."""
    wanted = _wanted(bundle)
    for index, entry in enumerate(bundle.get("entry", ())):
        resource, mode = entry.get("resource", {}), entry.get("search", {}).get("mode", "")
        type_, at = resource.get("resourceType"), f"{place}.entry[{index}].resource"
        if mode == "outcome":
            if type_ != "OperationOutcome":
                yield Issue("error", "value", at, "an OperationOutcome is needed here")
        elif resource and type_ != "OperationOutcome" or mode == "match":
            if "id" not in resource:
                yield Issue("error", "required", f"{at}.id", "a result of a search has an id")
            if mode == "match" and wanted and type_ not in wanted:
                yield Issue("error", "value", at, "not of a type that the search asked for")


def _wanted(bundle: Node) -> frozenset[str]:
    """The types that the search asked for, as its own link says; none where that does not say."""
    links = [link.get("url", "") for link in bundle.get("link", ()) if link.get("relation") == "self"]
    if not links:
        return frozenset()
    try:
        parts = urlsplit(links[0])
        named = {name for value in parse_qs(parts.query).get("_type", ()) for name in value.split(",")}
    except ValueError:
        return frozenset()
    last = parts.path.rstrip("/").rpartition("/")[2]
    return frozenset(named or {last}) & table.resource_types()


def _held(bundle: Node, place: str) -> Iterator[Issue]:
    """What the first resource refers to is in the Bundle, and there once."""
    name, elements = REFERRED[bundle["type"]]
    first = bundle["entry"][0]
    resource = first.get("resource", {})
    if resource.get("resourceType") != name:
        return
    held = [
        (entry.get("fullUrl", ""), entry.get("resource", {}).get("meta", {}).get("versionId"))
        for entry in bundle["entry"]
    ]
    for element in elements:
        for reference in _references(resource, element):
            times = _matches(reference, first.get("fullUrl", ""), held)
            if times != 1:
                words = "is not in this Bundle" if not times else "is in this Bundle more than once"
                yield Issue(
                    "error", "not-found", f"{place}.entry[0].resource.{element}", f"what is referred to {words}"
                )


def _references(resource: Node, element: str) -> list[str]:
    """The references of an element, those of sections within sections too."""
    head, _, rest = element.partition(".")
    if head != "section":
        return paths.references(resource, paths.path(element))
    sections = list(resource.get("section", ()))
    for section in sections:
        sections += section.get("section", ())
    return [reference for section in sections for reference in paths.references(section, paths.path(rest))]


def _matches(reference: str, source: str, held: list[tuple[str, str | None]]) -> int:
    """How many entries a reference leads to; 1 for a local one, which is looked for elsewhere."""
    if reference.startswith("#"):
        return 1
    url, _, version = reference.partition("/_history/")
    if _RELATIVE.match(url):
        rest = _REST.match(source)
        if not rest:
            return 0
        url = f"{rest[1]}/{url}"
    return sum(address == url and (not version or version == number) for address, number in held)
