"""Who is calling: a bearer token becomes a ``Caller``, or the answer is 401."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from gateway.errors import Unauthenticated
from gateway.nhs.roles import Caller
from gateway.signin.verify import verify

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)\Z", re.IGNORECASE | re.ASCII)
"""RFC 9110 §11.1: the name of a scheme ignores case."""


async def caller(request: Request) -> Caller:
    """The caller of a request. Raises ``Unauthenticated``, or ``Throttled`` where there are too many requests. A
    request without a caller is counted but not audited.

    It does not block, so it is a coroutine: that saves each request the switch to a thread. Only the registry that
    stands behind a token of our own is looked at in one.
    """
    rates, tokens = request.app.state.rates, request.app.state.tokens
    try:
        known = _verified(request)
        if known.issuer == tokens.name:
            await run_in_threadpool(tokens.require_standing, known)
    except Unauthenticated:
        rates.count_stranger(request)
        raise
    rates.count_caller(known)
    return known


def _verified(request: Request) -> Caller:
    """The caller whom the one token of a request names. Of two headers, a proxy may have checked the other."""
    headers = request.headers.getlist("authorization")
    match = _BEARER.match(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise Unauthenticated("one bearer token is needed")
    known: Caller = verify(match[1], request.app.state.issuers, request.app.state.door.store.clock())
    return replace(known, address=request.client.host) if request.client else known


Known = Annotated[Caller, Depends(caller)]
"""A route's argument: the verified caller."""

PUBLIC = {"/fhir/metadata", "/livez", "/readyz", "/auth/token", "/auth/introspect", "/auth/revoke", "/auth/jwks",
    "/fhir/.well-known/smart-configuration",
}  # fmt: skip
"""The routes that answer without a caller, beside the style sheet: those of ``/auth`` ask for a signed assertion. A test
checks that every other route asks for ``Known``."""
