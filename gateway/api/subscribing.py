"""Subscriptions of system clients: each route reads the request, asks ``notify`` and wraps the answer.

They are defined in https://hl7.org/fhir/R4/subscription.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.contributing import as_resource, expected_version
from gateway.errors import Invalid
from gateway.fhir import build
from gateway.fhir.parse import FORM, known
from gateway.nhs.roles import Caller
from gateway.notify import keeping
from gateway.notify.keeping import Keeper, Kept

router = APIRouter(prefix="/fhir")
Answer = Callable[[Request, Caller, Form, dict[str, Any]], Response]
SECRET = "Webhook-Secret"
"""The header in which a new subscription's secret is told, once."""


@router.post("/Subscription")
async def create(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#create: a new subscription of the caller's. The answer tells its secret, which
    is told only now."""
    if "if-none-exist" in request.headers:
        raise Invalid("if-none-exist: not supported here")
    return await _with_body(request, caller, _create)


@router.get("/Subscription/{id_}")
def read(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#read: one of the caller's own subscriptions."""
    form = _form(request, caller)
    row = _keeper(request).read(caller, id_, request.state.id)
    return form.answer(build.encode(keeping.resource_of(row)), _headers(row))


@router.get("/Subscription/{id_}/$status")
def status(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-status.html: how one of
    the caller's own subscriptions stands."""
    form = _form(request, caller)
    row = _keeper(request).read(caller, id_, request.state.id)
    return form.answer(build.encode(keeping.status_of(row)))


@router.get("/Subscription")
def search(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#search: the caller's own subscriptions that match."""
    form = _form(request, caller, *keeping.PARAMETERS)
    pairs = [pair for pair in asked.in_query(request) if pair[0] not in FORM]
    base = request.app.state.base
    rows = _keeper(request).search(caller, pairs, request.state.id)
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{base}/Subscription/{row.id}",
            "resource": keeping.resource_of(row),
            "search": {"mode": "match"},
        }
        for row in rows
    ]
    said = [pair for pair in pairs if pair[0] != "criteria"]  # they may name a person, whom no address names
    url = f"{base}/Subscription" + (f"?{urlencode(said)}" if said else "")
    searchset = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(rows),
        "link": [{"relation": "self", "url": url}],
    }
    return form.answer(build.encode({**searchset, **({"entry": entries} if entries else {})}))


@router.put("/Subscription/{id_}")
async def update(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#update: the status, end, reason or contact of one of the caller's own."""

    def change(request: Request, caller: Caller, form: Form, resource: dict[str, Any]) -> Response:
        if resource.get("id") != id_:
            raise Invalid("Subscription.id: not the id of the address")
        expected = expected_version(request.headers.getlist("if-match"))
        row = _keeper(request).update(caller, id_, resource, expected, request.state.id)
        return form.answer(build.encode(keeping.resource_of(row)), _headers(row))

    return await _with_body(request, caller, change)


@router.delete("/Subscription/{id_}")
def delete(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#delete: one of the caller's own subscriptions is no more."""
    _form(request, caller)
    _keeper(request).delete(caller, id_, request.state.id)
    return Response(status_code=204)


def _create(request: Request, caller: Caller, form: Form, resource: dict[str, Any]) -> Response:
    row, secret = _keeper(request).create(caller, resource, request.state.id)
    location = f"{request.app.state.base}/Subscription/{row.id}"
    answer = form.answer(
        build.encode(keeping.resource_of(row)),
        {**_headers(row), "Location": location, SECRET: secret, "Cache-Control": "no-store"},
    )
    answer.status_code = 201
    return answer


async def _with_body(request: Request, caller: Caller, answer: Answer) -> Response:
    """The body is read when the caller may keep subscriptions at all; the rest waits, so it is done in a thread."""
    form = await run_in_threadpool(_form, request, caller)
    sent = await asked.body(request, asked.MOST_OF_JSON)
    return await run_in_threadpool(
        lambda: answer(request, caller, form, as_resource("Subscription", asked.resource(request, sent)))
    )


def _form(request: Request, caller: Caller, *names: str) -> Form:
    """The form of the answer. Raises what is wrong with the request, and the refusal that depends on the caller."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    known(pairs, *names)
    _keeper(request).refuse(caller, request.state.id)
    return form


def _keeper(request: Request) -> Keeper:
    keeper: Keeper = request.app.state.keeper
    return keeper


def _headers(row: Kept) -> dict[str, str]:
    return {"ETag": f'W/"{row.number}"', "Last-Modified": records.http_date(row.changed), "Cache-Control": "no-store"}
