"""What a batch reads: each entry is answered as the same request by itself would be, with its own decision and audit.

https://hl7.org/fhir/R4/http.html#batch
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request

from gateway import records
from gateway.api import asked
from gateway.api.fhir import in_compartment, number_of, page_of, supported
from gateway.errors import Invalid, Unsupported
from gateway.fhir.parse import known
from gateway.fhir.subset import NAMES, subset
from gateway.nhs.roles import Caller

MOST_READ = 50
"""Reads of one batch: the limits on how often a caller may ask count each of them."""

Pairs = list[tuple[str, str]]


def answered(request: Request, caller: Caller, url: str) -> dict[str, Any]:
    """The response to an entry that reads ``url``, without its status. Raises what the same request by itself is
    refused with, ``Unsupported`` for what a batch does not ask for."""
    path, _, query = url.removeprefix(f"{request.app.state.base}/").partition("?")
    pairs = asked.pairs_of(query)
    match path.strip("/").split("/"):
        case [type_]:
            return _page(request, caller, supported(type_), pairs)
        case [type_, id_] if id_ not in ("_history", "_search") and not id_.startswith("$"):
            return _resource(request, caller, supported(type_), id_, "", pairs)
        case [type_, id_, "_history", version]:
            return _resource(request, caller, supported(type_), id_, version, pairs)
        case ["Patient", id_, inner] if not inner.startswith(("$", "_")):
            return _page(request, caller, in_compartment("Patient", inner), [("patient", f"Patient/{id_}"), *pairs])
    raise Unsupported("request.url: a resource, a version or a search")


def _page(request: Request, caller: Caller, type_: str, pairs: Pairs) -> dict[str, Any]:
    return {"resource": msgspec.Raw(page_of(request, caller, type_, pairs))}


def _resource(request: Request, caller: Caller, type_: str, id_: str, number: str, pairs: Pairs) -> dict[str, Any]:
    known(pairs, *NAMES)
    part = subset(type_, pairs)
    if part.is_count:
        raise Invalid("parameter _summary: there is nothing to count")
    door = request.app.state.door
    if number:
        version = records.vread(door, caller, type_, id_, number_of(type_, number), request.state.id)
    else:
        (version,) = records.read(door, caller, type_, id_, request.state.id).open()
    return {
        "fullUrl": f"{request.app.state.base}/{type_}/{id_}",
        "resource": msgspec.Raw(part.part(version.body, version.type)),
        "response": {"etag": f'W/"{version.version}"', "lastModified": records.instant(version.updated)},
    }
