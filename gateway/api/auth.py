"""Who is calling: a bearer token becomes a ``Caller``, or the answer is 401."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from gateway.errors import Unauthenticated
from gateway.nhs.roles import Caller
from gateway.signin import offered
from gateway.signin.launch import is_launched
from gateway.signin.verify import verify, wanted

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)\Z", re.IGNORECASE | re.ASCII)
"""RFC 9110 §11.1: the name of a scheme ignores case."""


async def caller(request: Request) -> Caller:
    """The caller of a request. Raises ``Unauthenticated``, ``Throttled`` where there are too many requests, or
    ``Unavailable`` where the keys of the token's issuer could not be had. A request without a caller is counted but not
    audited.

    It does not block, so it is a coroutine: that saves each request the switch to a thread. Only what is
    seldom is done in one: asking for the keys that an issuer publishes, and looking into the store for a token of
    our own.
    """
    rates, tokens = request.app.state.rates, request.app.state.tokens
    try:
        token = _bearer(request)
        if due := wanted(token, request.app.state.issuers, request.app.state.door.store.clock()):
            await run_in_threadpool(due[0].refresh, due[1])  # without keys: Unavailable, not "who are you?"
        known = _verified(request, token)
        if known.issuer == tokens.name:
            await run_in_threadpool(tokens.require_standing, known)
        elif is_launched(known):
            await run_in_threadpool(request.app.state.launch.require_standing, known)
    except Unauthenticated:
        rates.count_stranger(request)
        raise
    rates.count_caller(known)
    return known


def _bearer(request: Request) -> str:
    """The one token of a request. Of two headers, a proxy may have checked the other."""
    headers = request.headers.getlist("authorization")
    match = _BEARER.match(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise Unauthenticated("one bearer token is needed")
    return match[1]


def _verified(request: Request, token: str) -> Caller:
    """The caller whom a token names."""
    known: Caller = verify(token, request.app.state.issuers, request.app.state.door.store.clock())
    return replace(known, address=request.client.host) if request.client else known


Known = Annotated[Caller, Depends(caller)]
"""A route's argument: the verified caller."""

PUBLIC = {
    "/fhir/metadata", "/livez", "/openapi.json", "/readyz", offered.CONFIGURATION,
    offered.TOKEN, offered.INTROSPECT, offered.REVOKE, offered.JWKS, offered.AUTHORIZE,
}  # fmt: skip
"""The routes that answer without a caller, beside the style sheet. Those of ``/auth`` ask for a signed assertion, or
are the sandbox's sign-in. A test checks that every other route asks for ``Known``."""
