"""Who is calling: a bearer token becomes a Caller, or the answer is 401."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Request

from gateway import tokens
from gateway.errors import Unauthenticated
from gateway.nhs.roles import Caller

_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9\-._~+/]+=*)\Z")


async def caller(request: Request) -> Caller:
    """The caller of a request. Raises ``Unauthenticated``; counts but does not audit who never was anybody.

    It waits for nothing, so it needs no thread: a coroutine spares every request the way to one and back.
    """
    header = request.headers.get("authorization", "")
    match = _BEARER.match(header)
    if match is None:
        raise Unauthenticated("a bearer token is needed")
    return tokens.verify(match[1], request.app.state.issuers, request.app.state.door.store.clock())


Known = Annotated[Caller, Depends(caller)]
"""A route's argument: whoever calls, known and verified."""

PUBLIC = {"/fhir/metadata", "/livez", "/readyz"}
"""The routes that answer without a caller, beside the style sheet. A test holds every other route to ``Known``."""
