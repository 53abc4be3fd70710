"""The token endpoint over HTTP: forms in, JSON of OAuth out, for registered systems.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.api import asked
from gateway.api.errors import RETRY_SECONDS
from gateway.errors import GatewayError, NotFound, Throttled, TooLarge, Unauthenticated, Unavailable, WrongMedia
from gateway.nhs.roles import Caller
from gateway.signin import compact, offered
from gateway.signin.client_assertion import Proof
from gateway.signin.token_endpoint import NotGranted, TokenEndpoint
from gateway.signin.verify import verify

router = APIRouter()
STATUS = {"invalid_client": 401, "temporarily_unavailable": 503}
"""The status of an error of OAuth, where it is not 400."""
NOTHING: Mapping[str, str] = MappingProxyType({})
Form = dict[str, str]


@router.post(offered.TOKEN)
async def token(request: Request) -> Response:
    """https://hl7.org/fhir/smart-app-launch/backend-services.html#issue-access-token: a token for a registered system,
    which signs who it is."""
    return await _answered(request, "token.issue", _token)


@router.post(offered.INTROSPECT)
async def introspect(request: Request) -> Response:
    """https://www.rfc-editor.org/rfc/rfc7662: whether a client's own token stands, and what it may."""
    return await _answered(request, "token.introspect", _introspect)


@router.post(offered.REVOKE)
async def revoke(request: Request) -> Response:
    """https://www.rfc-editor.org/rfc/rfc7009: take back a client's own token, at once."""
    return await _answered(request, "token.revoke", _revoke)


@router.get(offered.JWKS)
def jwks(request: Request) -> Response:
    """https://www.rfc-editor.org/rfc/rfc7517#section-5: the public keys of the gateway's own tokens."""
    state = request.app.state
    keys = [*state.tokens.jwks["keys"], *(state.launch.jwks["keys"] if state.launch else ())]
    return _json({"keys": list({key["kid"]: key for key in keys}.values())})


@router.get(offered.CONFIGURATION)
def smart_configuration(request: Request) -> Response:
    """https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known: how to sign in, for anybody. Not found
    where this gateway issues no tokens of its own."""
    state = request.app.state
    if not state.tokens.is_on:
        raise NotFound("no sign-in of this gateway's own: GATEWAY_TOKEN_KEY is not set")
    return _json(offered.configuration(state.tokens, state.root, launches=state.launch is not None))


def _token(request: Request, form: Form) -> Response:
    launch = request.app.state.launch
    if launch is not None and form.get("grant_type") == "authorization_code":
        return _json(launch.redeemed(form, _about(request)))
    if launch is not None and form.get("grant_type") == "refresh_token":
        return _json(launch.refreshed(form, _about(request)))
    if form.get("grant_type") != "client_credentials":
        raise NotGranted("unsupported_grant_type" if form.get("grant_type") else "invalid_request", "grant_type")
    endpoint, proof = _proven(request, form)
    return _json(endpoint.granted(proof, form, _about(request)))


def _introspect(request: Request, form: Form) -> Response:
    endpoint, proof = _proven(request, form)
    return _json(endpoint.introspected(proof, *_standing(request, form)))


def _revoke(request: Request, form: Form) -> Response:
    endpoint, proof = _proven(request, form)
    caller, _ = _standing(request, form)
    endpoint.revoke(proof, caller, _about(request))
    return Response(status_code=200)


def _proven(request: Request, form: Form) -> tuple[TokenEndpoint, Proof]:
    """The endpoint, and the client that a form proves. Raises ``NotGranted``, or ``Throttled`` where the client asks
    too often."""
    state = request.app.state
    endpoint: TokenEndpoint = state.tokens
    proof = endpoint.proven(form, state.token_url)
    state.rates.count_token(proof.client.id)
    return endpoint, proof


def _standing(request: Request, form: Form) -> tuple[Caller | None, int]:
    """The caller of the token that a form asks about, and when it ends in seconds UTC; none for one that does not
    stand. Raises ``NotGranted`` where the form names no token."""
    if not form.get("token"):
        raise NotGranted("invalid_request", "token is needed")
    state = request.app.state
    try:
        caller: Caller = verify(form["token"], state.issuers, state.door.store.clock())
        state.tokens.require_standing(caller)
    except Unauthenticated:
        return None, 0
    return caller, compact.parts(form["token"])[1]["exp"]


def _about(request: Request) -> Form:
    """Where a request came from, for the audit."""
    return {"address": request.client.host if request.client else "", "request": request.state.id}


async def _answered(request: Request, act: str, answer: Callable[[Request, Form], Response]) -> Response:
    """The answer to a form, or why there is none as https://www.rfc-editor.org/rfc/rfc6749#section-5.2 says it."""
    try:
        sent = await asked.form_body(request)
        return await run_in_threadpool(_answer, request, act, sent, answer)
    except (WrongMedia, TooLarge) as error:
        try:
            request.app.state.rates.count_stranger(request)
        except Throttled as throttled:
            return _later(throttled)
        return _refused("invalid_request", str(error), 413 if isinstance(error, TooLarge) else 400)


def _answer(request: Request, act: str, sent: bytes, answer: Callable[[Request, Form], Response]) -> Response:
    try:
        try:
            return answer(request, _form(request, sent))
        except NotGranted as refusal:
            return _not_granted(request, act, refusal)
    except Throttled as throttled:
        return _later(throttled)
    except Unavailable as error:
        return _refused("temporarily_unavailable", str(error), 503)


def _not_granted(request: Request, act: str, refusal: NotGranted) -> Response:
    """The answer to a refusal. It is counted before it is audited, so that who asks too often writes nothing: to name
    a client takes no secret. Raises ``Throttled`` or ``Unavailable``."""
    request.app.state.rates.count_stranger(request)
    if refusal.client:
        _audit(request, act, refusal)
    return _refused(refusal.code, str(refusal), STATUS.get(refusal.code, 400))


def _form(request: Request, sent: bytes) -> Form:
    """The parameters of a form, each once; nothing is read of an address, which logs keep. Raises ``NotGranted``."""
    try:
        pairs = asked.in_form(request, sent)
    except GatewayError as error:
        raise NotGranted("invalid_request", str(error)) from None
    if request.scope["query_string"] or len(dict(pairs)) < len(pairs):
        raise NotGranted("invalid_request", "parameters: in the body, each once")
    return dict(pairs)


def _audit(request: Request, act: str, refusal: NotGranted) -> None:
    """Write that somebody asked in the name of a registered client and was refused. Raises ``Unavailable``."""
    state = request.app.state
    about = {"issuer": state.tokens.name, "user": refusal.client, **_about(request)}
    state.door.audit.record({"act": act, **about, "outcome": "refused", "refusal": refusal.code, "why": str(refusal)})


def _later(error: Throttled) -> Response:
    return _refused("temporarily_unavailable", str(error), 429, {"Retry-After": str(error.seconds)})


def _refused(code: str, words: str, status: int, headers: Mapping[str, str] = NOTHING) -> Response:
    if status == 503:
        headers = {"Retry-After": str(RETRY_SECONDS), **headers}
    return _json({"error": code, "error_description": words}, status, headers)


def _json(members: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] = NOTHING) -> Response:
    content = msgspec.json.encode(members)
    kept = {"Cache-Control": "no-store", "Pragma": "no-cache", **headers}
    return Response(content, status, kept, media_type="application/json")
