"""The FHIR interactions: read, vread, history and search. Each parses, asks ``records`` and wraps the answer."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from gateway import records
from gateway.api.auth import Known
from gateway.api.errors import FHIR_JSON
from gateway.errors import Invalid, NotFound, TooLarge, Unsupported
from gateway.fhir import bundle, params
from gateway.fhir.parse import parse

router = APIRouter(prefix="/fhir")
FORM = "application/x-www-form-urlencoded"
PAIRS = 50


def supported(resource_type: str) -> str:
    """The type, or the answer that there is no such thing here."""
    if resource_type not in params.SEARCHABLE:
        raise Unsupported("resource type")
    return resource_type


@router.get("/{resource_type}/{id_}")
def read(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    found = records.read(request.app.state.door, caller, supported(resource_type), id_, request.state.id)
    if request.headers.get("if-none-match") == f'W/"{found.version}"':
        return Response(status_code=304, headers=_tags(found))
    return Response(found.body, headers=_tags(found), media_type=FHIR_JSON)


@router.get("/{resource_type}/{id_}/_history/{version}")
def vread(resource_type: str, id_: str, version: str, request: Request, caller: Known) -> Response:
    if not version.isdigit() or len(version) > 9:
        raise NotFound("version")
    found = records.vread(request.app.state.door, caller, supported(resource_type), id_, int(version), request.state.id)
    return Response(found.body, headers=_tags(found), media_type=FHIR_JSON)


@router.get("/{resource_type}/{id_}/_history")
def history(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    found = records.history(request.app.state.door, caller, supported(resource_type), id_, request.state.id)
    return Response(bundle.history(_base(request), resource_type, id_, found), media_type=FHIR_JSON)


@router.get("/{resource_type}")
def find(resource_type: str, request: Request, caller: Known) -> Response:
    return _search(request, caller, supported(resource_type), _pairs(request.url.query))


@router.post("/{resource_type}/_search")
async def find_by_post(resource_type: str, request: Request, caller: Known) -> Response:
    """The same search with its parameters in the body, where no log keeps them."""
    if request.headers.get("content-type", "").split(";")[0].strip() != FORM:
        raise Invalid("content-type")
    body = (await request.body()).decode("utf-8", "replace")
    from starlette.concurrency import run_in_threadpool

    pairs = _pairs(request.url.query) + _pairs(body)
    return await run_in_threadpool(_search, request, caller, supported(resource_type), pairs)


def _search(request: Request, caller, resource_type: str, pairs: list[tuple[str, str]]) -> Response:
    query = parse(resource_type, pairs)
    page = records.search(request.app.state.door, caller, query, request.state.id)
    body = bundle.searchset(_base(request), query, page.matches, page.included, page.next, page.total)
    return Response(body, media_type=FHIR_JSON)


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=PAIRS, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("encoding of the parameters") from None
    except ValueError:
        raise TooLarge("too many parameters, or one that cannot be read") from None


def _base(request: Request) -> str:
    return request.app.state.base


def _tags(found: records.Found) -> dict[str, str]:
    return {"ETag": f'W/"{found.version}"', "Last-Modified": records.http_date(found.updated), "Cache-Control": "no-store"}
