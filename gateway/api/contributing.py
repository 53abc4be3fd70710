"""Writes of contributors, one resource at a time: each reads the request, asks ``intake.write`` and wraps the answer.

They are defined in https://hl7.org/fhir/R4/http.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.answer import Form, version_headers
from gateway.api.auth import Known
from gateway.api.errors import outcome_of
from gateway.errors import GatewayError, Invalid, Unprocessable
from gateway.fhir import build, model
from gateway.fhir.parse import FORM, known
from gateway.intake import patching
from gateway.intake.change import Change, Pairs
from gateway.intake.unmade import refused
from gateway.intake.write import ANY_VERSION, Done, require_type, write
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller

router = APIRouter(prefix="/fhir")
REPRESENTATION = "representation"
_TAG = re.compile(r'(?:W/)?"([0-9]{1,9})"|(\*)')
_RETURN = re.compile(r"(?:^|[,;\s])return\s*=\s*\"?(minimal|representation|OperationOutcome)\b", re.IGNORECASE)


@router.post("/{resource_type}")
async def create(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#create: a new resource, under an id that the server gives."""
    return await _asked(request, caller, "create", resource_type, _create)


@router.put("/{resource_type}/{id_}")
async def update(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#update: the resource of an id, which is made where nobody has it."""
    return await _asked(request, caller, "update", resource_type, lambda ask, sent: _update(ask, sent, id_), id_=id_)


@router.put("/{resource_type}")
async def update_by_criteria(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#cond-update: the one resource that the criteria match, or a new one."""
    return await _asked(request, caller, "update", resource_type, lambda ask, sent: _update(ask, sent, ""), True)


@router.patch("/{resource_type}/{id_}")
async def patch(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#patch: a JSON Patch on the resource as it was sent."""
    return await _asked(request, caller, "update", resource_type, lambda ask, sent: _patch(ask, sent, id_), id_=id_)


@router.patch("/{resource_type}")
async def patch_by_criteria(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#patch: a JSON Patch on the one resource that the criteria match."""
    return await _asked(request, caller, "update", resource_type, lambda ask, sent: _patch(ask, sent, ""), True)


@router.delete("/{resource_type}")
async def delete_by_criteria(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#3.1.0.7.1: the one resource that the criteria match is no more."""
    return await _asked(request, caller, "delete", resource_type, lambda ask, sent: _delete(ask, ""), True)


@router.delete("/{resource_type}/{id_}")
async def delete(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#delete: the resource of an id is no more. Its versions are kept."""
    return await _asked(request, caller, "delete", resource_type, lambda ask, sent: _delete(ask, id_), id_=id_)


@dataclass(frozen=True)
class Asking:
    """One request that writes: who asks, of which type, in which form it is answered, and the criteria in its
    address."""

    request: Request
    caller: Caller
    type: str
    form: Form
    criteria: Pairs | None = None

    @property
    def base(self) -> str:
        base: str = self.request.app.state.base
        return base

    def make(self, change: Change) -> Done:
        """Make one change."""
        door, id_ = self.request.app.state.door, self.request.state.id
        (done,) = write(door, self.caller, [change], id_, self.base, self.request.app.state.defaults)
        return done


async def _asked(
    request: Request,
    caller: Caller,
    act: str,
    resource_type: str,
    read: Callable[[Asking, bytes], Change],
    has_criteria: bool = False,
    id_: str = "",
) -> Response:
    """The body is read when the caller may write such a thing at all. The rest computes and waits, so it is done in a
    thread."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    criteria = tuple(pair for pair in pairs if pair[0] not in FORM) if has_criteria else None
    known([pair for pair in pairs if not has_criteria or pair[0] in FORM])
    require_type(resource_type)
    door, asks = request.app.state.door, Change(act, resource_type, id_, criteria=criteria)
    await run_in_threadpool(records.refuse_early, door, caller, Act(act, resource_type), request.state.id)
    sent = await asked.body(request, request.app.state.settings.body_limit)
    return await run_in_threadpool(_answer, Asking(request, caller, resource_type, form, criteria), sent, read, asks)


def _answer(ask: Asking, sent: bytes, read: Callable[[Asking, bytes], Change], asks: Change) -> Response:
    """The answer to a change. One that cannot be read is audited as what its address ``asks``."""
    try:
        change = read(ask, sent)
    except GatewayError as fault:
        refused(ask.request.app.state.door, ask.caller, [asks], fault, ask.request.state.id)
        raise
    return _written(ask, ask.make(change))


def _create(ask: Asking, sent: bytes) -> Change:
    lines = ask.request.headers.getlist("if-none-exist")
    if len(lines) > 1:
        raise Invalid("if-none-exist: one condition")
    criteria = condition(lines[0]) if lines else None
    return Change("create", ask.type, "", _resource(ask, sent), criteria=criteria)


def condition(text: str) -> Pairs:
    """The criteria of ``If-None-Exist``, with or without an address before them."""
    before, mark, query = text.partition("?")
    return tuple(asked.pairs_of(query if mark and "=" not in before else text))


def _update(ask: Asking, sent: bytes, id_: str) -> Change:
    resource = _resource(ask, sent)
    if ask.criteria is None and resource.get("id") != id_:
        raise Invalid(f"{ask.type}.id: not the id of the address")
    is_new = only_new(ask.request.headers.getlist("if-none-match"))
    return Change("update", ask.type, id_, resource, _expected(ask.request), ask.criteria, is_new=is_new)


def only_new(tags: list[str]) -> bool:
    """Whether ``If-None-Match`` asks that there is none yet. Raises ``Invalid`` for one that asks for anything else."""
    if tags and [tag.strip() for tag in tags] != ["*"]:
        raise Invalid("if-none-match: *")
    return bool(tags)


def _patch(ask: Asking, sent: bytes, id_: str) -> Change:
    operations = patching.operations(asked.json_of(ask.request, sent, patching.MEDIA))
    return Change("update", ask.type, id_, None, _expected(ask.request), ask.criteria, tuple(operations))


def _delete(ask: Asking, id_: str) -> Change:
    return Change("delete", ask.type, id_, None, _expected(ask.request), ask.criteria)


def _resource(ask: Asking, sent: bytes) -> dict[str, Any]:
    return as_resource(ask.type, asked.resource(ask.request, sent))


def as_resource(resource_type: str, body: bytes) -> dict[str, Any]:
    """The resource of a body in JSON. Raises ``Invalid`` for what cannot be read or is of another type,
    ``Unprocessable`` with everything that is wrong with it."""
    issues = model.check(body)
    try:
        resource = build.decode(body)
    except model.UNREADABLE:
        raise Invalid("body: JSON in UTF-8") from None
    if not isinstance(resource, dict) or resource.get("resourceType") != resource_type:
        raise Invalid("resourceType: not the type of the address")
    if issues:
        raise Unprocessable(issues)
    return resource


def _expected(request: Request) -> int | None:
    return expected_version(request.headers.getlist("if-match"))


def expected_version(tags: list[str]) -> int | None:
    """The version that ``If-Match`` names, None without one. Raises ``Invalid`` where it names none or several."""
    if not tags:
        return None
    match = _TAG.fullmatch(tags[0].strip()) if len(tags) == 1 else None
    if match is None:
        raise Invalid("if-match: one version")
    return int(match[1]) if match[1] else ANY_VERSION


def _written(ask: Asking, done: Done) -> Response:
    """The answer to a change: where it is, its version, and as much as the client prefers."""
    version, form = done.version, ask.form
    if done.outcome == "deleted":
        return Response(status_code=204, headers={"ETag": f'W/"{version.version}"'})
    headers = {
        **version_headers(version),
        "Location": f"{ask.base}/{version.type}/{version.id}/_history/{version.version}",
    }
    status = 201 if done.outcome == "created" else 200
    match preferred(ask.request) or REPRESENTATION:
        case "minimal":
            return Response(status_code=status, headers=headers)
        case "operationoutcome":
            answer = form.answer(outcome_of(done.told), headers)
        case _:
            answer = form.answer(version.body, headers)
    answer.status_code = status
    return answer


def preferred(request: Request) -> str:
    """How much of the answer the client prefers, "" where it does not say."""
    match = _RETURN.search(",".join(request.headers.getlist("prefer")))
    return match[1].lower() if match else ""
