"""Batch and transaction: several requests in one Bundle, each by itself or all of them together.

https://hl7.org/fhir/R4/http.html#transaction. A batch may read too; what a transaction writes is read afterwards.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, errors
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.contributing import as_resource, condition, expected_version, only_new, preferred
from gateway.api.reading_entries import MOST_READ, answered
from gateway.errors import GatewayError, Invalid, TooLarge, Unsupported
from gateway.fhir import model, params
from gateway.fhir.parse import known
from gateway.intake import patching
from gateway.intake.change import MOST, Change, Pairs, placed
from gateway.intake.unmade import refused
from gateway.intake.write import Done, require_type, require_writer, write
from gateway.nhs.roles import Caller

router = APIRouter(prefix="/fhir")
READ = "GET"
ACTS = {"DELETE": "delete", "POST": "create", "PUT": "update", "PATCH": "update"}
"""Method → the act that it is."""


class _Request(msgspec.Struct):
    method: str = ""
    url: str = ""
    ifMatch: str = ""
    ifNoneExist: str = ""
    ifNoneMatch: str = ""


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    request: _Request = msgspec.field(default_factory=_Request)
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    resourceType: str
    type: str = ""
    entry: list[_Entry] = []


class _Binary(msgspec.Struct):
    resourceType: str
    contentType: str = ""
    data: str = ""


_decoder, _binary = msgspec.json.Decoder(_Bundle), msgspec.json.Decoder(_Binary)


@router.post("")
@router.post("/")
async def interchange(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#transaction: the requests of a Bundle: all or none of the writes of a
    transaction, each write and read of a batch by itself."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    known(pairs)
    await run_in_threadpool(_require_somebody, request, caller)
    sent = await asked.body(request, request.app.state.settings.body_limit)
    return await run_in_threadpool(_answer, request, caller, form, sent)


def _require_somebody(request: Request, caller: Caller) -> None:
    """Raise the refusal of a caller who may neither read nor write anything, before the body is read."""
    door = request.app.state.door
    if not records.may_read(door, caller):
        require_writer(door, caller, request.state.id)


def _answer(request: Request, caller: Caller, form: Form, sent: bytes) -> Response:
    bundle = _read(asked.resource(request, sent))
    if bundle.type == "transaction" or any(entry.request.method != READ for entry in bundle.entry):
        require_writer(request.app.state.door, caller, request.state.id)
    request.app.state.rates.count_entries(caller, len(bundle.entry))
    if bundle.type == "batch":
        responses = _each(request, caller, bundle.entry)
    else:
        responses = _together(request, caller, bundle.entry)
    answer = {"resourceType": "Bundle", "type": f"{bundle.type}-response", "entry": responses}
    if not responses:
        del answer["entry"]
    return form.answer(msgspec.json.encode(answer))


def _read(body: bytes) -> _Bundle:
    """The Bundle of a body. Raises ``Invalid`` for what is no batch and no transaction, ``TooLarge`` for too many
    entries."""
    try:
        bundle = _decoder.decode(body)
    except model.UNREADABLE:
        raise Invalid("body: not a Bundle that can be read") from None
    if bundle.resourceType != "Bundle" or bundle.type not in ("batch", "transaction"):
        raise Invalid("Bundle.type: batch or transaction")
    if len(bundle.entry) > MOST:
        raise TooLarge(f"Bundle.entry: more than {MOST}")
    if sum(entry.request.method == READ for entry in bundle.entry) > MOST_READ:
        raise TooLarge(f"Bundle.entry: more than {MOST_READ} reads")
    return bundle


def _together(request: Request, caller: Caller, entries: Sequence[_Entry]) -> list[dict[str, Any]]:
    """The responses to the entries of a transaction, in their order."""
    changes = [_asked_for(request, caller, number, entry) for number, entry in enumerate(entries)]
    written = _write(request, caller, changes) if changes else []
    return [_response(request, done) for done in written]


def _each(request: Request, caller: Caller, entries: Sequence[_Entry]) -> list[dict[str, Any]]:
    """The responses to the entries of a batch. After one that had to wait in vain the rest are answered as it was: each
    would wait as long."""
    responses: list[dict[str, Any]] = []
    for number, entry in enumerate(entries):
        responses.append(_alone(request, caller, number, entry))
        if responses[-1]["response"]["status"].startswith("503"):
            return responses + [responses[-1]] * (len(entries) - len(responses))
    return responses


def _alone(request: Request, caller: Caller, number: int, entry: _Entry) -> dict[str, Any]:
    """The response to one entry of a batch, whatever becomes of the others: entries before it stand already, and who
    sent the whole again would write them twice."""
    try:
        if entry.request.method == READ:
            with placed(f"Bundle.entry[{number}]"):
                return _shown(answered(request, caller, entry.request.url))
        change = _asked_for(request, caller, number, entry)
        (done,) = _write(request, caller, [change])
    except GatewayError as fault:
        return _failed(fault)
    return _response(request, done)


def _shown(answer: dict[str, Any]) -> dict[str, Any]:
    """The response to an entry that was read."""
    return {**answer, "response": {"status": _status(200), **answer.get("response", {})}}


def _failed(fault: GatewayError) -> dict[str, Any]:
    outcome, status, _ = errors.of(fault)
    return {"response": {"status": _status(status), "outcome": msgspec.Raw(outcome)}}


def _write(request: Request, caller: Caller, changes: Sequence[Change]) -> list[Done]:
    state = request.app.state
    return write(state.door, caller, changes, request.state.id, state.base, state.defaults)


def _asked_for(request: Request, caller: Caller, number: int, entry: _Entry) -> Change:
    """The change that an entry asks for. One that cannot be read is audited as what its address asks."""
    try:
        return _change(request, number, entry)
    except GatewayError as fault:
        type_, id_, criteria = _parts(request, entry.request.url)
        act = ACTS.get(entry.request.method, "create")
        asks = Change(act, type_ if type_ in params.SEARCHABLE else "", id_, criteria=criteria)
        refused(request.app.state.door, caller, [asks], fault, request.state.id)
        raise


def _change(request: Request, number: int, entry: _Entry) -> Change:
    """The change that an entry asks for. What is wrong with it is told with its place."""
    place = f"Bundle.entry[{number}]"
    with placed(place):
        asks = entry.request
        if asks.method not in ACTS:
            raise Unsupported("request.method: POST, PUT, PATCH or DELETE, and GET in a batch")
        type_, id_, criteria = _address(request, asks.url)
        require_type(type_)
        if asks.method == "POST" and (id_ or criteria is not None):
            raise Invalid("request.url: a type")
        if asks.method != "POST" and not id_ and criteria is None:
            raise Invalid("request.url: an id or criteria")
        if asks.method == "POST" and asks.ifNoneExist:
            criteria = condition(asks.ifNoneExist)
        change = Change(
            ACTS[asks.method], type_, id_, None, expected_version([asks.ifMatch] if asks.ifMatch else []), criteria,
            full_url=entry.fullUrl, place=place, is_new=only_new([asks.ifNoneMatch] if asks.ifNoneMatch else []),
        )  # fmt: skip
        return _with_content(change, asks.method, bytes(entry.resource))


def _with_content(change: Change, method: str, body: bytes) -> Change:
    """The change with its resource or its patch."""
    if method == "DELETE":
        return change
    if method == "PATCH":
        return replace(change, patch=tuple(patching.operations(_patch(body))))
    resource = as_resource(change.type, body)
    if method == "PUT" and change.criteria is None and resource.get("id") != change.id:
        raise Invalid(f"{change.type}.id: not the id of the address")
    return replace(change, resource=resource)


def _patch(body: bytes) -> bytes:
    """The JSON Patch in a Binary."""
    try:
        binary = _binary.decode(body)
        if binary.resourceType == "Binary" and binary.contentType.partition(";")[0].strip() == patching.MEDIA:
            return base64.b64decode(binary.data, validate=True)
    except (*model.UNREADABLE, binascii.Error):
        pass
    raise Unsupported(f"resource: a Binary of {patching.MEDIA}")


def _address(request: Request, url: str) -> tuple[str, str, Pairs | None]:
    """The type, the id and the criteria of an address: ``Patient``, ``Patient/1`` or ``Patient?identifier=…``."""
    type_, id_, criteria = _parts(request, url)
    if "/" in id_ or "$" in type_ + id_:
        raise Unsupported("request.url: a type, an id or criteria")
    return type_, id_, criteria


def _parts(request: Request, url: str) -> tuple[str, str, Pairs | None]:
    path, has_criteria, query = url.removeprefix(f"{request.app.state.base}/").partition("?")
    type_, _, id_ = path.strip("/").partition("/")
    return type_, id_, tuple(asked.pairs_of(query)) if has_criteria else None


def _response(request: Request, done: Done) -> dict[str, Any]:
    """The response to an entry whose change was made, with the resource for who prefers it."""
    version = done.version
    status = {"created": 201, "deleted": 204}.get(done.outcome, 200)
    response: dict[str, Any] = {"status": _status(status), "etag": f'W/"{version.version}"'}
    if done.outcome == "deleted":
        return {"response": response}
    address = f"{request.app.state.base}/{version.type}/{version.id}"
    response["location"] = f"{address}/_history/{version.version}"
    response["lastModified"] = records.instant(version.updated)
    answer: dict[str, Any] = {"fullUrl": address}
    wish = preferred(request)
    if wish == "representation":
        answer["resource"] = msgspec.Raw(version.body)
    elif wish == "operationoutcome":
        response["outcome"] = msgspec.Raw(errors.outcome_of(done.told))
    return {**answer, "response": response}


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
