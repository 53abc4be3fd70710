"""The entries of a Bundle: each resource as it was sent, with the line where it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from gateway.fhir import files
from gateway.fhir.model import UNREADABLE


class _Request(msgspec.Struct, frozen=True):
    method: str = ""
    url: str = ""


class _Response(msgspec.Struct, frozen=True):
    lastModified: str = ""


class _Sent(msgspec.Struct):
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw()
    request: _Request = _Request()
    response: _Response = _Response()


class Bundle(msgspec.Struct, tag_field="resourceType", tag="Bundle"):
    """What is read of a Bundle."""

    timestamp: str = ""
    meta: msgspec.Raw = msgspec.Raw()
    entry: list[_Sent] = []


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``body`` is its resource's bytes as sent; ``method`` and ``url`` are its request's; ``modified`` is
    when a history says that it was changed."""

    line: int
    body: bytes = b""
    full_url: str = ""
    method: str = ""
    url: str = ""
    modified: str = ""

    @property
    def is_deletion(self) -> bool:
        return self.method == "DELETE"


_decoder = msgspec.json.Decoder(Bundle)


def read_bundle(body: bytes) -> Bundle | None:
    """Return the Bundle, or None for a single resource and for what is not readable."""
    try:
        return _decoder.decode(body)
    except UNREADABLE:
        return None


def entries(bundle: Bundle, line: int, body: bytes) -> Iterator[Entry]:
    """Yield the entries of a Bundle that begins at ``line``, each with the line at which its resource begins."""
    resources = [bytes(sent.resource) for sent in bundle.entry]
    for sent, resource, at in zip(bundle.entry, resources, files.places(line, body, resources)):
        yield Entry(at, resource, sent.fullUrl, sent.request.method, sent.request.url, sent.response.lastModified)
