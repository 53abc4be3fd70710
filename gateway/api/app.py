"""The application: settings and a store in, an ASGI app out."""

from __future__ import annotations

import json
import re
import time
import uuid
from pathlib import Path

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import config, log, records, tokens
from gateway.api import bulk, errors, fhir, operations, sandbox, service
from gateway.errors import Refused
from gateway.nhs import codesets
from gateway.store.database import Store, open_store
from gateway.terminology import sets as code_sets

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Told apart in counts and logs; a client may send any word as one."""
REQUEST_ID = re.compile(r"[A-Za-z0-9\-]{1,64}\Z")


def create_app(settings: config.Settings, store: Store | None = None) -> FastAPI:
    """The gateway's application over a store. Raises ``Refused`` when it may not serve: the sandbox's issuer needs both a sandbox store and
    ``GATEWAY_SANDBOX=1``; a live store needs its code sets."""
    store = store or open_store(settings.url)
    if store.is_sandbox != settings.sandbox:
        raise Refused("a sandbox store and GATEWAY_SANDBOX=1 go together; either alone does not serve")
    found = code_sets.load(sandbox=store.is_sandbox, own=settings.code_sets)
    missing = () if store.is_sandbox else codesets.missing(found)
    if missing:
        raise Refused("code sets are missing: " + ", ".join(missing))
    app = FastAPI(title="NHS record gateway", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.settings, app.state.base = settings, settings.at(config.HOST, config.PORT).base_url.rstrip("/") + "/fhir"
    app.state.door = records.open_door(store, found, missing, settings.data_dir / "audit.db")
    app.state.issuers = issuers(settings, store)
    app.state.requests = {}
    errors.install(app)
    for part in (service.router, operations.router, bulk.router, fhir.router):
        app.include_router(part)
    if store.is_sandbox:
        app.include_router(sandbox.router)
    service.mount_static(app)
    app.add_middleware(Envelope, limit=settings.body_limit)
    return app


def issuers(settings: config.Settings, store: Store) -> tokens.Issuers:
    """Who may vouch for callers: the configured OpenID issuers, and the sandbox's own where there is a sandbox."""
    found = [_issuer(name, table) for name, table in config.toml(settings.issuers, "GATEWAY_ISSUERS").items()]
    if store.is_sandbox and settings.sandbox:
        found.append(sandbox.issuer(settings))
    if not found:
        raise Refused("GATEWAY_ISSUERS names no issuer")
    return tokens.Issuers(found)


def _issuer(name: str, table: dict) -> tokens.Issuer:
    try:
        jwks = json.loads(Path(table["jwks"]).read_text(encoding="utf-8"))
        return tokens.Issuer(table["iss"], table["audience"], tuple(table["algorithms"]), jwks)
    except (KeyError, OSError, ValueError):
        raise Refused(f"GATEWAY_ISSUERS: {name}: iss, audience, algorithms and jwks (a file) are needed") from None


class Envelope:
    """What every answer carries: the caller's X-Request-ID (or a new one), a bound on the body, no caching, a count, a log line without values."""

    def __init__(self, app: ASGIApp, limit: int):
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.match(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["id"] = request_id
        started, status, is_begun = time.monotonic(), 500, False
        declared, size = headers.get(b"content-length", b""), 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self.limit:
                    raise _TooLong
            return message

        async def stamped(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                status, is_begun = message["status"], True
                message["headers"] = [
                    *((k, v) for k, v in message["headers"] if k != b"x-request-id"),
                    (b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"),
                ]  # fmt: skip
                if b"cache-control" not in {k for k, _ in message["headers"]}:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        try:
            if declared.isdigit() and int(declared[:20]) > self.limit:
                raise _TooLong
            await self.app(scope, bounded, stamped)
        except _TooLong:
            answer = Response(errors.outcome("too-long", "the body is too large"), 413, media_type=errors.FHIR_JSON)
            await answer(scope, receive, stamped)
        except Exception as error:  # whatever it is: further out the server would log its words, which may be somebody's
            log.bug(error)
            if is_begun:
                raise ConnectionAbortedError from None
            await errors.bug()(scope, receive, stamped)
        route = getattr(scope.get("route"), "path", "")
        method = scope["method"] if scope["method"] in METHODS else "other"
        log.event("request", route=route, method=method, status=status, request_id="given" if request_id == given else request_id,
                  seconds=round(time.monotonic() - started, 4))  # fmt: skip
        counts = scope["app"].state.requests
        counts[route, method, status] = counts.get((route, method, status), 0) + 1


class _TooLong(Exception):
    """More body than the limit."""
