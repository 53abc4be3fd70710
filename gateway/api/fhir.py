"""The FHIR interactions read, vread, history and search. Each parses, asks ``records`` and wraps the answer.

They are defined in https://hl7.org/fhir/R4/http.html.
"""

from __future__ import annotations

import re
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, paging
from gateway.api.answer import Form, version_headers
from gateway.api.auth import Known
from gateway.errors import Invalid, NotFound, Unsupported
from gateway.fhir import bundle, model, params
from gateway.fhir.parse import known, local, parse
from gateway.fhir.subset import NAMES, WHOLE, Subset, subset
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller

router = APIRouter(prefix="/fhir")
_VERSION = re.compile(r"[0-9]{1,9}\Z")
_TAG = re.compile(r'(?:W/)?"([^"]*)"|(\*)')


def supported(resource_type: str) -> str:
    """Return the type. Raises ``NotFound`` for one that is not served, and names it only if it is a type of R4: any
    other word may be a value in the wrong place."""
    if resource_type not in params.SEARCHABLE:
        raise NotFound(f"resource type {resource_type}" if resource_type in model.RESOURCE_TYPES else "resource type")
    return resource_type


@router.get("/{resource_type}/{id_}")
async def read(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#read: the current version.

    SQLite finds one resource in less time than a switch to a thread takes, and threads that use it wait for one
    another. So this, the most frequent request, stays on the event loop, which waits only for the audit.
    """
    if id_ == "_history":
        raise Unsupported("a history of a type: ask for one resource's, or for what changed of a person ($everything)")
    form, part = _plain(request, resource_type)
    door = request.app.state.door
    ask = partial(records.read, door, caller, supported(resource_type), id_, request.state.id)
    sealed = await run_in_threadpool(ask) if door.store.postgres else ask()
    (current,) = await sealed.opened()
    if _has(request, current):
        return Response(status_code=304, headers=_tags(current))
    if form.is_as_made and part is WHOLE:
        return form.answer(current.body, _tags(current))
    return await run_in_threadpool(lambda: form.answer(part.part(current.body, current.type), _tags(current)))


@router.get("/{resource_type}/{id_}/_history/{version}")
def vread(resource_type: str, id_: str, version: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#vread: one version by its number."""
    form, part = _plain(request, resource_type)
    type_ = supported(resource_type)
    older = records.vread(request.app.state.door, caller, type_, id_, number_of(type_, version), request.state.id)
    return form.answer(part.part(older.body, type_), _tags(older))


def number_of(resource_type: str, version: str) -> int:
    """The number of a version. Raises ``NotFound`` for what is none."""
    if not _VERSION.match(version):
        raise NotFound(resource_type)
    return int(version)


@router.get("/{resource_type}/{id_}/_history")
def history(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#history: every version of one resource, or those since a moment, in pages."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    paging.read(pairs)
    part = subset(supported(resource_type), pairs)
    versions = records.history(request.app.state.door, caller, resource_type, id_, request.state.id)
    return form.answer(_history(request, resource_type, id_, versions, part))


@router.get("/{resource_type}")
def find(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#search: a page of the resources of one type that match."""
    return _search(request, caller, supported(resource_type), asked.in_query(request))


@router.post("/{resource_type}/_search")
async def find_by_post(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#search: the same search with its parameters in the body, where no log keeps
    them. The body is read when the role may search, and in a thread."""
    return await _search_by_post(request, caller, supported(resource_type))


@router.get("/{resource_type}/{id_}/{inner}")
def find_of_patient(resource_type: str, id_: str, inner: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#vsearch: a search of one type in a Patient's compartment.

    Of the compartment's ways to belong to a Patient we take the one that says whom a resource is about.
    """
    type_ = in_compartment(resource_type, inner)
    return _search(request, caller, type_, [("patient", f"Patient/{id_}"), *asked.in_query(request)])


@router.post("/{resource_type}/{id_}/{inner}/_search")
async def find_of_patient_by_post(
    resource_type: str, id_: str, inner: str, request: Request, caller: Known
) -> Response:
    """https://hl7.org/fhir/R4/http.html#vsearch: the same search of a compartment with its parameters in the body."""
    type_ = in_compartment(resource_type, inner)
    return await _search_by_post(request, caller, type_, ("patient", f"Patient/{id_}"))


def in_compartment(resource_type: str, inner: str) -> str:
    """Return the type that is searched in a compartment. Raises ``NotFound`` for any compartment but a Patient's."""
    if resource_type != "Patient" or not params.about(inner):
        raise NotFound("no such interaction")
    return inner


async def _search_by_post(request: Request, caller: Caller, type_: str, *pairs: tuple[str, str]) -> Response:
    await run_in_threadpool(
        records.refuse_early, request.app.state.door, caller, Act("search", type_), request.state.id
    )
    sent = await asked.form_body(request)
    return await run_in_threadpool(lambda: _search(request, caller, type_, [*pairs, *asked.in_form(request, sent)]))


def _search(request: Request, caller: Caller, resource_type: str, pairs: list[tuple[str, str]]) -> Response:
    form = Form(request, pairs)
    return form.answer(page_of(request, caller, resource_type, pairs))


def page_of(request: Request, caller: Caller, resource_type: str, pairs: list[tuple[str, str]]) -> bytes:
    """The page of a search, in JSON."""
    part = subset(resource_type, pairs)
    query = parse(resource_type, local(resource_type, pairs, _base(request)), is_lenient=_is_lenient(request))
    page = records.search(request.app.state.door, caller, query, request.state.id)
    return bundle.searchset(
        _base(request),
        query,
        _parts(page.matches, part),
        _parts(page.included, part),
        page.next,
        page.total,
        page.here,
        page.notes,
    )


def _history(request: Request, resource_type: str, id_: str, versions: list[records.Found], part: Subset) -> bytes:
    pairs = asked.in_query(request)
    page = paging.read(pairs)
    nexts = [None, *(version.updated for version in versions)]
    since = [
        version
        for version, until in zip(versions, nexts)
        if page.is_since(version.updated) and page.is_at(version.updated, until)
    ]
    places, links = page.cut([version.version for version in since])
    shown = [] if part.is_count else _parts([since[place] for place in places], part)
    if part.is_count:
        links = links[:1]
    return bundle.history(_base(request), resource_type, id_, shown, len(since), links)


def _parts(versions: list[records.Found], part: Subset) -> list[records.Found]:
    """The versions, of each the part that is asked for."""
    if part is WHOLE:
        return versions
    return [replace(version, body=part.part(version.body, version.type)) for version in versions]


def _plain(request: Request, resource_type: str) -> tuple[Form, Subset]:
    """Return the form of the answer to a read, and the part of the resource that is asked for."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    known(pairs, *NAMES)
    part = subset(supported(resource_type), pairs)
    if part.is_count:
        raise Invalid("parameter _summary: there is nothing to count")
    return form, part


def _is_lenient(request: Request) -> bool:
    """Whether the client wants what we do not know to be left out (https://hl7.org/fhir/R4/search.html#errors)."""
    wishes = ",".join(request.headers.getlist("prefer")).lower().replace(" ", "").replace(";", ",")
    return "handling=lenient" in wishes.split(",")


def _base(request: Request) -> str:
    base: str = request.app.state.base
    return base


def _has(request: Request, current: records.Found) -> bool:
    """Whether the client says it has this version (RFC 9110: one tag, a list of them, or ``*``; compared weakly), or,
    where it names no tag, whether nothing has changed since the moment that it names."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return any(star or tag == str(current.version) for tag, star in _TAG.findall(tags))
    since = _moment(request.headers.get("if-modified-since", ""))
    second = current.updated // 1_000_000
    # A moment is a whole second, in which there may have been two versions: the later one would not be sent.
    return since is not None and (second < since or second == since and current.version == 1)


def _moment(text: str) -> int | None:
    """A date of HTTP in seconds since 1970; None for what is none, which RFC 9110 §13.1.3 has ignored."""
    try:
        moment = parsedate_to_datetime(text)
        return int(moment.timestamp()) if moment.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError):  # the library raises each of them
        return None


def _tags(version: records.Found) -> dict[str, str]:
    return {**version_headers(version), "Cache-Control": "no-store"}
