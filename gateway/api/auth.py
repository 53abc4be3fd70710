"""Who is calling: a bearer token becomes a ``Caller``, or the answer is 401."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Request

from gateway.errors import Unauthenticated
from gateway.nhs.roles import Caller
from gateway.signin.verify import verify

_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9\-._~+/]+=*)\Z")


async def caller(request: Request) -> Caller:
    """The caller of a request. Raises ``Unauthenticated``, also for two Authorization headers: whoever stands in front
    of us may have read the other. A request without a caller is counted but not audited.

    It does not block, so it is a coroutine: that saves each request the switch to a thread.
    """
    sent = request.headers.getlist("authorization")
    match = _BEARER.match(sent[0]) if len(sent) == 1 else None
    if match is None:
        raise Unauthenticated("a bearer token is needed")
    known: Caller = verify(match[1], request.app.state.issuers, request.app.state.door.store.clock())
    return known


Known = Annotated[Caller, Depends(caller)]
"""A route's argument: the verified caller."""

PUBLIC = {"/fhir/metadata", "/livez", "/readyz"}
"""The routes that answer without a caller, beside the style sheet. A test checks that every other route asks for
``Known``."""
