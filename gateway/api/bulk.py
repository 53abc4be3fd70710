"""Bulk data: ``$export`` kick-off, status, files and cancellation, for system clients bound to one approved project.

The operation is https://hl7.org/fhir/uv/bulkdata/STU2/export.html.
"""

from __future__ import annotations

import re

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from gateway import records
from gateway.api import asked, parameters
from gateway.api.auth import Known
from gateway.errors import Invalid, Unsupported
from gateway.export import chosen, client
from gateway.fhir.parse import named
from gateway.fhir.r4 import table
from gateway.nhs.roles import Caller

router = APIRouter(prefix="/fhir")
VALUES: parameters.Values = {
    "_type": ("valueString", "valueCode"), "_outputFormat": ("valueString",), "_typeFilter": ("valueString",),
    "_elements": ("valueString",),
}  # fmt: skip
_NEXT_FILTER = re.compile(r",(?=[A-Z][A-Za-z]*\?)")
"""Commas part the filters of one parameter, and the values within a filter: some clients encode those once more."""
FORMATS = {"application/fhir+ndjson", "application/fhir ndjson", "application/ndjson", "ndjson"}
"""A plus sign that a client did not encode arrives as a space."""


@router.get("/$export")
@router.get("/Patient/$export")
def kick_off(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request: start an export for the caller's
    project. Answers 202 with the address of its status."""
    return _start(request, caller, asked.in_query(request))


@router.post("/$export")
@router.post("/Patient/$export")
async def kick_off_in_body(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request: the same, with the parameters in a
    Parameters resource."""
    door, id_ = request.app.state.door, request.state.id
    await run_in_threadpool(lambda: client.refuse(door, caller, id_))
    sent = await asked.body(request, parameters.most(request))
    return await run_in_threadpool(lambda: _start(request, caller, parameters.in_body(request, sent, VALUES)))


def _start(request: Request, caller: Caller, pairs: parameters.Pairs) -> Response:
    preferences = {text.strip() for text in re.split(r"[,;]", request.headers.get("prefer", "").lower())}
    if "respond-async" not in preferences:
        raise Invalid("Prefer: respond-async is needed")
    is_lenient = "handling=lenient" in preferences
    ignored = tuple(dict.fromkeys(named(name) for name, _ in pairs if name not in VALUES))
    if ignored and not is_lenient:
        raise Unsupported(ignored[0])
    if any(value not in FORMATS for value in _listed(pairs, "_outputFormat")):
        raise Invalid("_outputFormat")
    request.app.state.rates.count_export(caller)
    asked_types = _listed(pairs, "_type")
    if not asked_types and any(name == "_type" for name, _ in pairs):
        raise Invalid("_type: no type is named")  # no types at all would be every type
    types = _known(asked_types, is_lenient=is_lenient)
    filters = [text for name, value in pairs if name == chosen.TYPE_FILTER for text in _NEXT_FILTER.split(value)]
    wish = chosen.Wish(tuple(filters), tuple(_listed(pairs, chosen.ELEMENTS)), ignored)
    state = request.app.state
    job = client.start(state.door, state.settings.optout_days, caller, types, request.state.id, _url(request), wish)
    return Response(status_code=202, headers={"Content-Location": f"{state.base}/bulk/{job}"})


def _listed(pairs: parameters.Pairs, name: str) -> list[str]:
    """The values of a parameter, which may be repeated, separated by commas, or both."""
    return [text for key, value in pairs if key == name for text in value.split(",") if text]


def _known(types: list[str], *, is_lenient: bool) -> tuple[str, ...]:
    """The types that FHIR has. One that it has not is refused, or ignored where the client prefers that; if none is
    left, it is refused in any case, because no types are all types."""
    known = tuple(name for name in types if name in table.resource_types())
    if types and not known or (len(known) < len(types) and not is_lenient):
        raise Unsupported("_type")
    return known


def _url(request: Request) -> str:
    """The whole address of the request, as the client reaches it."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.app.state.base}{request.url.path.removeprefix('/fhir')}{query}"


@router.get("/bulk/{job}")
def status(job: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request: 202 with the progress while the
    export runs, the manifest when it is released."""
    standing = client.status(request.app.state.door, caller, job, request.state.id)
    if standing.manifest is None:
        return Response(status_code=202, headers={"X-Progress": standing.progress, "Retry-After": "2"})
    base = f"{request.app.state.base}/bulk/{job}"
    manifest = {
        **standing.manifest,
        **{
            name: [{**line, "url": f"{base}/{line['url']}"} for line in standing.manifest[name]]
            for name in ("output", "error")
        },
    }
    return Response(
        msgspec.json.encode(manifest),
        media_type="application/json; charset=utf-8",
        headers={"Expires": standing.expires},
    )


@router.get("/bulk/{job}/{name}")
def download(job: str, name: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request: one file of a release. Every
    download is authorised again, checked against the opt-outs of now, and audited."""
    state = request.app.state
    file = client.file(state.door, state.settings.optout_days, caller, job, name, request.state.id)
    # Of the release, not of the file: its own times and size would tell when a part was cut again.
    headers = {"ETag": f'"{file.sha256}"', "Last-Modified": records.http_date(file.released)}
    return FileResponse(file.path, headers=headers, media_type="application/fhir+ndjson")


@router.delete("/bulk/{job}")
def cancel(job: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request: cancel a running export, or delete
    the files of a released one."""
    client.cancel(request.app.state.door, caller, job, request.state.id)
    return Response(status_code=202)
