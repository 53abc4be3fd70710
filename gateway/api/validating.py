"""``$validate``: what is wrong with a resource, without keeping it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.errors import outcome_of
from gateway.errors import Invalid, NotFound
from gateway.fhir import model
from gateway.fhir.issues import Issue
from gateway.fhir.parse import known
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller
from gateway.nhs.validation import validated

router = APIRouter(prefix="/fhir")
WISHES = ("mode", "profile")


@router.post("/{resource_type}/$validate")
async def validate(resource_type: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/resource-operation-validate.html: every fault of a resource, each with its place."""
    return await _validate(request, caller, resource_type, "")


@router.post("/{resource_type}/{id_}/$validate")
async def validate_one(resource_type: str, id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/resource-operation-validate.html: the same for a resource that would have this id."""
    return await _validate(request, caller, resource_type, id_)


async def _validate(request: Request, caller: Caller, resource_type: str, id_: str) -> Response:
    """The body is read when the caller may ask at all. Judging computes, so it is done in a thread."""
    if resource_type not in model.RESOURCE_TYPES:
        raise NotFound("resource type")
    act, door = Act("validate", resource_type), request.app.state.door
    await run_in_threadpool(records.refuse_early, door, caller, act, request.state.id)
    sent = await asked.body(request, request.app.state.settings.body_limit)
    return await run_in_threadpool(_judged, request, resource_type, id_, sent)


def _judged(request: Request, resource_type: str, id_: str, sent: bytes) -> Response:
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    known([pair for pair in pairs if pair[0] not in WISHES])
    try:
        body = asked.as_json(request, sent)
    except Invalid as fault:  # of XML: its place, never a value
        return form.answer(outcome_of([Issue("error", "structure", "", str(fault))]))
    issues = validated(resource_type, id_, body, _wish(pairs, "mode"), _wish(pairs, "profile"))
    return form.answer(outcome_of(issues))


def _wish(pairs: list[tuple[str, str]], name: str) -> str:
    values = {value for named, value in pairs if named == name}
    if len(values) > 1:
        raise Invalid(f"parameter {name}: once")
    return values.pop() if values else ""
