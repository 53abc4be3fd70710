"""The extra routes of a sandbox: a named user records permission to view, and is a Practitioner; a tester loads people
and begins anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.errors import FHIR_JSON, outcome_of
from gateway.care import Statement, permit
from gateway.errors import Invalid, NotFound
from gateway.fhir import build
from gateway.fhir.issues import Issue
from gateway.intake.resetting import reset
from gateway.nhs import identifiers, sandbox
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller

if TYPE_CHECKING:
    from gateway.intake.scenario import Loaded

router = APIRouter()


class PermissionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /sandbox/permission``."""

    number: str
    basis: str
    reason: str = ""
    until: str = ""


@router.post("/sandbox/permission", status_code=201)
async def permission(request: Request, caller: Known) -> Response:
    """Record permission to view for the caller's organisation: ``{"number", "basis", "reason", "until"}``."""
    door = request.app.state.door
    await run_in_threadpool(records.refuse_early, door, caller, Act("permit"), request.state.id)
    sent = await asked.body(request, asked.MOST_OF_JSON)
    await run_in_threadpool(_permit, request, caller, sent)
    return Response(status_code=201)


class PackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /sandbox/pack``."""

    pack: str


@router.post("/sandbox/pack")
async def pack(request: Request, caller: Known) -> Response:
    """Load the people of a scenario pack, as their sources would send them: ``{"pack"}``."""
    act, door = Act("create", "Patient"), request.app.state.door
    await run_in_threadpool(records.refuse_early, door, caller, act, request.state.id)
    sent = await asked.body(request, asked.MOST_OF_JSON)
    loaded = await run_in_threadpool(_load_pack, request, caller, sent)
    issues = [Issue("information", "informational", "", f"people: {loaded.people}")]
    if loaded.rejects:
        issues.append(Issue("warning", "incomplete", "", f"not taken: {loaded.rejects} rows or groups of rows"))
    return Response(outcome_of(issues), media_type=FHIR_JSON)


@router.get("/fhir/Practitioner/sandbox-{user}")
def practitioner(user: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/http.html#read: the Practitioner that stands for a named user, whom an ID token names as
    ``fhirUser``. It is of no source, and lies in no store."""
    form = Form(request, asked.in_query(request))
    door, act, id_ = request.app.state.door, Act("read", "Practitioner"), request.state.id
    records.refuse_early(door, caller, act, id_)
    outcome = "ok" if user in sandbox.staff() else "none"
    door.audit.record(
        {**records.who(caller), "act": "read", "type": "Practitioner", "outcome": outcome, "request": id_}
    )
    if outcome == "none":
        raise NotFound("Practitioner")
    return form.answer(build.encode(sandbox.practitioner(user)))


@router.post("/fhir/$reset")
def reset_own(request: Request, caller: Known) -> Response:
    """Delete all that the caller's own publisher holds."""
    count = reset(request.app.state.door, caller, request.state.id)
    return Response(outcome_of([Issue("information", "informational", "", f"deleted: {count}")]), media_type=FHIR_JSON)


def _load_pack(request: Request, caller: Caller, sent: bytes) -> Loaded:
    from gateway.intake.scenario import load_pack  # few requests load one, and it imports all that writes people

    try:
        name = msgspec.json.decode(asked.checked_json(sent), type=PackRequest).pack
    except msgspec.MsgspecError:
        raise Invalid("body: pack is needed, as a string") from None
    return load_pack(request.app.state.door, caller, name, request.state.id)


def _permit(request: Request, caller: Caller, sent: bytes) -> None:
    try:
        body = msgspec.json.decode(asked.checked_json(sent), type=PermissionRequest)
    except msgspec.MsgspecError:
        raise Invalid("body: number, basis and reason are needed, as strings") from None
    statement = Statement(identifiers.normalise(body.number), body.basis, body.reason, body.until)
    permit(request.app.state.door, caller, statement, request.state.id)
