"""The extra route of a sandbox: a named user records permission to view."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.api import asked
from gateway.api.auth import Known
from gateway.care import permit
from gateway.errors import Invalid
from gateway.nhs import identifiers

router = APIRouter(prefix="/sandbox")


class PermissionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /sandbox/permission``."""

    number: str
    basis: str
    reason: str = ""


@router.post("/permission", status_code=201)
async def permission(request: Request, caller: Known) -> Response:
    """Record permission to view for the caller's organisation: ``{"number", "basis", "reason"}``."""
    try:
        body = msgspec.json.decode(await asked.in_json(request), type=PermissionRequest)
    except msgspec.MsgspecError:
        raise Invalid("body: number, basis and reason are needed, as strings") from None
    number = identifiers.normalise(body.number)
    await run_in_threadpool(permit, request.app.state.door, caller, number, body.basis, body.reason, request.state.id)
    return Response(status_code=201)
