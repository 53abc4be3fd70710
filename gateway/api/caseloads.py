"""The list of people in the care of the caller's organisation, as a Group, and what has changed of their records."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.parameters import Pairs
from gateway.care import follow
from gateway.errors import Invalid, Unsupported
from gateway.fhir import build, bundle
from gateway.fhir.parse import known, page_size
from gateway.fhir.portion import portion
from gateway.fhir.search import Query
from gateway.fhir.subset import NAMES, Subset, subset
from gateway.nhs.caseload import ACT, CRITERIA
from gateway.nhs.roles import DIRECTORY, Caller

router = APIRouter(prefix="/fhir")
CHANGES = ("_type", "_count", "_cursor")
TO_COME = "monitor"
"""The relation of the link by which what changes from now on is asked for (IANA's registry: a resource that can be used
to monitor changes)."""


@router.get("/Group")
def caseloads(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/group.html: the caseload of the caller's organisation, which is the only Group there is
    for them."""
    return _search(request, caller, asked.in_query(request))


@router.post("/Group/_search")
async def caseloads_by_post(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#search: the same search with its parameters in the body."""
    await run_in_threadpool(records.refuse_early, request.app.state.door, caller, ACT, request.state.id)
    sent = await asked.form_body(request)
    return await run_in_threadpool(lambda: _search(request, caller, asked.in_form(request, sent)))


@router.get("/Group/{id_}")
def caseload(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#read: a caseload, with the people who are on it now."""
    pairs = asked.in_query(request)
    form, part = Form(request, pairs), _part(pairs)
    known(pairs, *NAMES)
    if part.is_count:
        raise Invalid("parameter _summary: there is nothing to count")
    (group,) = records.caseloads(request.app.state.door, caller, request.state.id, id_)
    body = part.part(build.encode(group), "Group")
    written = hashlib.sha256(f"{form.kind} {form.is_pretty} ".encode() + body)
    tag = f'W/"{written.hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-store"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return form.answer(body, headers)


@router.get("/Group/{id_}/$changes")
def changes(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/bundle.html#history: what has changed of the people on a caseload since a cursor: first
    all of it, then what is new, other than it was, or gone."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    known(pairs, *CHANGES)
    wanted = portion(pairs)
    if wanted.types is not None and wanted.types & DIRECTORY:
        raise Unsupported("parameter _type: a type that is about nobody")
    shown = [pair for pair in pairs if pair[0] != "_cursor"]
    answer, cursor = follow(
        request.app.state.door, caller, id_, wanted.types, wanted.count, wanted.parameters, wanted.cursor,
        request.state.id,
    )  # fmt: skip
    links = [("self", wanted.cursor or "")]
    links.append(("next" if answer.has_more else TO_COME, cursor))
    body = bundle.changes(
        request.app.state.base, f"Group/{id_}/$changes", shown,
        None if answer.group is None else build.encode(answer.group),
        [(gone.type, gone.id) for gone in answer.gone], answer.now, links,
    )  # fmt: skip
    return form.answer(body, {"Cache-Control": "no-store"})


def _search(request: Request, caller: Caller, pairs: Pairs) -> Response:
    form, part = Form(request, pairs), _part(pairs)
    known(pairs, *CRITERIA, "_count", *NAMES)
    sizes = [page_size(value) for name, value in pairs if name == "_count"]
    criteria = [pair for pair in pairs if pair[0] in CRITERIA]
    groups = records.caseloads(request.app.state.door, caller, request.state.id, criteria=criteria)
    matches = [records.Found("Group", group["id"], 0, 0, part.part(build.encode(group), "Group")) for group in groups]
    query = Query("Group", parameters=tuple(pairs))
    is_counted = part.is_count or sizes[-1:] == [0]
    return form.answer(
        bundle.searchset(request.app.state.base, query, [] if is_counted else matches, [], None, len(matches))
    )


def _part(pairs: Pairs) -> Subset:
    return subset("Group", pairs)
