"""What every request has: an id, a limit on its body, no caching, a count, and a log line without values."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import log
from gateway.api import errors
from gateway.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that counts and logs name; a client may send any word as one."""
REQUEST_ID = re.compile(r"[A-Za-z0-9\-]{1,64}\Z")
ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


class Envelope:
    """The outermost middleware of ours: it takes the caller's X-Request-ID or makes one, and turns every failure into
    an answer."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD" and not scope["path"].endswith("$export")
        if is_head:  # RFC 9110 §9.3.2: as GET, without the content; but a kick-off is no mere read
            scope = {**scope, "method": "GET"}
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = sent if REQUEST_ID.match(sent) else str(uuid.uuid4())
        scope.setdefault("state", {})["id"] = request_id
        counts: Metrics = scope["app"].state.metrics
        started, status, is_begun = time.monotonic(), 500, False
        counts.begin()

        async def stamped(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                status, is_begun = message["status"], True
                message["headers"] = _stamped(message["headers"], request_id)
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(scope, _bounded(receive, headers.get(b"content-length", b""), self.limit), stamped)
        except _TooLong:
            answer = Response(errors.outcome("too-long", "the body is too large"), 413, media_type=errors.FHIR_JSON)
            await answer(scope, receive, stamped)
        except ClientDisconnect:  # the client left, or was too slow, before its body was whole: nobody to answer
            status = 408
        # Whatever it is: further out the server would log the message, which may hold a patient's data.
        except Exception as error:
            log.bug(error)
            if is_begun:
                raise ConnectionAbortedError from None
            await errors.bug()(scope, receive, stamped)
        finally:
            counts.end()
        method = "HEAD" if is_head else scope["method"]
        seconds = time.monotonic() - started
        _log(scope, method, status, "given" if request_id == sent else request_id, seconds, counts)


class _TooLong(Exception):
    """The body is larger than the limit."""


def _bounded(receive: Receive, declared: bytes, limit: int) -> Receive:
    """``receive`` for a body of at most ``limit`` bytes. Raises ``_TooLong`` at once where more is declared, else when
    more has come."""
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _TooLong
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > limit:
                raise _TooLong
        return message

    return bounded


def _stamped(headers: Sequence[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """Add the common headers to an answer. An answer's own caching header is kept."""
    kept = [(name, value) for name, value in headers if name != b"x-request-id"]
    cached = [] if any(name == b"cache-control" for name, _ in kept) else [(b"cache-control", b"no-store")]
    return [*kept, (b"x-request-id", request_id.encode()), *ALWAYS, *cached]


def _log(scope: Scope, method: str, status: int, request_id: str, seconds: float, counts: Metrics) -> None:
    """Log and count an answer by its route, never by its address, which may name a patient."""
    route = getattr(scope.get("route"), "path", "")
    method = method if method in METHODS else "other"
    log.event("request", route=route, method=method, status=status, request_id=request_id, seconds=round(seconds, 4))
    counts.answered(route, method, status, seconds)
