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


async def caller_of_page(request: Request) -> Caller:
    """The caller of a page of ours: of a bearer token as ``caller`` finds them, else whoever signed in in this browser,
    in the role that they selected. Only routes outside of ``/fhir`` ask for it: a browser sends its cookie whoever
    made it ask. Raises ``Unauthenticated``; a browser is then sent to sign in or to select a role, and what takes no
    page is told so as by the API."""
    if "authorization" in request.headers:
        return await caller(request)
    is_browser = "text/html" in request.headers.get("accept", "")
    request.state.page = f"{SIGN_IN}?to={request.url.path}" if is_browser else None
    state = request.app.state
    try:
        signed_in = await run_in_threadpool(state.sessions.of, cookie(request, SESSION))
        if signed_in.caller is None:
            request.state.page = SELECT if is_browser else None
            raise Unauthenticated("a role must be selected")
    except Unauthenticated:
        state.rates.count_stranger(request)
        raise
    known: Caller = signed_in.caller
    state.rates.count_caller(known)
    request.state.signed_in, request.state.page = signed_in, "" if is_browser else None
    return replace(known, address=request.client.host) if request.client else known


SESSION, BROWSER = "session", "signing-in"
"""The names of the cookies: of a session, and of a browser that has none yet."""
SIGN_IN, SELECT = "/signin", "/signin/role"


def cookie_name(request: Request, name: str) -> str:
    """A cookie's name. Over TLS a browser keeps one of this prefix to us alone and to encrypted connections
    (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2)."""
    return f"__Host-{name}" if is_secure(request) else name


def is_secure(request: Request) -> bool:
    """Whether browsers reach us over TLS."""
    root: str = request.app.state.root
    return root.startswith("https:")


def cookie(request: Request, name: str) -> str:
    """The secret in a cookie; "" where there is none."""
    return request.cookies.get(cookie_name(request, name), "")


Known = Annotated[Caller, Depends(caller)]
"""A route's argument: the verified caller."""
Paged = Annotated[Caller, Depends(caller_of_page)]
"""The argument of a page's route: the caller of a token, or of the session in this browser."""

PUBLIC = {
    "/fhir/metadata", "/livez", "/openapi.json", "/readyz", offered.CONFIGURATION,
    offered.TOKEN, offered.INTROSPECT, offered.REVOKE, offered.JWKS, offered.AUTHORIZE, offered.OPENID,
    "/", SIGN_IN, SELECT, "/signin/{name}/back", "/signin/{name}/logout", "/signout",
}  # fmt: skip
"""The routes that answer without a caller, beside the style sheet. Those of ``/auth`` ask for a signed assertion, or
are the sandbox's sign-in for apps; those on which people sign in and out read their session themselves. A test checks
that every other route asks for ``Known`` or ``Paged``."""
