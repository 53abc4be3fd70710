"""Operations on one person: the summary as a FHIR document or as a page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.auth import Known
from gateway.api.errors import FHIR_JSON
from gateway.errors import Invalid, Unsupported
from gateway.fhir import build
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.parse import known
from gateway.nhs import access, identifiers
from gateway.nhs.roles import Caller
from gateway.nhs.summary.record import Record
from gateway.summary import document, page

router = APIRouter(prefix="/fhir")
HTML = "text/html"


@router.get("/Patient/{id_}/$summary")
def summary(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the summary of the person of one Patient."""
    pairs = asked.in_query(request)
    asked.takes(request, pairs, HTML)
    known(pairs, "profile", "view")
    record = records.person(request.app.state.door, caller, request.state.id, id_=id_, view=_view(pairs))
    return _answer(request, record)


@router.get("/Patient/$summary")
def summary_by_number(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the summary of the person with an NHS number."""
    return _by_number(request, caller, asked.in_query(request))


@router.post("/Patient/$summary")
async def summary_by_number_in_body(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the same with the identifier in the body, where no
    log keeps it. The body is a form or a Parameters resource."""
    pairs = await asked.in_form(request) if asked.is_form(request) else _parameters(await asked.in_json(request))
    return await run_in_threadpool(_by_number, request, caller, pairs)


def _by_number(request: Request, caller: Caller, pairs: list[tuple[str, str]]) -> Response:
    asked.takes(request, pairs, HTML)
    known(pairs, "identifier", "profile", "view")
    values = [value for name, value in pairs if name == "identifier"]
    if len(values) != 1:
        raise Invalid("identifier")
    system, _, number = values[0].rpartition("|")
    number = identifiers.normalise(number)
    if system not in ("", NHS_NUMBER) or not identifiers.is_valid(number):
        raise Invalid("identifier")
    door, view = request.app.state.door, _view(pairs)
    return _answer(request, records.person(door, caller, request.state.id, number=number, view=view))


def _view(pairs: list[tuple[str, str]]) -> str:
    """Which document is asked for: what all sources hold (``shared``), or what the registered practice tells
    (``summary``)."""
    values = [value for name, value in pairs if name == "view"] or [access.SHARED]
    if len(values) != 1 or values[0] not in access.VIEWS:
        raise Invalid("view: shared or summary")
    return values[0]


def _parameters(body: bytes) -> list[tuple[str, str]]:
    try:
        resource = build.decode(body)
        return [_parameter(parameter) for parameter in resource["parameter"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("Parameters: identifier") from None


def _parameter(parameter: dict[str, Any]) -> tuple[str, str]:
    """One parameter as a form would hold it. An unknown one is refused without its name, which in a body may be
    anything."""
    if parameter["name"] == "view":
        return "view", parameter["valueCode"]
    if parameter["name"] != "identifier":
        raise Unsupported("Parameters: only identifier and view are known")
    identifier = parameter["valueIdentifier"]
    return "identifier", f"{identifier.get('system', '')}|{identifier['value']}"


def _answer(request: Request, record: Record) -> Response:
    accept = request.headers.get("accept", "")
    if HTML in accept and "json" not in accept:
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; "
            "base-uri 'none'"
        }
        return Response(page.summary_page(record), headers=headers, media_type=f"{HTML}; charset=utf-8")
    return Response(build.encode(document.summary_bundle(record, f"{request.app.state.base}/")), media_type=FHIR_JSON)
