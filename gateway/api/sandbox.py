"""The sandbox's own issuer and its one extra route. Mounted only on a sandbox store with ``GATEWAY_SANDBOX=1``."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import config, tokens
from gateway.api import asked
from gateway.api.auth import Known
from gateway.care import permit
from gateway.errors import Invalid, Refused
from gateway.nhs import identifiers
from gateway.nhs.sandbox import claims
from gateway.store.database import Store

router = APIRouter(prefix="/sandbox")
ISSUER, AUDIENCE = "urn:nhs-record-gateway:sandbox", "nhs-record-gateway"
MINUTES = 60


class PermissionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /sandbox/permission``."""

    number: str
    basis: str
    reason: str = ""


def issuer(settings: config.Settings) -> tokens.Issuer:
    """The sandbox's issuer, its key in the data folder."""
    return tokens.Issuer(ISSUER, AUDIENCE, ("RS256",), tokens.public_jwks(_key(settings)))


def issue(settings: config.Settings, store: Store, user: str, project: str = "") -> str:
    """A token for one of the sandbox's named users. Raises ``Refused`` outside a sandbox, and for other names."""
    if not (store.is_sandbox and settings.sandbox):
        raise Refused("tokens are issued only by a sandbox store with GATEWAY_SANDBOX=1")
    return tokens.issue(
        _key(settings), ISSUER, AUDIENCE, claims(user, project), now=store.clock(), seconds=MINUTES * 60
    )


def _key(settings: config.Settings) -> bytes:
    return config.key_file(settings, "sandbox-issuer.pem", tokens.new_key)


@router.post("/permission", status_code=201)
async def permission(request: Request, caller: Known) -> Response:
    """Record permission to view for the caller's organisation: ``{"number", "basis", "reason"}``."""
    try:
        given = msgspec.json.decode(await asked.in_json(request), type=PermissionRequest)
    except msgspec.MsgspecError:
        raise Invalid("body: number, basis and reason are needed, as strings") from None
    number = identifiers.normalise(given.number)
    await run_in_threadpool(permit, request.app.state.door, caller, number, given.basis, given.reason, request.state.id)
    return Response(status_code=201)
